"""The agreement table: its keys, and a column for every metric of `agreement`."""

from __future__ import annotations

import polars as pl

from iclgd.io.schemas.keys import KEY_COLUMNS, RUN_COLUMNS
from iclgd.metrics.agreement import METRICS as METRICS

AGREEMENT = pl.Schema(
    {
        **RUN_COLUMNS,
        "a": pl.String,
        "b": pl.String,
        **KEY_COLUMNS,
        "split": pl.String,
        "label": pl.Int32,
        "label_a": pl.Int32,
        "label_b": pl.Int32,
        "status": pl.String,
        "state": pl.String,
        "loss": pl.Float32,
        **dict.fromkeys(METRICS, pl.Float64),
    }
)
