"""Collect a few real queries of every pair of learners, with prompts and both distributions.

Of every pair the test queries at the quartiles of total variation, with each learner at its chosen
rate and epoch: the cells that the report's explorer shows. No model is loaded.
"""

import functools
import json
from pathlib import Path

from iclgd import cli, tables

parser = cli.parser(__doc__)
for name, what in {
    "summaries": "summaries of agreement: which rates and epochs were chosen",
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

CHOICE = {**tables.RUN, "a": pl.String, "b": pl.String, "epoch": pl.Int32}


def joined(paths, schema):
    """All tables of a kind as one; it has the columns of the schema if there is none."""
    return pl.concat([pl.DataFrame(schema=schema), *(tables.read(path, schema) for path in paths)])


choice = joined(args.summaries, {**CHOICE, "chosen": pl.Boolean}).filter("chosen")
choice = choice.select(*CHOICE).unique().sort(*CHOICE)

paths: dict[tuple, list] = {}
for path in args.logits:
    key = tables.read(path, {**tables.RUN, "learner": pl.String}).row(0)
    paths.setdefault(key, []).append(path)


@functools.lru_cache(2)  # ICL stays while one learner after the other is beside it
def logits(*key):
    if key not in paths:
        raise cli.InputError(f"no logits of {key[-1]!r} for {'/'.join(map(str, key[:3]))}")
    return joined(paths[key], tables.LOGITS)


tasks = {path.stem: tables.read(path, tables.TASK) for path in args.tasks}
demonstrations = joined(args.demonstrations, tables.DEMONSTRATIONS)
tokenizers = {
    path.name: cells.tokenizer(path.with_suffix(""), json.loads(path.read_text()))
    for path in args.manifests
}

found = [pl.DataFrame(schema=tables.CELLS)]
for *run, a, b, epoch in choice.rows():
    model, task, design, _ = run
    shift = args.shifts.get(b)
    ours = logits(*run, a)
    theirs = comparison.shifted(ours, shift) if shift else logits(*run, b)
    rows = cells.likely(cells.compared(ours, theirs, b, epoch))
    shown = demonstrations.filter(task=task, design=design)
    rows = rows.hstack(cells.prompts_of(tasks[task], shown, rows, shift))
    rows = cells.spell(rows, tokenizers[f"{model}.json"])
    found.append(rows.select(*tables.CELLS).cast(dict(tables.CELLS)))
tables.write(pl.concat(found), args.output, tables.CELLS)
