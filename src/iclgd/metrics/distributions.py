"""Distributions of which the likeliest tokens are kept, and distances between them.

Every function of two takes two ``Top`` of M rows and returns float64 arrays of length M; what is
undefined is NaN, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Top:
    """Most likely tokens of M distributions: ``ids`` [M, kept] from the most likely one,
    natural ``logprobs`` [M, kept], and ``tail`` [M], the probability of all other tokens."""

    ids: np.ndarray
    logprobs: np.ndarray
    tail: np.ndarray


def ranks(ids: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Place (from 0) of every token of ``ids`` [M, n] in its row of ``other`` [M, m].

    Tokens that are not there get ``m``.
    """
    rows, width = other.shape
    table = np.full((rows, int(max(ids.max(), other.max())) + 1), width, np.int32)
    np.put_along_axis(table, other, np.arange(width, dtype=np.int32)[None], 1)
    return np.take_along_axis(table, ids, 1)


def shared(a: Top, b: Top, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Tokens of a's top ``k`` that are in b's top ``k`` too: mask, p and q, each [M, k].

    p and q are 0 where the mask is false.
    """
    place = ranks(a.ids[:, :k], b.ids[:, :k])
    mask = place < b.ids[:, :k].shape[1]
    p = np.where(mask, np.exp(a.logprobs[:, :k].astype(float)), 0.0)
    q = np.take_along_axis(np.exp(b.logprobs[:, :k].astype(float)), np.where(mask, place, 0), 1)
    return mask, p, np.where(mask, q, 0.0)


def mass(a: Top, k: int) -> np.ndarray:
    """The probability that a's ``k`` likeliest tokens hold, in [0, 1]."""
    return np.exp(a.logprobs[:, :k].astype(float)).sum(1).clip(max=1)


def total_variation(a: Top, b: Top) -> tuple[np.ndarray, np.ndarray]:
    """The least and the greatest total variation that the kept tokens allow, each [M] in [0, 1].

    Both are it where the whole vocabulary is kept. Else a token that one side does not keep has at
    most the probability of the last one that it keeps there, which bounds the sum of p - q over
    the tokens with p > q from below, and so does that of q - p. At most everything that is not
    kept by both is apart.
    """
    kept = max(a.ids.shape[1], b.ids.shape[1])
    mask, p, q = shared(a, b, kept)
    back = ranks(b.ids, a.ids) == a.ids.shape[1]
    over, under = (np.exp(x.logprobs.astype(float)) for x in (a, b))
    sums = [own.sum(1) + x.tail for own, x in ((over, a), (under, b))]  # 1 but for rounding
    p, over = (x / sums[0][:, None] for x in (p, over))
    q, under = (x / sums[1][:, None] for x in (q, under))
    tails = a.tail / sums[0], b.tail / sums[1]
    more = np.maximum(p - q, 0).sum(1), np.maximum(q - p, 0).sum(1)
    alone = np.where(mask, 0, over), np.where(back, under, 0)  # kept by one side only
    rest = [own.sum(1) + tail for own, tail in zip(alone, tails, strict=True)]
    limits = np.minimum(under[:, -1], tails[1]), np.minimum(over[:, -1], tails[0])
    least = [
        side + np.maximum(own - limit[:, None], 0).sum(1)
        for side, own, limit in zip(more, alone, limits, strict=True)
    ]
    in_one_bin = (sum(more) + np.abs(rest[0] - rest[1])) / 2
    most = (sum(more) + sum(rest)) / 2
    return np.minimum(np.maximum.reduce([*least, in_one_bin]), most), most


@dataclass(frozen=True)
class Divergences:
    """Divergences between distributions in nats, each [M]."""

    js: np.ndarray
    kl_ab: np.ndarray
    kl_ba: np.ndarray


def _bins(p: np.ndarray, q: np.ndarray) -> Divergences:
    """Divergences of discrete distributions [M, bins] that sum to 1 each."""

    def kl(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            terms = np.where(x > 0, x * (np.log(x) - np.log(y)), 0.0)
        return np.maximum(terms.sum(1), 0.0)

    middle = (p + q) / 2
    js = (kl(p, middle) + kl(q, middle)) / 2
    forward, backward = kl(p, q), kl(q, p)
    finite = [np.where(np.isfinite(x), x, np.nan) for x in (forward, backward)]
    return Divergences(js, *finite)


def divergences(a: Top, b: Top) -> Divergences:
    """Jensen-Shannon and both Kullback-Leibler divergences over all kept tokens.

    Tokens that both rows keep are bins of their own and everything else is one more bin:
    exact where the whole vocabulary is kept, else a lower bound (data processing).
    """
    kept = max(a.ids.shape[1], b.ids.shape[1])
    mask, p, q = shared(a, b, kept)
    back = ranks(b.ids, a.ids) == a.ids.shape[1]
    rest_p = a.tail + np.where(mask, 0, np.exp(a.logprobs.astype(float))).sum(1)
    rest_q = b.tail + np.where(back, np.exp(b.logprobs.astype(float)), 0).sum(1)
    bins = [np.concatenate([x, r[:, None]], 1) for x, r in ((p, rest_p), (q, rest_q))]
    return _bins(*(x / x.sum(1, keepdims=True) for x in bins))


def label_agreement(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """JS, TV and cosine of the distributions over the label words alone.

    ``a``, ``b``: natural log-probabilities [M, labels]; they are normalised first.
    """
    p, q = (np.exp(x.astype(float) - x.max(1, keepdims=True)) for x in (a, b))
    p, q = (x / x.sum(1, keepdims=True) for x in (p, q))
    over_labels = _bins(p, q)
    cosine = (p * q).sum(1) / (np.linalg.norm(p, axis=1) * np.linalg.norm(q, axis=1))
    return over_labels.js, np.abs(p - q).sum(1) / 2, cosine
