"""ICL as a teacher: texts without labels, alone and after the demonstrations of a run.

What learns from it sees no label: it shows what weights, or a change of states, could do at best to
answer as ICL does. Its texts are training rows that the run does not show; queries have no part.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from torch import Tensor

from iclgd.io.cli import InputError
from iclgd.learners import batches
from iclgd.models import families, forward
from iclgd.tasks import prompts
from iclgd.tasks.readouts.next_token import NextToken

Change = Callable[[Tensor], AbstractContextManager]  # of a model, at the last positions [rows]


def unchanged(_: Tensor) -> AbstractContextManager:
    """No change."""
    return nullcontext()


class Lesson(NamedTuple):
    """Token ids of each text ``alone``, and ``after`` the demonstrations of a run."""

    alone: list[list[int]]
    after: list[list[int]]


def rows(task: pl.DataFrame, run: prompts.Demonstrations, count: int) -> pl.DataFrame:
    """At most ``count`` training rows that ``run`` does not show, drawn anew for every draw.

    Which they are depends on task and draw alone. Raises InputError if there are none.
    """
    others = task.filter(
        pl.col("split") == "train", ~pl.col("example").is_in(list(run.examples))
    ).sort("example")
    if others.is_empty():
        raise InputError(
            f"task {task['task'][0]}: every training row is a demonstration, so that no text is "
            "left to learn from ICL on"
        )
    rng = np.random.default_rng([zlib.crc32(task["task"][0].encode()), run.draw])
    return others[rng.permutation(len(others))[:count]]


def lesson(
    loaded, task: pl.DataFrame, run: prompts.Demonstrations, texts: pl.DataFrame, readout: NextToken
) -> Lesson:
    """The prompts of ``texts``, rows of ``task``."""
    return Lesson(
        prompts.encode_queries(loaded.tokenizer, texts),
        readout.prompts(loaded.tokenizer, task, run, texts),
    )


def shuffled(count: int, run: prompts.Demonstrations) -> list[int]:
    """Numbers of texts, each in the place of another one: what is learned from a text is then ICL
    on another, which keeps the labels in play and loses what belongs to which."""
    rng = np.random.default_rng(run.draw)
    order = rng.permutation(count)
    place = np.empty(count, int)
    place[order] = np.roll(order, 1)
    return place.tolist()


def parts(
    model, sequences: list[list[int]], together: bool
) -> Iterator[tuple[list[int], Tensor, Tensor]]:
    """Batches of sequences: their numbers, token ids [rows, time], last positions [rows, 1]."""
    lengths = [len(one) for one in sequences]
    for chosen in batches.batches(model, lengths, together=together):
        yield chosen, *families.CAUSAL.inputs([sequences[i] for i in chosen], model.device)


@torch.no_grad()
def logits(
    model,
    sequences: list[list[int]],
    together: bool,
    change: Change = unchanged,
) -> Tensor:
    """Logits [sequences, vocabulary] after each, of the model under a ``change``."""
    found: dict[int, Tensor] = {}
    for chosen, tokens, last in parts(model, sequences, together):
        with change(last[:, 0]):
            now = forward.logits_at(model, tokens, last)[:, 0]
        found |= dict(zip(chosen, now, strict=True))
    return torch.stack([found[i] for i in range(len(sequences))])


def total_variation(a: Tensor, b: Tensor) -> float:
    """Mean over rows of 1/2 sum |p - q|, of logits [rows, vocabulary]."""
    p, q = (one.double().softmax(-1) for one in (a, b))
    return float((p - q).abs().sum(-1).mean() / 2)
