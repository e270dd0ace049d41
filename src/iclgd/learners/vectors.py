"""Task vectors: one state for all queries, in one layer, in place of the demonstrations.

Hendel et al. 2310.15916 put the state that ICL has at the last token of a prompt into a prompt
without demonstrations (``replace``); Todd et al. 2310.15213 add a vector to it (``add``), here the
mean of what demonstrations change. Both are means over texts that are no queries.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from iclgd.io.cli import InputError
from iclgd.learners import teaching
from iclgd.learners.teaching import Change, Lesson, Texts
from iclgd.models import forward, hooks, partial_forward


@torch.no_grad()
def states(model, texts: Texts) -> Tensor:
    """What leaves each block at the last token of each text: [layers, texts, width]."""
    stack = partial_forward.blocks(model)[1]
    if not len(stack):
        raise InputError("this architecture is no stack of blocks, so it has no states to put in")
    found: list[dict[int, Tensor]] = [{} for _ in stack]
    for part in texts.parts(model):

        def see(layer: int, state: Tensor, part=part) -> None:
            found[layer] |= dict(zip(part.numbers, state, strict=True))

        with hooks.seeing(stack, part.last[:, 0], see):
            forward.logits_at(model, part.tokens, part.last, cache=part.cache)
    return torch.stack([teaching.in_order(layer) for layer in found])


def found(model, lesson: Lesson, how: str) -> Callable[[int], Change]:
    """The change of the model by its layer: the vector there, put at the last token."""
    vector = states(model, lesson.after).mean(1)
    if how == "add":
        vector = vector - states(model, lesson.alone).mean(1)
    stack = partial_forward.blocks(model)[1]

    def at(layer: int) -> Change:
        def put(_, __, state: Tensor) -> Tensor:
            return state + vector[layer] if how == "add" else vector[layer].expand_as(state)

        return lambda last: hooks.changing([stack[layer]], last, put)

    return at
