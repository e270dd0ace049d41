"""How many weights are small, and measures of each head's circuits."""

from __future__ import annotations

import polars as pl

SPARSITY = pl.Schema(
    {
        "model": pl.String,
        "layer": pl.Int32,
        "head": pl.Int32,
        "matrix": pl.String,
        "threshold": pl.Float64,
        "share": pl.Float64,
        "share_rms": pl.Float64,
    }
)

CIRCUITS = pl.Schema(
    {
        "model": pl.String,
        "layer": pl.Int32,
        "head": pl.Int32,
        "circuit": pl.String,
        "stable_rank": pl.Float64,
        "hoyer": pl.Float64,
        "gini": pl.Float64,
        "singular_values": pl.List(pl.Float64),
    }
)
