"""The change of weights that imitates ICL beside the change that gradient descent makes."""

from __future__ import annotations

import polars as pl

from iclgd.io.schemas.keys import RUN_COLUMNS

UPDATES = pl.Schema(
    {
        **RUN_COLUMNS,
        "a": pl.String,
        "b": pl.String,
        "draw": pl.Int32,
        "order": pl.Int32,
        "layer": pl.Int32,
        "matrix": pl.String,
        "demonstrations": pl.String,
        "update_cosine": pl.Float64,
        "shared_inputs": pl.Float64,
        "patch_spread": pl.Float64,
    }
)
