"""Sparsity of attention weights, and measures of it that do not depend on the basis.

Heads stand in front, as ``architectures.view`` gives them: q, k, v [heads, head width, model
width], o [heads, model width, head width]. Source: S is Shen et al. 2024 (arXiv
2310.08540).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from iclgd.models import architectures

THRESHOLDS = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)


def attention(config, layer: int, read: Callable[[str], Tensor]) -> dict[str, Tensor]:
    """W_Q, W_K, W_V and W_O of a layer as views with the heads in front.

    ``read`` gives the weight of a name; a fused weight is read once.
    """
    names = {x: architectures.parameter_names(config, layer, x)[0] for x in "qkvo"}
    read_once = {name: read(name) for name in sorted(set(names.values()))}
    return {x: architectures.view(config, x)(read_once[name]) for x, name in names.items()}


def share_below(weight: Tensor, threshold: float) -> Tensor:
    """Share of the entries of every head with |w| < ``threshold``, [heads] (S)."""
    return (weight.abs() < threshold).flatten(1).sum(1).double() / weight[0].numel()


def by_rms(weight: Tensor) -> Tensor:
    """A layer's matrix, all heads, divided by its root mean square; zeros stay zeros.

    Scaling a matrix changes S's share, but not the share after this.
    """
    rms = weight.double().square().mean().sqrt()
    return weight / rms if rms > 0 else weight


def spectrum(left: Tensor, right: Tensor) -> Tensor:
    """Singular values, descending, of ``left @ right`` without forming the product.

    ``left`` [heads, d, r] and ``right`` [heads, r, d]: the product has rank r at most, so
    QR of both leaves a small matrix with the same singular values. Returns [heads, r] in
    float64; zeros beyond the rank of the product, which are no choice of weights, are not
    among them.
    """
    upper = [torch.linalg.qr(x.double(), mode="r").R for x in (left, right.mT)]
    return torch.linalg.svdvals(upper[0] @ upper[1].mT)


def circuits(heads: dict[str, Tensor]) -> dict[str, Tensor]:
    """Singular values of every query head's W_Q^T W_K (``qk``) and W_O W_V (``ov``).

    Each [query heads, head width]. In a grouped-query model query head h uses key and
    value head h // (query heads / key heads). With rotary positions ``qk`` is the circuit
    at distance 0. Both products, unlike their factors, do not depend on the basis within
    a head, and their singular values not on the basis of the residual stream either.
    """
    group = len(heads["q"]) // len(heads["k"])
    k, v = (heads[x].repeat_interleave(group, 0) for x in "kv")
    return {"qk": spectrum(heads["q"].mT, k), "ov": spectrum(heads["o"], v)}


def stable_rank(values: Tensor) -> Tensor:
    """||W||_F^2 / ||W||_2^2 from singular values [..., r], in [1, r]; NaN for W = 0."""
    return values.square().sum(-1) / values.amax(-1).square()


def hoyer(values: Tensor) -> Tensor:
    """Hoyer's sparseness (sqrt(r) - l1 / l2) / (sqrt(r) - 1) of [..., r], in [0, 1].

    Hoyer 2004, JMLR 5:1457: 0 if all are equal, 1 if one alone is not 0. Of the
    singular values it measures how few directions a circuit uses, in any basis; of the
    entries of the product it would depend on the basis. NaN for zeros and for r = 1.
    """
    root = values.shape[-1] ** 0.5
    return (root - values.sum(-1) / values.norm(dim=-1)) / (root - 1 if root > 1 else torch.nan)


def gini(values: Tensor) -> Tensor:
    """Gini index of the singular values [..., r], in [0, 1 - 1/r]: 0 if all are equal.

    Hurley and Rickard 2009 (arXiv 0811.4706), 1 - 2 sum_k c_k / ||c||_1 (r - k + 1/2) / r
    with c ascending. NaN for zeros.
    """
    r = values.shape[-1]
    weight = (r - torch.arange(1, r + 1, dtype=values.dtype) + 0.5) / r
    return 1 - 2 * (values.sort(-1).values * weight).sum(-1) / values.sum(-1)
