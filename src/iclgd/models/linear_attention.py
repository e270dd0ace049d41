"""Weights for which linear self-attention *is* gradient descent, and comparisons with GD.

Source: O is von Oswald et al. 2023 (arXiv 2212.07677). A demonstration is one token
e_j = (x_j, y_j) of width d = d_x + d_y, the query the last token; a prompt is [..., N + 1, d].
Keys and values come from the N demonstrations alone. W_0 (``start``) is [d_y, d_x].
Everything is a pure function of tensors of any floating type; leading dimensions are prompts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

BATCH, SHOTS = 128, 8  # prompts a step of training, demonstrations in each
# What a layer makes of the inner products of inputs. Linear, it is O's; with a kernel k(x.x') a
# layer is a step of GD on functions in its space (Cheng et al. 2312.06528). ReLU is not positive
# definite, hence no kernel: the algebra is the same.
KERNELS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": lambda scores: scores,
    "exp": torch.exp,
    "relu": torch.relu,
}
NOISE = 0  # seed of `turns`


class Weights(NamedTuple):
    """One head of one layer: W_Q, W_K, W_V and the projection P (``o``), each [d, d]."""

    q: Tensor
    k: Tensor
    v: Tensor
    o: Tensor


def weights(start: Tensor, rate: float, gamma: float = 0.0) -> Weights:
    """O's construction (Proposition 1): a layer that is a step of GD of size ``rate``.

    W_K = W_Q = [[I, 0], [0, 0]], W_V = [[0, 0], [W_0, -I]], P = (rate / N) I, where the 1 / N
    is in ``attend``. With ``gamma`` it is GD++ (O, section 4), which also moves the inputs,
    x <- (I - gamma X X^T / N) x: their gamma, without the 1 / N, is ours divided by N.
    """
    d_y, d_x = start.shape
    eye = torch.eye(d_x + d_y, dtype=start.dtype)
    inputs = eye.clone()
    inputs[d_x:] = 0
    value = torch.zeros_like(eye)
    value[:d_x, :d_x] = -gamma / rate * eye[:d_x, :d_x]
    value[d_x:, :d_x] = start
    value[d_x:, d_x:] = -eye[d_x:, d_x:]
    return Weights(inputs, inputs.clone(), value, rate * eye)


def tokens(x: Tensor, y: Tensor, query: Tensor, start: Tensor) -> Tensor:
    """The prompt [..., N + 1, d] of demonstrations x [..., N, d_x], y [..., N, d_y].

    The query [..., d_x] is the last token, (x_q, -W_0 x_q): the negative of its guess.
    """
    query_token = torch.cat([query, -query @ start.mT], -1)
    return torch.cat([torch.cat([x, y], -1), query_token[..., None, :]], -2)


def attend(
    tokens: Tensor,
    context: Tensor,
    layer: Weights,
    softmax: float = 0.0,
    causal: float = 0.0,
    hard: float = 0.0,
    turns: Tensor | None = None,
    kernel: str = "linear",
) -> Tensor:
    """One layer: e_i + P (1 / N) sum_j (W_V e_j) k((W_K e_j)^T (W_Q e_i)), [..., T, d].

    ``context`` [..., T] is true for the N tokens that keys and values come from; k is one of
    `KERNELS`. Ways to leave the construction, each from 0 (to the last bit the construction) to 1:

    ``softmax`` of the attention of a language model stands in place of scores / N. At 1 this is GD
    on functions with the kernel exp(x.x'), at a step of its own for each x (Dragutinovic et al.
    2510.10425): another gradient descent, and none on the weights of a linear model.

    ``causal`` takes from every token what it sees of later ones; the mean is over what it sees,
    as in a language model (Ding et al. 2308.06912). Demonstration i then corrects j > i, but j
    does not correct i. What a gradient step does to the residuals of a squared loss is a symmetric
    matrix, k(x_i, x_j) / N; at 1 this one is triangular, so that it is a step on no loss.

    ``hard`` gives the nearest demonstration alone, the one of the largest score, what attention
    gives to all of them: (1 / N) sum_j k(x, x_j), times the nearest's residual. The gradient of a
    loss over functions with features fixed beforehand is a sum with a term for each demonstration
    that depends on it alone; here a nearer demonstration takes away what another one
    contributed. (With features that depend on the demonstrations, which of them is nearest, every
    nearest neighbour is one of least squares.)

    ``turns`` [T, d, d]: the value of token j is multiplied by the j-th matrix, see `turns`.
    """
    query, key, value = (tokens @ one.mT for one in layer[:3])
    scores, seen = query @ key.mT, context[..., None, :].to(tokens.dtype)
    seen = seen * (1 - causal * torch.ones_like(scores).triu(1)) if causal else seen
    share = KERNELS[kernel](scores) * seen / seen.sum(-1, keepdim=True).clamp(min=1)
    if softmax:
        grown = scores.exp() * seen
        total = grown.sum(-1, keepdim=True).clamp(min=torch.finfo(grown.dtype).tiny)
        share = (1 - softmax) * share + softmax * grown / total
    if hard:
        nearest = scores.masked_fill(seen == 0, -torch.inf).argmax(-1, keepdim=True)
        all_of_it = share.sum(-1, keepdim=True)
        share = (1 - hard) * share
        share = share.scatter_add(-1, nearest, hard * all_of_it)
    if turns is not None:
        value = torch.einsum("tij,...tj->...ti", turns.to(value), value)
    return tokens + share @ value @ layer.o.mT


def turns(noise: float, count: int, d_x: int, d_y: int) -> Tensor | None:
    """Multiplicative noise on the values of ``count`` tokens, [count, d, d]; None at 0.

    The y-part of the value of token j, its residual r_j, becomes (1 - noise) r_j + noise R_j r_j,
    with R_j a random rotation of its place j in the prompt: of one seed, the same in every layer,
    prompt and batch. At 1 every residual has its size and a direction without meaning. Layers are
    W <- W - (P / N) sum_j R_j r_j x_j^T. Only symmetric matrices R_j are second derivatives
    of a loss (its Hessian, sum_j x_j x_j^T (x) R_j, has to be symmetric): what is not symmetric in
    a rotation is the gradient of no loss.
    """
    if not noise:
        return None
    # NumPy's generator, as torch refuses to draw where runs are trained side by side (vmap).
    drawn = np.random.default_rng(NOISE).standard_normal((count, d_y, d_y))
    found = np.tile(np.eye(d_x + d_y), (count, 1, 1))
    found[:, d_x:, d_x:] = (1 - noise) * np.eye(d_y) + noise * np.linalg.qr(drawn).Q
    return torch.from_numpy(found)


def predict(
    layers: Sequence[Weights], prompt: Tensor, d_x: int, noise: float = 0.0, **departure
) -> Tensor:
    """The prediction [..., d_y] after all layers: minus the y-part of the last token (O).

    ``noise`` is that of `turns`, other departures those of `attend`.
    """
    count, width = prompt.shape[-2:]
    context = torch.arange(count) < count - 1
    turned = turns(noise, count, d_x, width - d_x)
    for layer in layers:
        prompt = attend(prompt, context, layer, turns=turned, **departure)
    return -prompt[..., -1, d_x:]


def descend(x: Tensor, y: Tensor, start: Tensor, rate: float, steps: int) -> Tensor:
    """W [..., d_y, d_x] after steps of GD from W_0 on 1 / (2 N) sum_j ||W x_j - y_j||^2."""
    weight = start.expand(*x.shape[:-2], *start.shape)
    for _ in range(steps):
        weight = weight - rate * (x @ weight.mT - y).mT @ x / x.shape[-2]
    return weight


# --- other weights of the same shape ------------------------------------------------------


def merged(query_key: Tensor, output_value: Tensor) -> Weights:
    """A layer with the circuits W_K^T W_Q and P W_V, in the basis in which W_K = P = I."""
    eye = torch.eye(len(query_key), dtype=query_key.dtype)
    return Weights(query_key, eye, output_value, eye)


def factored(query_key: Tensor, output_value: Tensor) -> Weights:
    """A layer with these circuits and balanced factors: W_Q W_Q^T = W_K W_K^T = S, P and W_V too.

    That is what gradient descent on the factors would keep (S: the singular values).
    """
    (left, size, right), (out, much, into) = map(torch.linalg.svd, (query_key, output_value))
    size, much = size.sqrt()[:, None], much.sqrt()[:, None]
    return Weights(size * right, size * left.mT, much * into, (much * out.mT).mT)


def mix(one: Weights, other: Weights, share: float) -> Weights:
    """A layer between two: (1 - share) of one's circuits and ``share`` of the other's.

    O interpolates trained and constructed weights. Only the circuits can be compared, since
    their factors are free up to a basis of the head; and so is one number c, for c W_K^T W_Q
    and P W_V / c are the same head: the other's first circuit comes as near to one's as it can.
    """
    (keys, values), (other_keys, other_values) = ((w.k.mT @ w.q, w.o @ w.v) for w in (one, other))
    scale = (keys * other_keys).sum() / other_keys.square().sum()
    return merged(
        (1 - share) * keys + share * scale * other_keys,
        (1 - share) * values + share / scale * other_values,
    )


def rotation(size: int, generator: torch.Generator) -> Tensor:
    """A random orthogonal matrix [size, size] in float64."""
    return torch.linalg.qr(torch.randn(size, size, generator=generator, dtype=torch.float64)).Q


def rotate(layer: Weights, basis: Tensor, generator: torch.Generator) -> Weights:
    """The same layer for tokens R e in place of e, R = ``basis`` orthogonal.

    What a head does inside is rotated as well: queries and keys by one, values by another
    random matrix. Same function, same circuits up to the basis, none of the zeros.
    """
    keys, values = (rotation(len(basis), generator).to(basis) for _ in range(2))
    q, k = (keys @ w @ basis.mT for w in (layer.q, layer.k))
    return Weights(q, k, values @ layer.v @ basis.mT, basis @ layer.o @ values.mT)


def regression(
    generator: torch.Generator, count: int, shots: int, d_x: int, d_y: int, scale: float = 1.0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Prompts of linear regression (O, section 3): x, y, query and the query's target.

    Every prompt has a teacher of its own, y = W x with W from N(0, 1); x is uniform in
    +- scale * sqrt(3 / d_x), so that its squared norm is 1 on average at scale 1. float64.
    """
    size = (count, shots + 1, d_x)
    x = torch.rand(size, generator=generator, dtype=torch.float64)
    x = (2 * x - 1) * scale * (3 / d_x) ** 0.5
    teacher = torch.randn(count, d_y, d_x, generator=generator, dtype=torch.float64)
    y = x @ teacher.mT
    return x[:, :-1], y[:, :-1], x[:, -1], y[:, -1]


def train(
    start: Tensor, layers: int, steps: int, seed: int, shots: int = SHOTS
) -> tuple[list[Weights], list[float]]:
    """Layers of linear self-attention trained on the ICL objective, and the loss of every step.

    The objective is 1/2 ||prediction - y_q||^2, a mean over fresh prompts of ``regression``
    (O, equation 5); Adam with a rate that falls to zero. Trained are the circuits, from small
    random values.
    """
    generator = torch.Generator().manual_seed(seed)
    d_y, d_x = start.shape
    size = (2, layers, d_x + d_y, d_x + d_y)
    circuits = 0.05 * torch.randn(size, generator=generator, dtype=torch.float64)
    circuits = circuits.to(start.dtype).requires_grad_()
    optimiser = torch.optim.Adam([circuits], lr=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    losses = []
    for _ in range(steps):
        drawn = regression(generator, BATCH, shots, d_x, d_y)
        x, y, query, target = (z.to(start.dtype) for z in drawn)
        found = predict(list(map(merged, *circuits)), tokens(x, y, query, start), d_x)
        loss = (found - target).square().sum(-1).mean() / 2
        optimiser.zero_grad()
        loss.backward()
        # Otherwise the few prompts on which deep linear layers diverge would dominate.
        torch.nn.utils.clip_grad_norm_([circuits], 5.0)
        optimiser.step()
        schedule.step()
        losses.append(loss.item())
    return list(map(factored, *circuits.detach())), losses


def nearest_rate(
    learner: Callable[[Tensor, Tensor, Tensor], Tensor],
    start: Tensor,
    steps: int,
    prompts: tuple[Tensor, Tensor, Tensor, Tensor],
    rates: Sequence[float],
) -> float:
    """The step size with which GD's predictions are nearest to the learner's, of ``rates``.

    O tunes the step size of GD as well, by a line search. ``learner``: of (x, y, query).
    """
    x, y, query, _ = prompts
    wanted = learner(x, y, query)

    def distance(rate: float) -> float:
        found = (descend(x, y, start, rate, steps) @ query[..., None])[..., 0]
        return prediction_distance(found, wanted).mean().item()

    return min(rates, key=distance)


# --- similarity of two learners of a regression (O, section 3) ------------------------------


def sensitivity(learner: Callable[[Tensor], Tensor], query: Tensor) -> Tensor:
    """d prediction / d query of every prompt, [..., d_y, d_x].

    ``learner`` maps queries [prompts, d_x] to predictions [prompts, d_y], row by row.
    """
    query = query.detach().requires_grad_()
    found = learner(query).sum(0)
    chosen = torch.eye(len(found), dtype=found.dtype)
    (slopes,) = torch.autograd.grad(found, query, chosen, is_grads_batched=True)
    return slopes.transpose(0, 1)


def prediction_distance(a: Tensor, b: Tensor) -> Tensor:
    """||a - b||_2 of two predictions [..., d_y] (O, "preds diff"); 0 if they are equal."""
    return (a - b).norm(dim=-1)


def sensitivity_distance(a: Tensor, b: Tensor) -> Tensor:
    """||A - B||_F of two sensitivities [..., d_y, d_x] (O, "model diff")."""
    return (a - b).flatten(-2).norm(dim=-1)


def sensitivity_cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of two sensitivities [..., d_y, d_x] as vectors, in [-1, 1] (O, "model cos")."""
    return torch.nn.functional.cosine_similarity(a.flatten(-2), b.flatten(-2), dim=-1)
