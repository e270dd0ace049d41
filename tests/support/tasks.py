"""A small task."""

from __future__ import annotations

import polars as pl

from iclgd.io import parquet
from iclgd.io.schemas.task import TASK
from iclgd.tasks import readers, synthetic, task_tables

ENTRY = {"prompt": "{text} : {label}\n", "queries": 12}


def tiny_task(name: str = "topic2", rows: int = 32, classes: int = 2, **entry) -> pl.DataFrame:
    """A generated task: 2 classes, 20 training rows, 3 validation and 9 test queries."""
    made = synthetic.make_task(task_tables.generator(name, "rows"), "topics", rows, classes)
    labels = {str(row["label"]): row["label_text"] for row in made}
    entry = {**ENTRY, "labels": labels, **entry}
    placed = ((f"row {i}", row) for i, row in enumerate(made))
    rendered = [row for _, row in readers.render(placed, entry, name)]
    splits = task_tables.split_queries({"train": rendered}, entry["queries"], name)
    return parquet.match(task_tables.task_table(splits, entry, name), TASK)
