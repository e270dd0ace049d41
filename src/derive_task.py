"""Derive a task from another one: the same queries, other demonstrations.

The control is `labels` (random labels; with a share, so many wrong ones), `flipped` (every row has
a twin with the next label, of which each draw shows some), `abstract` (label words that say
nothing, of queries as well), `conflict` (every input has two labels), `texts` (the inputs of
another task) or `content-free` (no input at all).
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--name", required=True, help="name of the control")
parser.add_argument("--task", type=cli.existing, required=True, help="task table, tasks/X.parquet")
CONTROLS = ["labels", "flipped", "abstract", "conflict", "texts", "content-free"]
parser.add_argument("--control", required=True, choices=CONTROLS)
parser.add_argument("--share", type=float, help="for `labels`: the share of wrong ones")
parser.add_argument("--texts", type=cli.existing, help="for `texts`: the other task's table")
parser.add_argument("--prompt", help="for `content-free`: the task's prompt template")
parser.add_argument("--output", type=Path, required=True, help="task table to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.task import TASK
from iclgd.tasks import controls

task = parquet.read(args.task, TASK)
if args.control == "labels":
    seed, share = args.name, args.share
    if share is None:
        task = controls.random_labels(task, seed)
    else:
        task = controls.wrong_labels(task, share, parquet.only(task, "task"))
elif args.control == "flipped":
    task = controls.flipped_labels(task)
elif args.control == "abstract":
    task = controls.abstract_labels(task)
elif args.control == "conflict":
    task = controls.conflicting_labels(task, parquet.only(task, "task"))
elif args.control == "texts":
    if args.texts is None:
        parser.error("--control texts needs --texts")
    task = controls.foreign_texts(task, parquet.read(args.texts, TASK), args.name)
else:
    if args.prompt is None:
        parser.error("--control content-free needs --prompt")
    task = controls.empty_texts(task, args.prompt)
parquet.write(task.with_columns(pl.lit(args.name).alias("task")), args.output, TASK)
