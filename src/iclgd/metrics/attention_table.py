"""From the activations of a batch of queries to the numbers of the attention table.

A module of its own, since summaries use `attention_similarity` without torch.
"""

from __future__ import annotations

import numpy as np
import polars as pl
import torch
from torch import Tensor

from iclgd.learners import batches
from iclgd.metrics import activations, attention_similarity
from iclgd.metrics.activations import Captured, FineTuned
from iclgd.metrics.attention_similarity import SIMILARITIES
from iclgd.metrics.token_alignment import Prompt


def training_attention(shown: Tensor, query: Captured) -> np.ndarray:
    """Inner products of the demonstrations' query vectors with those of the last tokens.

    ``shown`` as in ``activations.FineTuned``; [rows, layers, demonstrations * time], time being the
    longest demonstration's.
    """
    products = torch.einsum("dltw,rlw->rldt", shown, query.queries).flatten(2)
    return products.cpu().numpy().astype(float)


def measure(
    zs: Captured,
    icl: Captured,
    gd: Captured,
    prompts: list[Prompt],
    tuned: FineTuned,
    seeds: list[tuple[int, ...]],
) -> pl.DataFrame:
    """Every measure of ``SIMILARITIES``, one row per query and layer.

    ``prompts`` say where the tokens stand; ``seeds``, one a query, give the random ranks that
    ``kendall_random`` compares ICL's with. The frame has the columns ``row`` and ``layer``
    beside the measures; what is undefined is null.
    """
    outputs = [x.outputs.cpu().numpy().astype(float) for x in (zs, icl, gd)]
    rows, layers, _ = outputs[0].shape
    found = {
        "sim_aou": attention_similarity.sim_aou(*outputs),
        "sim_aou_chance": attention_similarity.sim_aou_chance(*outputs),
        "sim_aou_raw": attention_similarity.sim_aou_raw(*outputs),
    }
    # Query vectors of a diverged model's first layer are finite, but meaningless.
    sound = np.isfinite(outputs[2]).all((1, 2))
    during = np.where(sound[:, None, None], training_attention(tuned.during, gd), np.nan)
    before = training_attention(tuned.before, zs)
    time = tuned.during.shape[2]
    scores = [x.scores.cpu().numpy().astype(float) for x in (zs, icl, gd)]
    by_row = []
    for row, (prompt, seed) in enumerate(zip(prompts, seeds, strict=True)):
        alone, trained = (scores[i][row][..., list(prompt.query.alone)] for i in (0, 2))
        inside = scores[1][row][..., list(prompt.query.inside)]
        attended = scores[1][row].sum(1)[:, [i for p in prompt.shown for i in p.inside]]
        places = [d * time + i for d, p in enumerate(prompt.shown) for i in p.alone]
        noise = np.random.default_rng(seed).random(attended.shape)
        by_row.append(
            {
                "sim_am": attention_similarity.sim_am(inside, trained),
                "sim_am_before": attention_similarity.sim_am(inside, alone),
                "sim_am_delta": attention_similarity.sim_am_delta(alone, inside, trained),
                "kendall": attention_similarity.kendall(attended, during[row][:, places]),
                "kendall_before": attention_similarity.kendall(attended, before[row][:, places]),
                "kendall_random": attention_similarity.kendall(attended, noise),
            }
        )
    found |= {name: np.stack([one[name] for one in by_row]) for name in by_row[0]}
    keys = {
        "row": np.repeat(np.arange(rows, dtype=np.uint32), layers),
        "layer": np.tile(np.arange(layers), rows),
    }
    frame = pl.DataFrame({**keys, **{name: found[name].ravel() for name in SIMILARITIES}})
    return frame.with_columns(pl.col(*SIMILARITIES).fill_nan(None))


def similarities(
    model,
    tuned: FineTuned,
    alone: list[list[int]],
    prompts: list[Prompt],
    seeds: list[tuple[int, ...]],
) -> pl.DataFrame:
    """`measure` of all queries, batch by batch: only the numbers of a batch are kept.

    ``alone`` are the queries' token ids.
    """

    def compute(rows: list[int]) -> pl.DataFrame:
        queries = [alone[i] for i in rows]
        in_context = [prompts[i] for i in rows]
        zs = activations.at_last(model, queries, {})
        icl = activations.at_last(model, [prompt.tokens for prompt in in_context], {})
        gd = activations.at_last(model, queries, tuned.weights)
        found = measure(zs, icl, gd, in_context, tuned, [seeds[i] for i in rows])
        return found.with_columns(pl.col("row").replace_strict(dict(enumerate(rows))))

    chosen = batches.batches(model, [len(prompt.tokens) for prompt in prompts])
    return pl.concat(part for rows in chosen for part in batches.halving(compute, rows))
