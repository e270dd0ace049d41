"""Prepare a task: rows of a data set become queries and demonstrations in one prompt format.

The rows are generated (the made-up language of the built-in models), read from local
files, or downloaded from the hub with `datasets`; this step alone may use the network.
"""

import json
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
parser.add_argument("--manifest", type=Path, help="JSON to write: rows left out, and classes")
args = parser.parse_args()

from iclgd import corpus, data, files, ginc, tasks  # after parsing: --help is quick

entry, queries = args.entry, args.entry.get("queries", 500)
if "generate" in entry:
    make = ginc.make_task if entry["generate"]["kind"] == "ginc" else corpus.make_task
    made = make(tasks.generator(args.task, "rows"), **entry["generate"])
    entry = {**entry, "labels": {str(row["label"]): row["label_text"] for row in made}}
    sources = {"train": ((f"row {i}", row) for i, row in enumerate(made))}
elif "files" in entry:
    paths = entry["files"] if isinstance(entry["files"], dict) else {"train": entry["files"]}
    sources = {split: data.read(Path(path), entry) for split, path in paths.items()}
else:
    sources = tasks.hub_rows(**entry["hub"])

table = {split: data.render(source, entry, args.task) for split, source in sources.items()}
sifted = tasks.sift(table, entry, args.task)
splits = tasks.split_queries(sifted.table, queries, args.task)
manifest = tasks.manifest(sifted, splits, entry, args.task)
for line in tasks.said(manifest, sifted, entry):
    print(line, file=sys.stderr)
tables.write(tasks.task_table(splits, entry, args.task), args.output, tables.TASK)
if args.manifest:
    with files.whole(args.manifest) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n")
