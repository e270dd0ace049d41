"""Next-token distributions: from token ids to the columns of the logits table.

Sequences are padded on the right and no attention mask is needed: attention is causal, so
what stands behind a position cannot change it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from iclgd import prompts, tables
from iclgd.cli import InputError

TOKENS_PER_BATCH = 16_384


def pad(sequences: list[list[int]], device: str = "cpu") -> Tensor:
    """Right-padded token ids [sequences, longest]; the padding (0) is never read."""
    width = max(map(len, sequences))
    return torch.tensor([s + [0] * (width - len(s)) for s in sequences], device=device)


@contextmanager
def unembedding_only_at(model, positions: Tensor):
    """Within, the model's unembedding sees only ``positions`` [batch, chosen] of each row.

    Logits come out as [batch, chosen, vocabulary]. This works for any architecture, with
    whatever scaling it applies after its unembedding, under torch.func too.
    """

    def choose(_, arguments):
        (hidden,) = arguments
        index = positions[..., None].expand(*positions.shape, hidden.shape[-1])
        return (hidden.gather(-2, index),)

    handle = model.get_output_embeddings().register_forward_pre_hook(choose)
    try:
        yield
    finally:
        handle.remove()


def autocast(model, device: str):
    """bfloat16 compute for models kept in half precision, nothing for float32 and float64."""
    half = model.dtype in (torch.bfloat16, torch.float16)
    return torch.autocast(device, torch.bfloat16, enabled=half)


def logits_at(model, tokens: Tensor, positions: Tensor, parameters: dict | None = None) -> Tensor:
    """Logits [batch, chosen, vocabulary] of ``tokens`` [batch, time] at ``positions``.

    ``parameters`` (name to tensor) stand in for the model's own of the same names.
    """
    with unembedding_only_at(model, positions), autocast(model, tokens.device.type):
        arguments = {"input_ids": tokens, "use_cache": False}
        return torch.func.functional_call(model, parameters or {}, (), arguments).logits


@dataclass(frozen=True)
class Distributions:
    """Next-token distributions of M prompts, natural logarithms over the whole vocabulary.

    ``label_logprobs`` [M, labels] in label order; ``top_ids`` and ``top_logprobs``
    [M, kept], most likely first, ties by token id; ``tail_mass`` [M], the probability of
    all other tokens; ``finite`` [M], false where the model gave NaN or infinite logits.
    """

    label_logprobs: np.ndarray
    top_ids: np.ndarray
    top_logprobs: np.ndarray
    tail_mass: np.ndarray
    finite: np.ndarray


def distributions(logits: Tensor, label_ids: list[int], keep: int) -> Distributions:
    """Reduce ``logits`` [M, vocabulary] to what the logits table keeps, in float64."""
    logprobs = logits.double().log_softmax(-1)
    finite = logprobs.isfinite().all(-1)
    top, ids = logprobs.nan_to_num(nan=0.0).sort(dim=-1, descending=True, stable=True)
    tail = top[:, keep:].exp().sum(-1)
    return Distributions(
        logprobs[:, label_ids].float().cpu().numpy(),
        ids[:, :keep].int().cpu().numpy(),
        top[:, :keep].float().cpu().numpy(),
        tail.float().cpu().numpy(),
        finite.cpu().numpy(),
    )


def concatenate(parts: list[Distributions]) -> Distributions:
    """Join distributions of the same width, in order."""
    return Distributions(
        *(
            np.concatenate([getattr(p, field) for p in parts])
            for field in Distributions.__annotations__
        )
    )


@torch.no_grad()
def score(loaded, sequences: list[list[int]], label_ids: list[int], keep: int) -> Distributions:
    """Next-token distributions after each sequence, in the order given.

    Sequences are batched by length, so that little is spent on padding.
    """
    order = sorted(range(len(sequences)), key=lambda i: (len(sequences[i]), i))
    parts, start = [], 0
    while start < len(order):
        end = start + 1
        while (
            end < len(order) and len(sequences[order[end]]) * (end + 1 - start) <= TOKENS_PER_BATCH
        ):
            end += 1
        batch = [sequences[i] for i in order[start:end]]
        last = torch.tensor([[len(s) - 1] for s in batch], device=loaded.device)
        logits = logits_at(loaded.model, pad(batch, loaded.device), last)[:, 0]
        parts.append(distributions(logits, label_ids, keep))
        start = end
    joined = concatenate(parts)
    back = np.argsort(order)
    return Distributions(*(getattr(joined, f)[back] for f in Distributions.__annotations__))


def table(
    found: Distributions,
    keys: dict[str, str | int],
    queries: pl.DataFrame,
    label_ids: list[int],
    losses: float | None = None,
) -> pl.DataFrame:
    """Rows of the logits table for one draw, order and epoch: one for each query.

    Rows that are not finite get the status ``diverged`` and null distributions.
    """
    ok = pl.Series(found.finite)
    columns = {
        "label_logprobs": pl.Series(found.label_logprobs, dtype=pl.List(pl.Float32)),
        "top_ids": pl.Series(found.top_ids, dtype=pl.List(pl.Int32)),
        "top_logprobs": pl.Series(found.top_logprobs, dtype=pl.List(pl.Float32)),
        "tail_mass": pl.Series(found.tail_mass),
    }
    return queries.select("example", "split", "label").with_columns(
        *(pl.lit(value).alias(key) for key, value in keys.items()),
        pl.Series("answer_id", np.array(label_ids)[queries["label"].to_numpy()], pl.Int32),
        pl.lit(losses, pl.Float32).alias("loss"),
        pl.Series("status", np.where(found.finite, "ok", "diverged")),
        *(
            pl.when(ok).then(values.alias(name)).otherwise(None).alias(name)
            for name, values in columns.items()
        ),
    )


def check_inputs(task: pl.DataFrame, demonstrations: pl.DataFrame) -> dict[str, str]:
    """The task's and the design's name; raises InputError if the tables do not belong together."""
    names = {"task": tables.only(task, "task"), "design": tables.only(demonstrations, "design")}
    if tables.only(demonstrations, "task") != names["task"]:
        raise InputError(f"these demonstrations are not of task {names['task']}")
    known = set(task.filter(pl.col("split") == "train")["example"])
    if not known.issuperset(demonstrations["example"]):
        raise InputError(f"demonstrations that are not training rows of task {names['task']}")
    if prompts.queries(task).is_empty():
        raise InputError(f"task {names['task']} has no queries: every row is for training")
    return names
