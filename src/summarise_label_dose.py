"""Summarise whether learners follow the labels that demonstrations show, dose by dose.

Accuracy, and how often a query is answered as its demonstrations show it, over test queries with
95 % intervals, by task (a share of wrong labels, or abstract words) and learner; the slope of
accuracy over the share of wrong labels, and what it is beyond ICL's. Rate and epoch are chosen
on the validation queries of the task with right labels, and are the same for all.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument("--logits", type=cli.existing, nargs="+", required=True, help="logits tables")
parser.add_argument(
    "--demonstrations", type=cli.existing, nargs="+", required=True, help="tables of all tasks"
)
parser.add_argument("--task", type=cli.existing, nargs="+", required=True, help="task tables")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.statistics import label_dose

read = [parquet.read(path, TASK) for path in args.task]
tasks = {parquet.only(table, "task"): table for table in read}
derived = {name: kind for name, (_, kind) in args.figure.controls.items()}
labels = {name: derived.get(name, label_dose.RIGHT) for name in tasks}
(parent,) = (name for name, kind in labels.items() if kind == label_dose.RIGHT)
(icl,) = (name for name, role in args.figure.roles.items() if role == "icl")
demonstrations = (parquet.read(path, DEMONSTRATIONS) for path in args.demonstrations)
shown = label_dose.shown(tasks, demonstrations, parent)
rows = pl.concat(label_dose.answered(parquet.read(path, LOGITS), shown) for path in args.logits)
parquet.write(label_dose.summarised(rows, labels, icl), args.output)
