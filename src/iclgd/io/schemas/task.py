"""The table of a task: its queries, and the examples that may be demonstrations."""

from __future__ import annotations

import polars as pl

TASK = pl.Schema(
    {
        "task": pl.String,
        "example": pl.Int32,
        "split": pl.String,
        "instruction": pl.String,
        "text": pl.String,
        "answer": pl.String,
        "ending": pl.String,
        "label": pl.Int32,
    }
)
