"""Collect a few real queries of every pair of learners, with prompts and both distributions.

Of every pair the test queries at the quartiles of total variation, with each learner at its chosen
rate and epoch: the cells that the report's explorer shows. No model is loaded.
"""

from pathlib import Path

from iclgd import cli, tables

parser = cli.parser(__doc__)
for name, what in {
    "summaries": "summaries of agreement: which rates and epochs were chosen",
    "agreement": "agreement tables of the pairs",
    "logits": "logits tables of their learners",
    "manifests": "of the models",
    "tasks": "task tables",
    "demonstrations": "demonstrations tables",
}.items():
    parser.add_argument(f"--{name}", type=cli.existing, nargs="*", default=[], help=what)
parser.add_argument(
    "--shifts", type=cli.json_object, default={}, help="JSON: reference to what is shifted in it"
)
parser.add_argument("--output", type=Path, required=True, help="table to write")
args = parser.parse_args()

import polars as pl  # after parsing: --help is quick

from iclgd import cells, comparison

RUN, PAIR = list(tables.RUN), cells.PAIR
CHOICE = {**tables.RUN, "a": pl.String, "b": pl.String, "epoch": pl.Int32}
COMPARED = (*PAIR, *tables.KEYS, "split", "tv", "token_overlap")


def joined(paths, schema):
    """All tables of a kind as one; it has the columns of the schema if there is none."""
    return pl.concat([pl.DataFrame(schema=schema), *(tables.read(path, schema) for path in paths)])


choice = joined(args.summaries, {**CHOICE, "chosen": pl.Boolean}).filter("chosen")
choice = choice.select(*CHOICE).unique()
compared = joined(args.agreement, {name: tables.AGREEMENT[name] for name in COMPARED})
picked = cells.picked(compared.join(choice, on=list(CHOICE)))

# Of the logits only what is shown stays: a study has far more than the memory holds.
wanted = {run for *place, a, b in picked.select(PAIR).rows() for run in ((*place, a), (*place, b))}
asked, epochs = picked["example"].unique().to_list(), [0, *picked["epoch"].unique()]
logits: dict[tuple, list[pl.DataFrame]] = {}
for path in args.logits:
    key = tables.read(path, {**tables.RUN, "learner": pl.String}).row(0)
    if key in wanted:
        rows = tables.read(path, tables.LOGITS)
        rows = rows.filter(pl.col("example").is_in(asked), pl.col("epoch").is_in(epochs))
        logits.setdefault(key, []).append(rows)

tasks = {path.stem: tables.read(path, tables.TASK) for path in args.tasks}
demonstrations = joined(args.demonstrations, tables.DEMONSTRATIONS)
tokenizers = {path.name: cells.tokenizer(path.with_suffix("")) for path in args.manifests}

found = [pl.DataFrame(schema=tables.CELLS)]
for (*place, a, b), part in picked.group_by(PAIR, maintain_order=True):
    model, task, design, _ = place
    shift = args.shifts.get(b)
    ours = pl.concat(logits[*place, a])
    theirs = comparison.shifted(ours, shift) if shift else pl.concat(logits[*place, b])
    rows = cells.beside(ours, theirs, part)
    shown = demonstrations.filter(task=task, design=design)
    rows = rows.hstack(cells.prompts_of(tasks[task], shown, rows, shift))
    rows = cells.spell(rows.with_columns(a=pl.lit(a), b=pl.lit(b)), tokenizers[f"{model}.json"])
    found.append(rows.select(*tables.CELLS).cast(dict(tables.CELLS)))
tables.write(pl.concat(found), args.output, tables.CELLS)
