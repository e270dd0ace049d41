"""Perplexity by position."""

from __future__ import annotations

import polars as pl

PERPLEXITY = pl.Schema(
    {
        "model": pl.String,
        "first": pl.Int32,
        "last": pl.Int32,
        "tokens": pl.Int64,
        "nats": pl.Float64,
        "perplexity": pl.Float64,
    }
)
