"""The static patch of a construction: one change of W_0 for all queries, from ICL's answers alone.

Its layers have no MLP; what it answers without demonstrations is W_0 x. Where ICL is gradient
descent on W_0 (von Oswald et al. 2212.07677, proposition 1), the change that imitates it is the
update of gradient descent, as far as the texts tell: a positive control of `patches`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from iclgd.learners import teaching
from iclgd.learners.patches import Change, Fit, Matrix, ridge_fit
from iclgd.learners.teaching import Lesson, Texts
from iclgd.models import gd_transformer
from iclgd.models.gd_transformer import ConstructedForCausalLM


@torch.no_grad()
def fits(
    model: ConstructedForCausalLM,
    lesson: Lesson,
    ridges: Iterable[float],
    places: list[int] | None = None,
) -> Iterator[Fit]:
    """The patch of W_0 by each ridge; ``places`` as in `patches.fitted`."""
    lines = torch.tensor([one[1:] for one in lesson.alone.sequences], device=model.device)
    after = _predictions(model, lesson.after)[places or slice(None)]
    wanted = after - _predictions(model, lesson.alone)
    # What W_0 is to give, of what is read out of it: the rows of the readout are orthonormal.
    wanted = wanted @ model.model.readout.weight
    for ridge in ridges:
        change = ridge_fit(gd_transformer.inputs(model, lines), wanted, ridge)
        yield Fit(ridge, [Matrix(0, model.model.guess, change)], _applied(model, change))


def _predictions(model: ConstructedForCausalLM, texts: Texts) -> torch.Tensor:
    """What the model predicts of y after each text, [texts, d_y]."""
    found: dict[int, torch.Tensor] = {}
    for part in texts.parts(model):
        rows = torch.arange(len(part.numbers), device=model.device)
        now = model.model(part.tokens)[rows, part.last[:, 0]]
        found |= dict(zip(part.numbers, now, strict=True))
    return teaching.in_order(found)


def _applied(model: ConstructedForCausalLM, change: Change) -> teaching.Change:
    """The change of the model by that of W_0."""

    @contextmanager
    def changed(_: torch.Tensor) -> Iterator[None]:
        weight = model.model.guess.weight
        before = weight.detach().clone()
        with torch.no_grad():
            weight += change.whole().to(weight.dtype)
        try:
            yield
        finally:
            with torch.no_grad():
                weight.copy_(before)

    return changed
