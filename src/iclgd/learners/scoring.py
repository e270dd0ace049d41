"""Next-token distributions: from token ids to the columns of the logits table."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from iclgd.io import parquet
from iclgd.io.cli import InputError, out_of_memory
from iclgd.models import dimensions, forward, prefix_cache
from iclgd.tasks import prompts

# Tokens times the model's width in one forward pass: a CPU is fastest while the hidden states
# stay in its cache, a card when it is full.
HIDDEN_PER_BATCH = {"cpu": 1 << 19, "cuda": 1 << 26}
LOGITS_PER_BATCH = 1 << 23
QUERIES = 1024  # of one run that are in memory at once, prompts and distributions


def tokens_per_batch(model) -> int:
    """How many tokens go through ``model`` at once, by its width and device."""
    return HIDDEN_PER_BATCH[model.device.type] // dimensions.width(model)


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

    def rows(self, chosen: np.ndarray) -> Distributions:
        """The rows with the numbers ``chosen``, in that order."""
        return Distributions(*(getattr(self, field)[chosen] for field in FIELDS))


FIELDS = tuple(Distributions.__annotations__)


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


def concatenate(parts: Sequence[Distributions]) -> Distributions:
    """Join distributions of the same width, in order."""
    joined = (np.concatenate([getattr(p, field) for p in parts]) for field in FIELDS)
    return Distributions(*joined)


def batches(model, lengths: list[int], runs: int = 1, together: bool = True) -> list[list[int]]:
    """Numbers of sequences in batches of about one length, so that little is padding.

    A batch has at most `tokens_per_batch` tokens and `LOGITS_PER_BATCH` logits, over all of
    the ``runs`` that go through ``model`` side by side, or it is a single sequence; it is always
    if they do not go through it ``together`` (see `probes`).
    """
    tokens = tokens_per_batch(model) // runs
    rows = max(1, LOGITS_PER_BATCH // (runs * dimensions.vocabulary(model))) if together else 1
    found: list[list[int]] = []
    for row in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        last = found[-1] if found else []
        if not last or len(last) == rows or lengths[row] * (len(last) + 1) > tokens:
            found.append(last := [])
        last.append(row)
    return found


def in_batches(
    compute: Callable[[list[int]], list[Distributions]],
    model,
    lengths: list[int],
    runs: int = 1,
    together: bool = True,
) -> list[Distributions]:
    """Compute all sequences, batch by batch; each run's Distributions, rows in order.

    ``compute(rows)`` gives every run's Distributions of some sequences; a batch that does not
    fit the memory is computed in halves.
    """
    chosen = batches(model, lengths, runs, together)
    parts = [part for rows in chosen for part in halving(compute, rows)]
    back = np.argsort([row for rows in chosen for row in rows])
    return [concatenate(run).rows(back) for run in zip(*parts, strict=True)]


def halving(compute: Callable[[list[int]], list[Distributions]], rows: list[int]) -> list:
    """``compute(rows)`` in one part, or in halves (and so on) if memory does not suffice."""
    try:
        return [compute(rows)]
    except RuntimeError as error:
        # On the CPU it is an ordinary RuntimeError.
        if not out_of_memory(error) or len(rows) == 1:
            raise
    print(f"out of memory with {len(rows)} prompts at once: halving", file=sys.stderr)
    half = len(rows) // 2
    return [*halving(compute, rows[:half]), *halving(compute, rows[half:])]


@torch.no_grad()
def score(
    loaded,
    sequences: list[list[int]],
    label_ids: list[int],
    keep: int,
    prefix: prefix_cache.Prefix | None = None,
    together: bool = True,
) -> Distributions:
    """Next-token distributions after each sequence, in the order given.

    With a ``prefix``, it moves to what all sequences begin with, which is computed once.
    ``together`` as in `batches`.
    """
    begin = prefix_cache.shared(sequences) if prefix else 0
    if prefix:
        prefix.move_to(sequences[0][:begin])
    cache = prefix.in_front() if prefix else None
    own = [sequence[begin:] for sequence in sequences]

    def compute(rows: list[int]) -> list[Distributions]:
        last = torch.tensor([[len(own[i]) - 1] for i in rows], device=loaded.device)
        tokens = forward.pad([own[i] for i in rows], loaded.device)
        logits = forward.logits_at(loaded.model, tokens, last, cache=cache)[:, 0]
        return [distributions(logits, label_ids, keep)]

    return in_batches(compute, loaded.model, [len(s) for s in own], together=together)[0]


def table(
    found: Distributions,
    keys: dict[str, str | int],
    queries: pl.DataFrame,
    label_ids: list[int],
    losses: float | None = None,
) -> pl.DataFrame:
    """Rows of the logits table for one draw, order and epoch: one for each query.

    ``keys`` are the columns that all of them share.
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
    names = {"task": parquet.only(task, "task"), "design": parquet.only(demonstrations, "design")}
    if parquet.only(demonstrations, "task") != names["task"]:
        raise InputError(f"these demonstrations are not of task {names['task']}")
    known = set(task.filter(pl.col("split") == "train")["example"])
    if not known.issuperset(demonstrations["example"]):
        raise InputError(f"demonstrations that are not training rows of task {names['task']}")
    if prompts.queries(task).is_empty():
        raise InputError(f"task {names['task']} has no queries: every row is for training")
    return names
