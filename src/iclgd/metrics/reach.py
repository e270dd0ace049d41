"""What any first-order step in a group of weights can reach of ICL's change.

A step of GD on demonstration i in the weights g moves a query's logits by D_i = -J_g (grad_g l_i)
times the rate, to first order: inner products of two gradients (the neural tangent kernel; Malladi
et al. 2210.05643). A small step of GD that weights the demonstrations as it likes makes sum_i c_i
D_i of them, c_i >= 0: with c_i < 0 it would unlearn a demonstration, and of two labels that is to
learn the other one. How much of ICL's change can be reached is told by the c that fit best on some
queries, the same for all, by what they explain of others. What ICL does to all queries alike, such
as to make labels likely, needs no demonstration in particular, and is taken away from both sides:
R^2 is about how the change differs between queries. Plain GD has c_i = 1 / N.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from scipy.optimize import nnls
from torch import Tensor

from iclgd.learners import gradient_descent, training_batch
from iclgd.metrics.reach_measures import REST, WHOLE
from iclgd.models import architectures, dimensions, families, forward

Gradient = dict[str, Tensor]  # by parameter; those that have none are left out


class Group(NamedTuple):
    """Weights: a ``matrix`` of a ``layer``, or `WHOLE` or `REST`, which have none."""

    layer: int | None
    matrix: str


@contextmanager
def trainable(model) -> Iterator[None]:
    """Within, every parameter has a gradient."""
    model.requires_grad_(True)
    try:
        yield
    finally:
        model.requires_grad_(False)


def of_loss(model, encoded: tuple[list[int], int]) -> Gradient:
    """The gradient of a demonstration's loss, the cross-entropy of its answer's tokens.

    ``encoded``: token ids and the position of the answer (`answer_tokens.encode_answers`).
    """
    batch = training_batch.tensors([encoded], "label", model.device)
    loss = gradient_descent.summed_loss(model, 0, {}, batch.tokens, batch.positions, batch.targets)
    return _gradient(model, loss / (batch.targets != -100).sum())


def _gradient(model, value: Tensor) -> Gradient:
    names, parameters = zip(*model.named_parameters(), strict=True)
    found = torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)
    return {n: one for n, one in zip(names, found, strict=True) if one is not None}


def scores(logits: Tensor, labels: list[int]) -> Tensor:
    """What is compared of logits [..., vocabulary]: those of the labels less their mean, and the
    log-odds of all labels together, [..., labels + 1]."""
    own = logits[..., labels]
    others = logits.index_fill(-1, torch.tensor(labels, device=logits.device), -torch.inf)
    together = own.logsumexp(-1, keepdim=True) - others.logsumexp(-1, keepdim=True)
    return torch.cat([own - own.mean(-1, keepdim=True), together], -1)


def groups(model) -> list[Group]:
    """Every matrix of every layer, what is left, and all; of an architecture that is not known by
    name the last alone."""
    config = model.config
    if not architectures.known(config):
        return [Group(None, WHOLE)]
    found = [
        Group(layer, matrix)
        for layer in range(dimensions.layers(config))
        for matrix in architectures.MATRICES
        if architectures.names(config, matrix)
    ]
    return [*found, Group(None, REST), Group(None, WHOLE)]


def products(model, one: Gradient, other: Gradient) -> Tensor:
    """Inner products of two gradients in each of `groups`, [groups] in float64."""
    # In the order of the model's parameters: sums in another order have other last bits.
    whole = {n: (own.double() * other[n].double()).sum() for n, own in one.items() if n in other}
    zero = torch.zeros((), dtype=torch.float64, device=model.device)
    total = sum(whole.values(), zero)
    found = []
    for layer, matrix in groups(model)[:-2]:
        view = architectures.view(model.config, matrix)
        names = architectures.parameter_names(model.config, layer, matrix)
        parts = [
            (view(one[n]).double() * view(other[n]).double()).sum() for n in names if n in whole
        ]
        found.append(sum(parts, zero))
    rest = [total - sum(found, zero)] if found else []
    return torch.stack([*found, *rest, total]).cpu()


def images(
    model, query: list[int], labels: list[int], demonstrations: list[list[Gradient]]
) -> Tensor:
    """D of a query asked alone, for some sets of demonstrations' gradients: how a step on each
    moves each of its `scores`, [sets, demonstrations, groups, labels + 1]."""
    tokens, last = families.CAUSAL.inputs([query], model.device)
    own = scores(forward.logits_at(model, tokens, last)[0, 0].double(), labels)
    found = []
    for score in own:
        slope = _gradient(model, score)
        found.append(
            torch.stack(
                [
                    torch.stack([-products(model, slope, one) for one in some])
                    for some in demonstrations
                ]
            )
        )
    return torch.stack(found, -1)


class Reached(NamedTuple):
    """R^2 on the queries of the fit and on others, and the cosine of plain GD's step."""

    fitted: float
    r2: float
    cosine: float


def reached(fit: Tensor, fit_change: Tensor, test: Tensor, change: Tensor) -> Reached:
    """What is reached with one group of one part.

    ``fit``, ``test`` [queries, demonstrations, scores]: `images`; the changes [queries, scores] are
    ICL's. The means over the queries of ``fit`` are taken away. NaN where ICL changes all queries
    alike, or the step does (its cosine).
    """
    change, fit_change = change - fit_change.mean(0), fit_change - fit_change.mean(0)
    test, fit = test - fit.mean(0), fit - fit.mean(0)
    columns = fit.movedim(1, -1).flatten(0, 1)
    # Scaled, so that the size of gradients, which differs between groups, is nothing to the fit.
    scale = columns.norm(dim=0).clamp(min=torch.finfo(columns.dtype).tiny)
    weights, left = nnls((columns / scale).numpy(), fit_change.flatten().numpy())
    found = test.movedim(1, -1).flatten(0, 1) @ (torch.from_numpy(weights) / scale)
    found, step = found.view_as(change), test.mean(1)
    norm = step.norm() * change.norm()
    cosine = float(((step * change).sum() / norm).clamp(-1, 1)) if norm > 0 else math.nan
    return Reached(
        _share(left**2, fit_change), _share(float((found - change).square().sum()), change), cosine
    )


def _share(left: float, change: Tensor) -> float:
    """R^2, if so much of the squares is left; NaN of no change."""
    size = float(change.square().sum())
    return 1 - left / size if size > 0 else math.nan
