"""The attention table: agreement inside self-attention."""

from __future__ import annotations

import polars as pl

from iclgd.io.schemas.keys import KEY_COLUMNS, RUN_COLUMNS

SIMILARITIES = (
    "sim_aou",
    "sim_aou_chance",
    "sim_aou_raw",
    "sim_am",
    "sim_am_before",
    "sim_am_delta",
    "kendall",
    "kendall_before",
    "kendall_random",
)

ATTENTION = pl.Schema(
    {
        **RUN_COLUMNS,
        "learner": pl.String,
        **KEY_COLUMNS,
        "layer": pl.Int32,
        "split": pl.String,
        **dict.fromkeys(SIMILARITIES, pl.Float64),
    }
)
