"""Collect example prompts for the report, with the answers of both learners.

Of every pair of learners the test queries at the quartiles of total variation, each learner at its
chosen rate and epoch. Agreement tables have the total variation; of logits tables only the rows
that are shown are read. No model is loaded.
"""

import json
from pathlib import Path

from iclgd.io import cli

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
    "--agreement",
    required=True,
    help="path of the agreement table of {a} and {b} of {model}, {task} and {design}: each chosen"
    " pair's is read (all of a large study would not fit a command line)",
)
parser.add_argument(
    "--study",
    type=cli.json_object,
    required=True,
    help='JSON: what is shifted in references, such as {"shifts": {"icl-reordered": "order"}}',
)
parser.add_argument("--output", type=Path, required=True, help="table to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.examples import EXAMPLES
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.task import TASK
from iclgd.reporting import examples

CHOICE = {**RUN_COLUMNS, "a": pl.String, "b": pl.String, "epoch": pl.Int32}


def joined(tables, schema):
    """All tables of a kind as one; it has the columns of the schema if there is none."""
    return pl.concat([pl.DataFrame(schema=schema), *tables])


def read(paths, schema):
    return joined((parquet.read(path, schema) for path in paths), schema)


choice = read(args.summaries, {**CHOICE, "chosen": pl.Boolean}).filter("chosen")
choice = choice.select(*CHOICE).unique().sort(*CHOICE)
shifts = args.study["shifts"]


def rows_of(model, task, design, shots, a, b, epoch):
    path = args.agreement.format(model=model, task=task, design=design, a=a, b=b)
    return examples.chosen(parquet.read(path, examples.AGREED), epoch, shifts.get(b))


shown = joined((rows_of(*one) for one in choice.rows()), examples.CHOSEN)
keys = pl.concat(examples.asked(shown, side) for side in "ab").unique()
answers = (examples.answers(path, keys) for path in args.logits)
answers = joined(answers, {**examples.ASKED, **examples.ANSWERS})
shown = examples.likely(examples.answered(shown, answers))

tasks = {path.stem: parquet.read(path, TASK) for path in args.tasks}
demonstrations = read(args.demonstrations, DEMONSTRATIONS)
tokenizers = {
    path.stem: examples.tokenizer(path.with_suffix(""), json.loads(path.read_text()))
    for path in args.manifests
}
found = [pl.DataFrame(schema=EXAMPLES)]
for (model, task, design, b), rows in shown.group_by("model", "task", "design", "b"):
    seen = demonstrations.filter(task=task, design=design)
    rows = rows.hstack(examples.prompts_of(tasks[task], seen, rows, shifts.get(b)))
    rows = examples.spell(rows, tokenizers[model])
    found.append(rows.select(*EXAMPLES).cast(dict(EXAMPLES)))
parquet.write(pl.concat(found), args.output, EXAMPLES)
