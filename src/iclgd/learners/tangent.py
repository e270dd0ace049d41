"""The first-order step along the demonstrations' gradients that comes nearest to ICL.

To first order, a step of gradient descent that gives demonstration i the weight c_i moves the
logits of a query q by sum_i c_i D_i(q), D_i(q) = -J(q) g_i: J the Jacobian of the logits in the
trained weights, g_i the gradient of the demonstration's loss. The model that moves by just that is
its tangent (Jacot et al. 1806.07572; of language models Malladi et al. 2210.05643). The weights,
none of them negative, are those with the least Kullback-Leibler divergence from ICL's answers to
other queries: a convex problem. Full-batch gradient descent on answers of one token has them equal.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import numpy as np
import torch
from scipy.optimize import minimize
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from iclgd.io.cli import InputError
from iclgd.learners import gradient_descent, training_batch
from iclgd.learners.teaching import Texts
from iclgd.learners.trainable import Trained
from iclgd.models import forward

FLAT = 1e-4  # nats; slope of the divergence, for a step of which logits move by 1, at its least
Direction = dict[str, Tensor]  # of the trained weights, by name


def descent(
    model, trained: Trained, shown: list[tuple[list[int], int]], weights: Iterable[float]
) -> Direction:
    """Minus the gradient of sum_i ``weights``_i l_i: l_i is the loss of demonstration i alone, the
    mean over its answer's tokens. ``shown``: token ids and the position of the answer of each
    (`answer_tokens`)."""

    def loss(own: Direction, batch: training_batch.Batch) -> Tensor:
        summed = gradient_descent.summed_loss(
            model, 0, own, batch.tokens, batch.positions, batch.targets
        )
        return summed / (batch.targets != -100).sum()

    found = {name: torch.zeros_like(own) for name, own in trained.start.items()}
    for one, weight in zip(shown, weights, strict=True):
        batch = training_batch.tensors([one], "label", model.device)
        with _differentiable(model):
            gradient = torch.func.grad(loss)(trained.start, batch)
        for name, own in gradient.items():
            found[name] -= weight * own * trained.masks.get(name, 1)
    return found


@torch.no_grad()
def moved(model, trained: Trained, texts: Texts, direction: Direction) -> tuple[Tensor, Tensor]:
    """Logits after each text, and their derivative along a direction: [texts, vocabulary] each.

    The derivative is computed forwards, with the logits. Raises InputError for an architecture that
    torch cannot take it of.
    """
    found: dict[int, tuple[Tensor, Tensor]] = {}
    for part in texts.parts(model):

        def answer(weights: Direction, part=part) -> Tensor:
            return forward.logits_at(model, part.tokens, part.last, weights)[:, 0]

        with _differentiable(model):
            now = torch.func.jvp(answer, (trained.start,), (direction,))
        found |= dict(zip(part.numbers, zip(*now, strict=True), strict=True))
    pairs = [found[i] for i in range(len(found))]
    return torch.stack([one for one, _ in pairs]), torch.stack([two for _, two in pairs])


@contextmanager
def _differentiable(model) -> Iterator[None]:
    """Within, attention is made of operations that have derivatives in both modes, and a model
    without is told in one line."""
    what = f"architecture {model.config.model_type}: torch takes no tangent of it"
    with gradient_descent.in_one_line(what), sdpa_kernel(SDPBackend.MATH):
        yield


def fitted(logits: Tensor, directions: Tensor, wanted: Tensor) -> Tensor:
    """The weights c >= 0 of the least mean KL(wanted || softmax(logits + sum_i c_i directions_i)).

    ``logits``, ``wanted`` [queries, vocabulary], both logits; ``directions`` [queries,
    demonstrations, vocabulary]. A demonstration that moves nothing gets 0. Raises InputError for
    what is not finite, and where the search does not come to an end.
    """
    start, moves, icl = (one.double().cpu() for one in (logits, directions, wanted))
    if not all(one.isfinite().all() for one in (start, moves, icl)):
        raise InputError("no first-order step: ICL, or what the gradients move, is not finite")
    target = icl.softmax(-1)
    # Scaled, so that the size of gradients is nothing to the search.
    size = moves.square().mean((0, 2)).sqrt()
    moves = moves / torch.where(size > 0, size, 1)[:, None]
    constant = (target * start).sum(-1).mean()
    slope = torch.einsum("qv,qiv->i", target, moves) / len(start)

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        c = torch.from_numpy(weights)
        now = start + torch.einsum("i,qiv->qv", c, moves)
        value = now.logsumexp(-1).mean() - constant - slope @ c
        gradient = torch.einsum("qv,qiv->i", now.softmax(-1), moves) / len(start) - slope
        return float(value), gradient.numpy()

    zero = np.zeros(len(size))
    exact = {"ftol": 1e-14, "gtol": 1e-9, "maxiter": 1000}
    ended = minimize(
        loss, zero, jac=True, method="L-BFGS-B", bounds=[(0, None)] * len(zero), options=exact
    )
    slopes = np.where(ended.x > 0, np.abs(ended.jac), np.maximum(-ended.jac, 0))
    if slopes.max() > FLAT:
        raise InputError(f"no first-order step: the search ended early ({ended.message})")
    return torch.where(size > 0, torch.from_numpy(ended.x) / torch.where(size > 0, size, 1), 0)
