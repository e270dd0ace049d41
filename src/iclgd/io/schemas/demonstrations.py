"""The table of orders: which examples each draw shows, in which order."""

from __future__ import annotations

import polars as pl

DEMONSTRATIONS = pl.Schema(
    {
        "task": pl.String,
        "design": pl.String,
        "draw": pl.Int32,
        "order": pl.Int32,
        "position": pl.Int32,
        "example": pl.Int32,
        "binding": pl.List(pl.Int32),
    }
)
