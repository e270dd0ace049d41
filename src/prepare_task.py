"""Prepare a task: rows of a data set become queries and demonstrations in one prompt format.

The rows are generated (the made-up language of the built-in models), read from local
files, or downloaded from the hub with `datasets`; this step alone may use the network.
"""

import sys
from pathlib import Path

from iclgd import cli, tables

parser = cli.parser(__doc__)
parser.add_argument("--task", required=True, help="name of the task")
parser.add_argument(
    "--entry",
    type=cli.json_object,
    required=True,
    help="the task's entry in the catalogue, as JSON: generate, files or hub; prompt; labels ...",
)
parser.add_argument("--output", type=Path, required=True, help="task table to write")
args = parser.parse_args()

from iclgd import corpus, ginc, tasks  # after parsing: --help is quick

entry, queries = args.entry, args.entry.get("queries", 500)
if "generate" in entry:
    make = ginc.make_task if entry["generate"]["kind"] == "ginc" else corpus.make_task
    made = make(tasks.generator(args.task, "rows"), **entry["generate"])
    entry = {**entry, "labels": {str(row["label"]): row["label_text"] for row in made}}
    sources = {"train": ((f"row {i}", row) for i, row in enumerate(made))}
elif "files" in entry:
    files = entry["files"] if isinstance(entry["files"], dict) else {"train": entry["files"]}
    sources = {split: tasks.read_rows(Path(path)) for split, path in files.items()}
else:
    sources = tasks.hub_rows(**entry["hub"])

table = {split: tasks.render(rows, entry, args.task) for split, rows in sources.items()}
if "longest" in entry:
    everything = sum(map(len, table.values()))
    table = tasks.short_enough(table, entry["longest"])
    left_out = everything - sum(map(len, table.values()))
    reason = f"have more than {entry['longest']} characters"
    print(f"{args.task}: {left_out} of {everything} rows {reason}: left out", file=sys.stderr)
splits = tasks.split_queries(table, queries, args.task)
tables.write(tasks.task_table(splits, entry, args.task), args.output, tables.TASK)
