"""Time and memory of run_icl and run_gd over two orders of magnitude, a process for each point.

Queries, draws, orders and epochs are multiplied one at a time. The model is llama-small; queries
are those of a built-in task, repeated.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

import measure
import numpy as np
import polars as pl

from iclgd.io import parquet
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.task import TASK
from iclgd.tasks import sampling, synthetic, task_tables

STEP = """
import json, pathlib, re, runpy, sys, time
import polars, torch, transformers.models.auto, transformers.models.llama.modeling_llama
start = time.process_time()
sys.argv = sys.argv[1:]
sys.path.insert(0, str(pathlib.Path(sys.argv[0]).parent))
runpy.run_path(sys.argv[0], run_name="__main__")
peak = re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1]
print(json.dumps({"seconds": time.process_time() - start, "megabytes": int(peak) / 1024}))
"""
QUERIES, EPOCHS = 100, 10
TENFOLD = (1, 10, 100)


def task(folder: Path, queries: int) -> Path:
    """Four topics; the queries of the first hundred rows, again and again under new numbers."""
    entry = {"prompt": "{text} : {label}\n", "queries": QUERIES}
    made = synthetic.make_task(task_tables.generator("scale", "rows"), "topics", 200, 4)
    entry["labels"] = {str(row["label"]): row["label_text"] for row in made}
    rendered = task_tables.render(((f"row {i}", row) for i, row in enumerate(made)), entry, "scale")
    splits = task_tables.split_queries({"train": rendered}, entry["queries"], "scale")
    table = task_tables.task_table(splits, entry, "scale")
    rows_of_queries = table.filter(pl.col("split") != "train")
    rows = np.arange(queries) % len(rows_of_queries)
    first = table["example"].max() + 1
    more = rows_of_queries[rows].with_columns(pl.Series("example", first + np.arange(queries)))
    path = folder / f"task-{queries}.parquet"
    train = table.filter(pl.col("split") == "train")
    parquet.write(pl.concat([train, more], how="vertical_relaxed"), path, TASK)
    return path


def manifest(folder: Path) -> Path:
    (folder / "llama-small").symlink_to(measure.ROOT / "models/llama-small")
    path = folder / "llama-small.json"
    entry = {"model": "llama-small", "dtype": "float32", "remote_code": False}
    path.write_text(json.dumps(entry))
    return path


def point(learner: str, queries=QUERIES, draws=1, orders=1, epochs=EPOCHS) -> dict:
    """Processor seconds (without imports) and peak memory of one step."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        table = task(folder, queries)
        shown = folder / "shown.parquet"
        drawn = sampling.demonstrations(parquet.read(table, TASK), "n5", 5, orders, range(draws))
        parquet.write(drawn, shown, DEMONSTRATIONS)
        entry = {"rate": 0.01, "epochs": epochs, "record": []}
        more = ["--learner", json.dumps(entry)] if learner == "gd" else []
        command = [sys.executable, "-c", STEP, measure.ROOT / f"src/run_{learner}.py"]
        command += ["--model", manifest(folder), "--task", table, "--demonstrations", shown]
        command += [*more, "--device", "cpu", "--output", folder / "out.parquet"]
        done = subprocess.run(list(map(str, command)), capture_output=True, check=True)
    return json.loads(done.stdout)


rows = []
for learner, what, base in (
    ("icl", "queries", 500),
    ("icl", "draws", 5),
    ("icl", "orders", 1),
    ("gd", "queries", 500),
    ("gd", "draws", 5),
    ("gd", "epochs", EPOCHS),
):
    for factor in TENFOLD:
        found = point(learner, **{what: base * factor})
        rows.append({"learner": learner, "what": what, "size": base * factor, **found})
        print(f"{learner}, {base * factor} {what}: {found['seconds']:.1f} s", end=", ")
        print(f"{found['megabytes']:.0f} MB", flush=True)
measure.save(pl.DataFrame(rows), "scale")
