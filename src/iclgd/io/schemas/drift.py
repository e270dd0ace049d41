"""How far weights are from those of another checkpoint."""

from __future__ import annotations

import polars as pl

DRIFT = pl.Schema(
    {
        "model": pl.String,
        "reference": pl.String,
        "tensor": pl.String,
        "weights": pl.Int64,
        "mean_abs_change": pl.Float64,
    }
)
