"""Perplexity by position: how much earlier tokens help a model to predict the next one."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from torch import Tensor

from iclgd.io.schemas.perplexity import PERPLEXITY
from iclgd.learners import batches
from iclgd.models import dimensions, forward

BUCKET = 10  # positions that are averaged together: two lines of the made-up language


@torch.no_grad()
def token_nats(model, sequences: list[list[int]]) -> list[Tensor]:
    """-log p(x_t | x_0 ... x_{t-1}) in nats, t = 1, 2, ..., of every sequence, in float64.

    The first token, which is mostly the special one in front, is not predicted. Logits of
    about `batches.LOGITS_PER_BATCH` are in memory at once.
    """
    longest = max(map(len, sequences))
    rows = max(1, batches.LOGITS_PER_BATCH // (longest * dimensions.vocabulary(model)))
    found = []
    for start in range(0, len(sequences), rows):
        part = sequences[start : start + rows]
        tokens = forward.pad(part, model.device)
        with forward.autocast(model, model.device.type):
            logits = model(**forward.arguments(tokens)).logits[:, :-1]
        logprobs = logits.double().log_softmax(-1)
        nats = -logprobs.gather(-1, tokens[:, 1:, None])[..., 0].cpu()
        found += [own[: len(one) - 1] for own, one in zip(nats, part, strict=True)]
    return found


def by_position(model: str, nats: list[Tensor]) -> pl.DataFrame:
    """The table ``PERPLEXITY``: perplexity = exp(mean nats) of each bucket of positions.

    Position t has t tokens before it; a bucket holds the positions ``first`` ... ``last``.
    """
    long = pl.DataFrame(
        {
            "position": np.concatenate([np.arange(1, len(one) + 1) for one in nats]),
            "nats": torch.cat(nats).numpy(),
        }
    )
    first = (pl.col("position") - 1) // BUCKET * BUCKET + 1
    table = (
        long.group_by(first.alias("first"))
        .agg(
            pl.col("position").max().alias("last"),
            pl.len().alias("tokens"),
            pl.col("nats").mean(),
        )
        .with_columns(pl.lit(model).alias("model"), pl.col("nats").exp().alias("perplexity"))
    )
    return table.select(PERPLEXITY.keys())
