"""What first-order steps in a group of weights reach of ICL's change."""

from __future__ import annotations

import polars as pl

from iclgd.io.schemas.keys import RUN_COLUMNS

REACH = pl.Schema(
    {
        **RUN_COLUMNS,
        "draw": pl.Int32,
        "order": pl.Int32,
        "layer": pl.Int32,
        "matrix": pl.String,
        "part": pl.String,
        "demonstrations": pl.String,
        "fitted": pl.Float64,
        "r2": pl.Float64,
        "cosine": pl.Float64,
    }
)
