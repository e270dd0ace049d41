"""Agreement on the K most likely tokens, for every K."""

from __future__ import annotations

import polars as pl

from iclgd.io.schemas.keys import RUN_COLUMNS

CURVES = pl.Schema(
    {
        **RUN_COLUMNS,
        "a": pl.String,
        "b": pl.String,
        "draw": pl.Int32,
        "order": pl.Int32,
        "epoch": pl.Int32,
        "k": pl.Int32,
        "token_overlap": pl.Float64,
        "ocs": pl.Float64,
    }
)
