"""Summarise order sensitivity: its size, and whether its pattern is the reference's.

Reads the logits tables of several learners on one design with several orders per draw.
Measures, over test queries: `sen` (Shen et al.: sum over the vocabulary of the standard
deviation over orders, mean over queries), `label_sen` (label words only), and against the
reference `sen_below` (`sen` of the reference minus that of the learner, query by query) and
`pattern_cosine` with its controls: `pattern_permuted` (of different queries), `pattern_beyond`
(the difference of both) and `pattern_own` (without what all queries share), with 95 % intervals
over draws and queries; `mantel_r` (of a whole draw) with an interval over draws, and `mantel_p`,
which combines the draws' p-values by Fisher's method. A draw in which a row diverged has no value
at that epoch; `diverged` is the share of such rows.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument("--logits", type=cli.existing, nargs="+", required=True, help="logits tables")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import numpy as np  # after parsing: --help is quick
import polars as pl

from iclgd.io import parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.logits import LOGITS
from iclgd.metrics import order_sensitivity
from iclgd.metrics.order_patterns import PATTERNS
from iclgd.statistics import intervals, summaries

RUN = list(RUN_COLUMNS)
BY = [*RUN, "learner", "epoch"]


def test_rows(path: Path) -> pl.DataFrame:
    return parquet.read(path, LOGITS).filter(pl.col("split") == "test")


# Tables of the reference come first and stay in memory; of the others one at a time is there.
of_the_reference = {
    path: parquet.read(path, {"learner": pl.String})["learner"][0] == args.figure.reference
    for path in args.logits
}
if not any(of_the_reference.values()):
    raise cli.InputError(f"--logits: no table is of the reference {args.figure.reference!r}")
KEYS = {**RUN_COLUMNS, "learner": pl.String, "epoch": pl.Int32, "draw": pl.Int32}
TESTS = dict.fromkeys(order_sensitivity.MANTEL, pl.Float64)
references, by_learner, tests, diverged = {}, [], [], []
for path in sorted(args.logits, key=lambda path: not of_the_reference[path]):
    rows = test_rows(path)
    diverged.append(rows.select(*BY, (pl.col("status") != "ok").alias("diverged")))
    for key, group in rows.group_by(*BY, "draw", maintain_order=True):
        *run, learner, epoch, draw = key
        found = order_sensitivity.read(group)
        lost = np.full(group["example"].n_unique(), np.nan)
        examples = group["example"].unique().sort()
        size = (
            (order_sensitivity.sen(found), order_sensitivity.label_sen(found))
            if found
            else (lost, lost)
        )
        cosines, test = dict.fromkeys(PATTERNS, lost), None
        if not of_the_reference[path]:
            reference = references.get((*run, draw))
            if found and reference:
                cosines, test = order_sensitivity.against(found, reference, draw)
            tests.append((*key, *(test or (None, None))))
        elif (*run, draw) in references:
            raise cli.InputError(
                f"reference {args.figure.reference}: draw {draw} is there more than once (several "
                "epochs, or the same file twice)"
            )
        else:
            references[*run, draw] = found
        columns = {"sen": size[0], "label_sen": size[1], **cosines}
        one = pl.DataFrame({**dict(zip(KEYS, key, strict=True)), "example": examples, **columns})
        by_learner.append(one.cast(KEYS))

by_query = pl.concat(by_learner).with_columns(pl.col(pl.Float64).fill_nan(None))
is_reference = pl.col("learner") == args.figure.reference
others = by_query.filter(~is_reference)
size = by_query.filter(is_reference).select(*RUN, "draw", "example", sen_of_reference="sen")
below = others.join(size, on=[*RUN, "draw", "example"]).with_columns(
    sen_below=pl.col("sen_of_reference") - pl.col("sen")
)
of_reference = is_reference & pl.col("metric").is_in(list(PATTERNS))
tested = pl.DataFrame(tests, schema=KEYS | TESTS, orient="row")
by_draw = summaries.bands(
    tested.unpivot(list(TESTS), index=list(KEYS), variable_name="metric"),
    [*BY, "metric"],
    order_sensitivity.MANTEL.values(),
)
is_p = pl.col("metric") == "mantel_p"
combined = (
    tested.drop_nulls("mantel_p")
    .group_by(BY, maintain_order=True)
    .agg(pl.col("mantel_p").map_batches(order_sensitivity.fisher, pl.Float64, returns_scalar=True))
)
by_draw = by_draw.join(combined, on=BY, how="left").with_columns(
    pl.when(is_p).then("mantel_p").otherwise("estimate").alias("estimate"),
    *(pl.when(~is_p).then(edge).alias(edge) for edge in ("low", "high")),
)
summary = pl.concat(
    [
        intervals.means(by_query, BY, order_sensitivity.SENSITIVITIES.values()).filter(
            ~of_reference
        ),
        intervals.means(below, BY, order_sensitivity.CONTRASTS.values()),
        by_draw.drop("mantel_p"),
    ],
    how="diagonal",
).rename({"metric": "measure"})
shares = pl.concat(diverged).group_by(BY).agg(pl.col("diverged").mean())
parquet.write(summary.join(shares, on=BY).sort(*BY, "measure"), args.output)
