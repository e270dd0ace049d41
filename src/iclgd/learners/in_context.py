"""In-context learning: every query after its demonstrations, through the pretrained model."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl
import torch
from torch import Tensor

from iclgd.io.cli import InputError
from iclgd.learners import batches
from iclgd.models import forward, prefix_cache, probes
from iclgd.tasks import prompts
from iclgd.tasks.readouts.next_token import Distributions, NextToken


def behind(
    loaded, sequences: list[list[int]], prefix: prefix_cache.Prefix | None = None
) -> tuple[Callable[[list[int]], Tensor], list[int]]:
    """A function of the logits [rows, vocabulary] after some of the ``sequences``, by their
    numbers; and how many tokens of each are its own.

    With a ``prefix``, it moves to what all sequences begin with, which is computed once.
    """
    begin = prefix_cache.shared(sequences) if prefix else 0
    own = [sequence[begin:] for sequence in sequences]

    def logits(rows: list[int]) -> Tensor:
        if prefix:
            prefix.move_to(sequences[0][:begin])
        cache = prefix.in_front() if prefix else None
        tokens, last = loaded.family.inputs([own[i] for i in rows], loaded.device)
        return forward.logits_at(loaded.model, tokens, last, cache=cache)[:, 0]

    return logits, list(map(len, own))


@torch.no_grad()
def score(
    loaded,
    sequences: list[list[int]],
    readout: NextToken,
    prefix: prefix_cache.Prefix | None = None,
    together: bool = True,
) -> Distributions:
    """Next-token distributions after each sequence, in the order given.

    ``prefix`` as in `behind`, ``together`` as in `batches.batches`.
    """
    logits, lengths = behind(loaded, sequences, prefix)

    def compute(rows: list[int]) -> list[Distributions]:
        return [readout.read(logits(rows))]

    return batches.in_batches(compute, loaded.model, lengths, together=together)[0]


def answers(
    loaded,
    task: pl.DataFrame,
    runs: list[prompts.Demonstrations],
    parts: list[pl.DataFrame],
    readout: NextToken,
    names: dict[str, str],
) -> Iterator[tuple[prompts.Demonstrations, pl.DataFrame, Distributions]]:
    """The answers to every part of the queries, after the demonstrations of every run.

    Orders that begin alike come one after the other, and share the computation of what they
    begin with. ``names``: task and design. Raises InputError for a prompt that does not fit the
    context, and for logits that are not finite.
    """
    ways = probes.Ways(loaded, prefixes=True)
    for run in sorted(runs, key=lambda run: (run.draw, run.examples)):
        for part in parts:
            sequences = readout.prompts(loaded.tokenizer, task, run, part)
            prompts.check_length([len(s) for s in sequences], loaded.context, **names)
            together, prefix = ways.of(sequences)
            found = score(loaded, sequences, readout, prefix, together)
            check_finite(found, loaded.name, names, run, part)
            yield run, part, found


def check_finite(
    found: Distributions,
    model: str,
    names: dict[str, str],
    run: prompts.Demonstrations,
    part: pl.DataFrame,
) -> None:
    """Raise InputError that names the first query of ``part`` whose logits are not finite."""
    if not found.finite.all():
        example = part["example"][int(found.finite.argmin())]
        raise InputError(
            f"model {model} gives NaN or infinite logits on task {names['task']}, "
            f"design {names['design']}, draw {run.draw}, query {example}"
        )
