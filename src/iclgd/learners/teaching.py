"""ICL as a teacher: texts without labels, alone and after the demonstrations of a run.

What learns from it sees no label: it shows what weights, or a change of states, could do at best to
answer as ICL does. Its texts are training rows that the run does not show; queries have no part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple

import numpy as np
import polars as pl
import torch
from torch import Tensor
from transformers import Cache

from iclgd.io.cli import InputError
from iclgd.learners import batches
from iclgd.models import families, forward
from iclgd.models.prefix_cache import Prefix, shared
from iclgd.models.probes import Ways
from iclgd.tasks import prompts
from iclgd.tasks.readouts.next_token import NextToken

Change = Callable[[Tensor], AbstractContextManager]  # of a model, at the last positions [rows]


def unchanged(_: Tensor) -> AbstractContextManager:
    """No change."""
    return nullcontext()


class Texts(NamedTuple):
    """Prompts as token ids. ``together``, ``prefix``: how a model may process them (`probes`)."""

    sequences: list[list[int]]
    together: bool = False
    prefix: Prefix | None = None

    def parts(self, model) -> Iterator[Part]:
        """Batches of them; what all begin with is computed once, if there may be a prefix."""
        begin = shared(self.sequences) if self.prefix else 0
        if self.prefix:
            self.prefix.move_to(self.sequences[0][:begin])
        cache = self.prefix.in_front() if self.prefix else None
        own = [one[begin:] for one in self.sequences]
        for chosen in batches.batches(model, [len(one) for one in own], together=self.together):
            tokens, last = families.CAUSAL.inputs([own[i] for i in chosen], model.device)
            yield Part(chosen, tokens, last, cache)

    def these(self, numbers: list[int]) -> Texts:
        """Some of them, without what they begin with."""
        return Texts([self.sequences[i] for i in numbers], self.together)


class Part(NamedTuple):
    """``numbers`` of texts, ``tokens`` [rows, time] after what ``cache`` holds, and the positions
    of their ``last`` ones, [rows, 1]."""

    numbers: list[int]
    tokens: Tensor
    last: Tensor
    cache: Cache | None = None


class Lesson(NamedTuple):
    """Each text ``alone``, and ``after`` the demonstrations of a run; the tokens of their right
    ``labels`` [texts], for controls."""

    alone: Texts
    after: Texts
    labels: Tensor | None = None


def lesson(
    loaded,
    ways: Ways,
    task: pl.DataFrame,
    run: prompts.Demonstrations,
    texts: pl.DataFrame,
    readout: NextToken,
) -> Lesson:
    """The prompts of ``texts``, rows of ``task``. Raises InputError for one that does not fit the
    context."""
    both = (
        prompts.encode_queries(loaded.tokenizer, texts),
        readout.prompts(loaded.tokenizer, task, run, texts),
    )
    names = {"task": task["task"][0], "design": f"of draw {run.draw}"}
    prompts.check_length([len(one) for part in both for one in part], loaded.context, **names)
    alone, after = (Texts(one, *ways.of(one)) for one in both)
    right = prompts.bound(texts, run, prompts.labels(task))["label"].to_list()
    labels = torch.tensor([readout.targets[one] for one in right], device=loaded.device)
    # A prefix holds what the model's weights were: texts alone are asked of changed ones, too.
    return Lesson(alone._replace(prefix=None), after, labels)


def shuffled(count: int, run: prompts.Demonstrations) -> list[int]:
    """Numbers of texts, each in the place of another one: what is learned from a text is then ICL
    on another, which keeps the labels in play and loses what belongs to which. Raises InputError
    for a single text."""
    if count < 2:
        raise InputError("learner: 'shuffled' needs two texts at least, and there is one")
    rng = np.random.default_rng(run.draw)
    order = rng.permutation(count)
    place = np.empty(count, int)
    place[order] = np.roll(order, 1)
    return place.tolist()


@torch.no_grad()
def logits(model, texts: Texts, change: Change = unchanged) -> Tensor:
    """Logits [texts, vocabulary] after each, of the model under a ``change``."""
    found: dict[int, Tensor] = {}
    for part in texts.parts(model):
        with change(part.last[:, 0]):
            now = forward.logits_at(model, part.tokens, part.last, cache=part.cache)[:, 0]
        found |= dict(zip(part.numbers, now, strict=True))
    return in_order(found)


def in_order(found: dict[int, Tensor]) -> Tensor:
    """What was found of each text, by its number, in one tensor."""
    return torch.stack([found[i] for i in range(len(found))])


def total_variation(a: Tensor, b: Tensor) -> float:
    """Mean over rows of 1/2 sum |p - q|, of logits [rows, vocabulary]."""
    p, q = (one.double().softmax(-1) for one in (a, b))
    return float((p - q).abs().sum(-1).mean() / 2)
