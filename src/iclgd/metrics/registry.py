"""The metrics of agreement, and the table that holds them."""

from __future__ import annotations

import polars as pl

from iclgd.io.schemas.keys import KEY_COLUMNS, RUN_COLUMNS

METRICS = (
    "accuracy_a",
    "accuracy_b",
    "label_accuracy_a",
    "label_accuracy_b",
    "token_overlap",
    "ocs",
    "ocs_paper",
    "js",
    "tv",
    "kl_ab",
    "kl_ba",
    "rbo",
    "label_js",
    "label_tv",
    "label_ocs",
)
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
        **dict.fromkeys(METRICS, pl.Float64),
    }
)
