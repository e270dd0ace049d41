"""Example prompts for the report, with the answers of both learners."""

from __future__ import annotations

import polars as pl

from iclgd.io.schemas.keys import KEY_COLUMNS, RUN_COLUMNS

EXAMPLES = pl.Schema(
    {
        **RUN_COLUMNS,
        "a": pl.String,
        "b": pl.String,
        **KEY_COLUMNS,
        "place": pl.String,
        "tv": pl.Float64,
        "token_overlap": pl.Float64,
        "instruction": pl.String,
        "demonstrations": pl.List(pl.String),
        "demonstrations_b": pl.List(pl.String),
        "text": pl.String,
        "answer": pl.String,
        "answer_token": pl.String,
        "tokens": pl.List(pl.String),
        "probability_a": pl.List(pl.Float64),
        "probability_b": pl.List(pl.Float64),
        "rank_a": pl.List(pl.Int32),
        "rank_b": pl.List(pl.Int32),
    }
)
