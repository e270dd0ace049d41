"""Sequences in batches: of about one length, as many as memory and caches hold."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np

from iclgd.io.cli import out_of_memory
from iclgd.models import dimensions
from iclgd.tasks.readouts.next_token import Distributions, concatenate

# Tokens times the model's width in one forward pass: a CPU is fastest while the hidden states
# stay in its cache, a GPU when it is full.
HIDDEN_PER_BATCH = {"cpu": 1 << 19, "cuda": 1 << 26}
LOGITS_PER_BATCH = 1 << 23
QUERIES = 1024  # of one run that are in memory at once, prompts and distributions


def tokens_per_batch(model) -> int:
    """How many tokens go through ``model`` at once, by its width and device."""
    return HIDDEN_PER_BATCH[model.device.type] // dimensions.width(model)


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
    """``compute(rows)`` in one part, or in halves (and so on) if it runs out of memory."""
    try:
        return [compute(rows)]
    except RuntimeError as error:
        # On the CPU it is an ordinary RuntimeError.
        if not out_of_memory(error) or len(rows) == 1:
            raise
    print(f"out of memory with {len(rows)} prompts at once: halving", file=sys.stderr)
    half = len(rows) // 2
    return [*halving(compute, rows[:half]), *halving(compute, rows[half:])]
