"""The logits table: next-token distributions."""

from __future__ import annotations

import polars as pl

from iclgd.io.schemas.keys import KEY_COLUMNS, RUN_COLUMNS

LOGITS = pl.Schema(
    {
        **RUN_COLUMNS,
        "learner": pl.String,
        **KEY_COLUMNS,
        "split": pl.String,
        "label": pl.Int32,
        "answer_id": pl.Int32,
        "status": pl.String,
        "loss": pl.Float32,
        "state": pl.String,
        "trained": pl.Int32,
        "label_logprobs": pl.List(pl.Float32),
        "top_ids": pl.List(pl.Int32),
        "top_logprobs": pl.List(pl.Float32),
        "tail_mass": pl.Float32,
    }
)
