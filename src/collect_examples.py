"""Collect example prompts for the report, with the answers of both learners.

Of every pair of learners the test queries at the quartiles of total variation, each learner at its
chosen rate and epoch. No model is loaded.
"""

import functools
import json
from pathlib import Path

from iclgd.io import cli, parquet
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.examples import EXAMPLES
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK

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
    "--study",
    type=cli.json_object,
    required=True,
    help='JSON: what is shifted in references, such as {"shifts": {"icl-reordered": "order"}}',
)
parser.add_argument("--output", type=Path, required=True, help="table to write")
args = parser.parse_args()

import polars as pl  # after parsing: --help is quick

from iclgd.metrics import pairing
from iclgd.reporting import examples

CHOICE = {**RUN_COLUMNS, "a": pl.String, "b": pl.String, "epoch": pl.Int32}


def joined(paths, schema):
    """All tables of a kind as one; it has the columns of the schema if there is none."""
    return pl.concat([pl.DataFrame(schema=schema), *(parquet.read(path, schema) for path in paths)])


choice = joined(args.summaries, {**CHOICE, "chosen": pl.Boolean}).filter("chosen")
choice = choice.select(*CHOICE).unique().sort(*CHOICE)

paths: dict[tuple, list] = {}
for path in args.logits:
    key = parquet.read(path, {**RUN_COLUMNS, "learner": pl.String}).row(0)
    paths.setdefault(key, []).append(path)


@functools.lru_cache(2)  # ICL stays while it is compared with one learner after another
def logits(*key):
    if key not in paths:
        raise cli.InputError(f"no logits of {key[-1]!r} for {'/'.join(map(str, key[:3]))}")
    return joined(paths[key], LOGITS)


tasks = {path.stem: parquet.read(path, TASK) for path in args.tasks}
demonstrations = joined(args.demonstrations, DEMONSTRATIONS)
tokenizers = {
    path.name: examples.tokenizer(path.with_suffix(""), json.loads(path.read_text()))
    for path in args.manifests
}

found = [pl.DataFrame(schema=EXAMPLES)]
for *run, a, b, epoch in choice.rows():
    model, task, design, _ = run
    shift = args.study["shifts"].get(b)
    ours = logits(*run, a)
    theirs = pairing.shifted(ours, shift) if shift else logits(*run, b)
    rows = examples.likely(examples.compared(ours, theirs, b, epoch))
    shown = demonstrations.filter(task=task, design=design)
    rows = rows.hstack(examples.prompts_of(tasks[task], shown, rows, shift))
    rows = examples.spell(rows, tokenizers[f"{model}.json"])
    found.append(rows.select(*EXAMPLES).cast(dict(EXAMPLES)))
parquet.write(pl.concat(found), args.output, EXAMPLES)
