"""Weights trained on ICL's own answers: how near to ICL weights can come at all.

`distil` (context distillation, Askell et al. 2112.00861; Snell et al. 2209.15189) lowers the
Kullback-Leibler divergence of the answers to texts alone from those after the demonstrations, on
texts without labels. `align` lowers the squared distance of what self-attention gives at the last
token, over all layers (Mishra et al., IA2, 2509.22621). Neither is gradient descent on the
demonstrations: it has another objective, and shows what that objective reaches. ``labels`` trains
on the right labels of the same texts, which is the control.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from iclgd.learners import teaching
from iclgd.learners.settings import Learner
from iclgd.learners.stepping import stepping
from iclgd.learners.taught import ANSWERS, ATTENTION, RIGHT
from iclgd.learners.teaching import Lesson, Part, Texts
from iclgd.learners.trainable import Trained
from iclgd.models import architectures, forward, hooks, partial_forward, row_check


class Now(NamedTuple):
    """The model *is* trained for ``epoch`` epochs, until the next is asked for. ``loss``: the mean
    over texts, in the last epoch's steps; None before training."""

    epoch: int
    loss: float | None


def outputs(model, part: Part, match: str) -> Tensor:
    """What is to match: log-probabilities [rows, vocabulary], or attention's outputs at the last
    token [rows, layers * width]."""
    states: list[Tensor] = []
    last, watched = part.last[:, 0], _attentions(model, match)
    with hooks.seeing(watched, last, lambda _, state: states.append(state)):
        logits = forward.logits_at(model, part.tokens, part.last, cache=part.cache)[:, 0]
    found = logits if match != ATTENTION else torch.cat(states, -1)
    found = found.to(torch.promote_types(found.dtype, torch.float32))
    return found if match == ATTENTION else found.log_softmax(-1)


def _attentions(model, match: str) -> list:
    if match != ATTENTION:
        return []
    name = architectures.row(model.config).o
    return [
        architectures.module(model.config, block, name)
        for block in partial_forward.blocks(model)[1]
    ]


def distance(found: Tensor, wanted: Tensor, match: str) -> Tensor:
    """The mean over rows of KL(wanted || found) in nats, of the squared distance per number, or of
    -log of the probability of the right label's token, ``wanted`` [rows]."""
    if match == RIGHT:
        return -found.gather(-1, wanted[:, None]).mean()
    if match == ATTENTION:
        return (found - wanted).square().mean()
    nothing = wanted.isneginf()  # 0 log 0 is 0; what is not finite in found stays
    gap = (wanted - found).masked_fill(nothing, 0.0)
    return (wanted.exp() * gap).sum(-1).mean()


@torch.no_grad()
def taught(model, texts: Texts, match: str) -> Tensor:
    """`outputs` of all texts, which are the teacher's. Raises InputError where attention is to
    match and the row of the architecture is wrong."""
    if match == ATTENTION:
        row_check.check(model, matrices=["o"])
    found: dict[int, Tensor] = {}
    for part in texts.parts(model):
        found |= dict(zip(part.numbers, outputs(model, part, match), strict=True))
    return teaching.in_order(found)


def descend(
    model,
    trained: Trained,
    lesson: Lesson,
    learner: Learner,
    match: str = ANSWERS,
    places: list[int] | None = None,
) -> Iterator[Now]:
    """Train the model's own tensors on ``lesson``; yield at every recorded epoch.

    ``places``: of each text, the text whose teacher it has; default: its own. The weights are as
    before at the end. Texts come in their order, ``batch`` at a time.
    """
    wanted = lesson.labels if match == RIGHT else taught(model, lesson.after, match)
    wanted = wanted if places is None else wanted[places]
    count, recorded = len(wanted), learner.recorded()
    size = min(learner.batch or count, count)

    def evaluate(first: int) -> Tensor:
        """Backward passes of one step; its loss."""
        chosen, total = list(range(first, min(first + size, count))), torch.zeros(())
        for part in lesson.alone.these(chosen).parts(model):
            found = outputs(model, part, match)
            loss = distance(found, wanted[[chosen[i] for i in part.numbers]], match)
            loss = loss * (len(part.numbers) / len(chosen))
            loss.backward()
            total = total + loss.detach().cpu()
        return total

    with (
        trained.in_place() as weights,
        stepping(weights, trained.masks, learner.over, arriving=False) as (step, _),
    ):
        loss = None
        for epoch in range(learner.epochs + 1):
            if epoch in recorded:
                yield Now(epoch, loss)
            if epoch < learner.epochs:
                steps = range(0, count, size)
                losses = [float(step(lambda first=first: evaluate(first))) for first in steps]
                loss = sum(losses) / len(losses)
