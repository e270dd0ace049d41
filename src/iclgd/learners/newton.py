"""Newton's method in the space of a kernel.

A function f = f_0 + K a is given by its coefficients a [N, D], one row for each demonstration, K
the kernel matrix over N. With the linear kernel it is Newton's method on the weights of a linear
model, without ever having these: W = W_0 + a^T X / N.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from scipy.sparse.linalg import LinearOperator, cg
from torch import Tensor
from torch.nn.functional import cross_entropy

from iclgd.io.cli import InputError

SUFFICIENT = 1e-4  # share of what the slope promises that a step must gain (Armijo)
HALVINGS = 40  # of a step, at most
SOLVED = 1e-10  # relative residual of a step's linear equations
ROUNDS = 2000  # of conjugate gradients, at most


def inverses(own: Tensor, epochs: int) -> Iterator[Tensor]:
    """Newton's iteration for the inverse of the kernel matrix G = ``own`` [N, N] of demonstrations.

    First 0, then P_1 ... P_epochs: P_0 = G / (largest eigenvalue of G)^2, P <- 2 P - P G P. With
    the linear kernel f_0 + k P (y - f_0) is iterated Newton on the weights of least squares (Fu et
    al. 2310.17086: M_0 = S / lambda^2, S = X^T X, of which M_k X^T = X^T P_k). Errors are squared
    by each step.
    """
    yield torch.zeros_like(own)
    inverse = own / torch.linalg.eigvalsh(own)[-1] ** 2
    for _ in range(epochs):
        inverse = 2 * inverse - inverse @ own @ inverse
        yield inverse


def descend(
    own: Tensor, start: Tensor, targets: Tensor, head: Tensor | None, ridge: float, epochs: int
) -> Iterator[Tensor]:
    """Damped Newton steps on the cross-entropy of ``targets`` [N], as coefficients a [N, D].

    It is the mean cross-entropy of logits ``head`` f (None: f itself), f = ``start`` + ``own`` a,
    plus r/2 tr(a^T own a) / N, with the linear kernel r/2 ||W - W_0||^2. r is ``ridge`` times the
    mean of the diagonal of ``own``; without it demonstrations that can be told apart have no best
    weights. Each step is halved until it gains (Boyd and Vandenberghe, Convex Optimization, section
    9.5.2); its equations are solved by conjugate gradients. First a = 0, then that after each step.
    Raises InputError if conjugate gradients do not end, or for an infinite kernel.
    """
    if not own.isfinite().all():
        raise InputError("learner: the kernel of these inputs is infinite: a higher temperature")
    values, vectors = torch.linalg.eigh(own)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.mT  # symmetric: root @ root = own
    ridge, moved = ridge * float(own.diagonal().mean()), torch.zeros_like(start)

    def logits(answers: Tensor) -> Tensor:
        return answers if head is None else answers @ head.mT

    def back(gradient: Tensor) -> Tensor:
        return gradient if head is None else gradient @ head

    def objective(a: Tensor) -> float:
        loss = cross_entropy(logits(start + own @ a), targets)
        return float(loss + ridge / 2 * (a * (own @ a)).sum() / len(own))

    yield moved
    for _ in range(epochs):
        shares = logits(start + own @ moved).softmax(-1)
        gap = -shares
        gap[torch.arange(len(gap)), targets] += 1
        left = back(gap) - ridge * moved  # minus the gradient by a is own @ left / N

        def curved(change: Tensor, shares: Tensor = shares) -> Tensor:
            """The second derivative of each demonstration's loss by its answer, times a change."""
            own_change = shares * logits(change)
            return back(own_change - shares * own_change.sum(-1, keepdim=True))

        # (r + H own) step = left, as (r + root H root) u = root left with u = root step.
        u = _solved(lambda u, at=curved: ridge * u + root @ at(root @ u), root @ left)
        step = (left - curved(root @ u)) / ridge
        before, slope = objective(moved), float((left * (own @ step)).sum()) / len(own)
        for halved in range(HALVINGS):
            nearer = moved + step * 0.5**halved
            if objective(nearer) <= before - SUFFICIENT * 0.5**halved * slope:
                moved = nearer
                break
        yield moved


def _solved(product, right: Tensor) -> Tensor:
    """x with ``product(x)`` = ``right`` [N, D], for a symmetric positive definite product."""

    def flat(x):
        return product(torch.from_numpy(x).view_as(right).to(right)).cpu().numpy().ravel()

    size = right.numel()
    operator = LinearOperator((size, size), flat, dtype="float64")
    found, failed = cg(operator, right.cpu().numpy().ravel(), rtol=SOLVED, atol=0, maxiter=ROUNDS)
    if failed:
        raise InputError(f"learner: no step of Newton's was found in {ROUNDS} rounds: more ridge")
    return torch.from_numpy(found).view_as(right).to(right)
