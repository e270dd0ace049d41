"""Summarise order sensitivity: its size, and whether its pattern is the reference's.

Reads the logits tables of several learners on one design with several orders per draw.
Measures, over test queries: `sen` (Shen et al.: sum over the vocabulary of the standard
deviation over orders, mean over queries), `label_sen` (label words only), and against the
reference `pattern_cosine`, `mantel_r` and `mantel_p`. Bands are 95 % over draws; `mantel_p`
combines the draws' p-values by Fisher's method and has none. A draw in which a row diverged
has no value at that epoch; `diverged` is the share of such rows.
"""

from pathlib import Path

from iclgd import cli, tables

parser = cli.parser(__doc__)
parser.add_argument("--logits", type=cli.existing, nargs="+", required=True, help="logits tables")
parser.add_argument("--reference", default="icl", help="learner whose pattern is the yardstick")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()

import polars as pl  # after parsing: --help is quick

from iclgd import order, statistics

RUN = list(tables.RUN)
BY = [*RUN, "learner", "epoch"]


def test_rows(path: Path) -> pl.DataFrame:
    return tables.read(path, tables.LOGITS).filter(pl.col("split") == "test")


# One table at a time is in memory, besides those of the reference, which come first.
is_reference = {
    path: tables.read(path, {"learner": pl.String})["learner"][0] == args.reference
    for path in args.logits
}
if not any(is_reference.values()):
    raise cli.InputError(f"--logits: no table is of the reference {args.reference!r}")
references, values, diverged = {}, [], []
for path in sorted(args.logits, key=lambda path: not is_reference[path]):
    rows = test_rows(path)
    diverged.append(rows.select(*BY, (pl.col("status") != "ok").alias("diverged")))
    for key, group in rows.group_by(*BY, "draw", maintain_order=True):
        *run, learner, epoch, draw = key
        found = order.read(group)
        if is_reference[path] and (*run, draw) in references:
            raise cli.InputError(
                f"reference {args.reference}: draw {draw} is there more than once (several "
                "epochs, or the same file twice)"
            )
        measured = dict.fromkeys(("sen", "label_sen"))
        if found:
            measured = {"sen": order.sen(found), "label_sen": order.label_sen(found)}
        if is_reference[path]:
            references[*run, draw] = found
        else:
            reference = references.get((*run, draw))
            both = found and reference
            measured |= (
                order.against(found, reference, draw) if both else dict.fromkeys(order.AGAINST)
            )
        values += [(*key, name, value) for name, value in measured.items()]

kinds = {**tables.RUN, "learner": pl.String, "epoch": pl.Int32, "draw": pl.Int32}
values = pl.DataFrame(
    values, schema={**kinds, "measure": pl.String, "value": pl.Float64}, orient="row"
)
is_p = pl.col("measure") == "mantel_p"
bands = statistics.bands(values, [*BY, "measure"])
combined = (
    values.filter(is_p, pl.col("value").is_not_null())
    .group_by(*BY, "measure", maintain_order=True)
    .agg(pl.col("value").map_batches(order.fisher, pl.Float64, returns_scalar=True).alias("fisher"))
)
summary = (
    bands.join(combined, on=[*BY, "measure"], how="left")
    .with_columns(
        pl.when(is_p).then("fisher").otherwise("estimate").alias("estimate"),
        *(pl.when(~is_p).then(edge).alias(edge) for edge in ("low", "high")),
    )
    .drop("fisher")
    .join(pl.concat(diverged).group_by(BY).agg(pl.col("diverged").mean()), on=BY)
)
tables.write(summary.sort(*BY, "measure"), args.output)
