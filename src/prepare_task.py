"""Prepare a task: rows of a data set become queries and demonstrations in one prompt format.

The rows are generated (the made-up language of the built-in models), read from local
files, from a file of a package (by pip), or downloaded from the hub with `datasets`; this step
alone may use the network.
"""

import json
import sys
import tempfile
from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--task", required=True, help="name of the task")
parser.add_argument(
    "--entry",
    type=cli.json_object,
    required=True,
    help="the task's entry in the catalogue, as JSON: generate, files, hub or package; prompt ...",
)
parser.add_argument("--output", type=Path, required=True, help="task table to write")
parser.add_argument("--manifest", type=Path, help="JSON to write: rows left out, and classes")
args = parser.parse_args()
cli.table_step()

from iclgd.io import files, packages, parquet  # after parsing: --help is quick
from iclgd.io.schemas.task import TASK
from iclgd.tasks import ginc, hub_datasets, readers, synthetic, task_tables

entry, queries = args.entry, args.entry.get("queries", 500)
if "generate" in entry:
    make = ginc.make_task if entry["generate"]["kind"] == "ginc" else synthetic.make_task
    made = make(task_tables.generator(args.task, "rows"), **entry["generate"])
    entry = {**entry, "labels": {str(row["label"]): row["label_text"] for row in made}}
    sources = {}
    for i, row in enumerate(made):
        sources.setdefault(row.pop("split", "train"), []).append((f"row {i}", row))
elif "files" in entry:
    paths = entry["files"] if isinstance(entry["files"], dict) else {"train": entry["files"]}
    sources = {split: readers.read(Path(path), entry) for split, path in paths.items()}
elif "package" in entry:
    package = entry["package"]
    with tempfile.TemporaryDirectory() as folder:
        path = packages.fetch(package, Path(folder))
        called = f"{package['name']} {package['version']}, {package['file']}"
        sources = {"train": list(readers.read_as(path, entry, called))}
else:
    sources = hub_datasets.hub_rows(**entry["hub"])

table = {split: readers.render(source, entry, args.task) for split, source in sources.items()}
sifted = task_tables.sift(table, entry, args.task)
splits = task_tables.split_queries(sifted.table, queries, args.task)
manifest = task_tables.manifest(sifted, splits, entry, args.task)
for line in task_tables.messages(manifest, sifted, entry):
    print(line, file=sys.stderr)
parquet.write(task_tables.task_table(splits, entry, args.task), args.output, TASK)
if args.manifest:
    with files.whole(args.manifest) as temporary:
        temporary.write_text(json.dumps(manifest, indent=1) + "\n")
