"""Sequences in batches: of about one length, as many as memory and caches hold."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import lru_cache

import numpy as np

from iclgd.io.cli import out_of_memory
from iclgd.models import dimensions
from iclgd.tasks.readouts.next_token import Distributions, concatenate

# Tokens times the model's width in one forward pass: a CPU is fastest while the hidden states
# stay in its cache, a GPU when it is full.
HIDDEN_PER_BATCH = {"cpu": 1 << 19, "cuda": 1 << 26}
LOGITS_PER_BATCH = 1 << 23
# Tokens that a batch of its own costs on a CPU (`overhead`): at least as many, since products of
# few rows are slow, and what each layer takes beside its arithmetic, .2 ms at 60 GFLOP/s.
LEAST, PER_LAYER = 32, 6e6
QUERIES = 1024  # of one run that are in memory at once, prompts and distributions


def _weights(model) -> int:
    """Those of the blocks, which every token goes through, about: 12 width^2 in each."""
    return 12 * dimensions.width(model) ** 2 * dimensions.layers(model.config)


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
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    ends = groups(tuple(lengths[i] for i in order), overhead(model))
    found: list[list[int]] = []
    for place, row in enumerate(order):
        last = found[-1] if found else []
        full = len(last) == rows or lengths[row] * (len(last) + 1) > tokens
        if not last or full or place in ends:
            found.append(last := [])
        last.append(row)
    return found


def overhead(model) -> int:
    """What a batch of its own costs, in tokens that would go through ``model`` in that time.

    A card is the faster the fuller it is: there, sequences are told apart by memory alone.
    """
    if model.device.type != "cpu":
        return 1 << 62
    return LEAST + int(PER_LAYER * dimensions.layers(model.config) / _weights(model))


@lru_cache(maxsize=8)
def groups(lengths: tuple[int, ...], overhead: int) -> frozenset[int]:
    """Where sorted ``lengths`` are best cut: the first places of groups but for that of the first.

    The groups compute the fewest tokens, padding included, if each counts ``overhead`` more.
    Lengths that are the same stay together.
    """
    starts = [i for i in range(len(lengths)) if i == 0 or lengths[i] != lengths[i - 1]]
    stops = [*starts[1:], len(lengths)]
    best = [(0, 0)]  # the cost of all before a start, and where the last group of these begins
    for number, stop in enumerate(stops):
        longest = lengths[stop - 1]
        costs = [best[i][0] + (stop - starts[i]) * longest + overhead for i in range(number + 1)]
        start = min(range(number + 1), key=costs.__getitem__)
        best.append((costs[start], start))
    cut, number = set(), len(stops)
    while number > 0:
        number = best[number][1]
        cut.add(starts[number])
    return frozenset(cut - {0})


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
