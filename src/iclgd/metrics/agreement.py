"""How much two next-token distributions agree, row by row.

Every function takes two ``Top`` of M rows and returns float64 arrays of length M; what is
undefined is NaN, never 0. `METRICS` has a row for every column of the agreement table: to add a
metric is to add its row. Sources: S is Shen et al. 2024 (arXiv 2310.08540), section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from iclgd.metrics import distributions
from iclgd.metrics.distributions import Top, ranks, shared
from iclgd.metrics.metric import ABOVE, NATS, SHARE, Metric, by_name

K = 10  # S compares the ten most likely tokens
DEPTH = 100  # of the curves over K
NUCLEUS = 0.99  # probability that a nucleus holds
PERSISTENCE = 0.9  # of rank-biased overlap


def token_overlap(a: Top, b: Top, k: int = K) -> np.ndarray:
    """TO = |T_K(p) and T_K(q)| / K, in [0, 1] (S, equation of token overlap)."""
    return shared(a, b, k)[0].sum(1) / min(k, a.ids.shape[1])


def ocs(a: Top, b: Top, k: int = K) -> np.ndarray:
    """Cosine of the two distributions cut to their own top ``k``, in [0, 1]; 1 if identical."""
    _, p, q = shared(a, b, k)
    norms = [np.linalg.norm(np.exp(x.logprobs[:, :k].astype(float)), axis=1) for x in (a, b)]
    return (p * q).sum(1) / (norms[0] * norms[1])


def ocs_paper(a: Top, b: Top, k: int = K) -> np.ndarray:
    """Overlap cosine similarity as S prints it; O is the set of shared top-K tokens.

    sum_O(p q) / sqrt(sum_O(p^2) sum_O(q^2) max(K - |O|, 1)). S divides by K - |O|, which is
    singular for |O| = K; it is not bounded by 1 in other readings. NaN where O is empty.
    """
    mask, p, q = shared(a, b, k)
    rest = np.maximum(min(k, a.ids.shape[1]) - mask.sum(1), 1)
    with np.errstate(invalid="ignore"):
        return (p * q).sum(1) / np.sqrt((p**2).sum(1) * (q**2).sum(1) * rest)


def curves(a: Top, b: Top, depth: int = DEPTH) -> tuple[np.ndarray, np.ndarray]:
    """TO and OCS for every K = 1 ... depth, each [M, depth] (less where fewer are kept)."""
    depth = min(depth, a.ids.shape[1], b.ids.shape[1])
    place = ranks(a.ids[:, :depth], b.ids[:, :depth])
    p, q = (np.exp(x.logprobs[:, :depth].astype(float)) for x in (a, b))
    product = p * np.take_along_axis(q, np.minimum(place, depth - 1), 1)
    # A shared token counts from the first K at which both lists have reached it.
    reached = np.maximum(place, np.arange(depth))
    cells = np.arange(len(reached))[:, None] * (depth + 1) + reached
    size = len(reached) * (depth + 1)

    def cumulated(weights: np.ndarray | None) -> np.ndarray:
        counts = np.bincount(cells.ravel(), weights, size).reshape(-1, depth + 1)
        return counts[:, :depth].cumsum(1)

    norms = np.sqrt((p**2).cumsum(1) * (q**2).cumsum(1))
    return cumulated(None) / np.arange(1, depth + 1), cumulated(product.ravel()) / norms


def rank_biased_overlap(overlap: np.ndarray) -> np.ndarray:
    """Rank-biased overlap from the TO curve [M, depth], persistence 0.9, in [0, 1].

    Webber, Moffat and Zobel 2010, equation 4, cut at the curve's depth and scaled so that
    identical rankings get 1.
    """
    weight = PERSISTENCE ** np.arange(overlap.shape[1])
    return overlap @ weight / weight.sum()


def nucleus_overlap(a: Top, b: Top) -> np.ndarray:
    """Jaccard index of both nuclei, in [0, 1]: |A and B| / |A or B|.

    A nucleus is the fewest likeliest tokens that hold 99 % of the probability (Holtzman et al.
    2020, arXiv 1904.09751): unlike the ten likeliest, it has no tokens that hardly ever come. NaN
    where the kept tokens hold less.
    """
    totals = [np.exp(x.logprobs.astype(float)).cumsum(1) for x in (a, b)]
    # The first token with which the sum is there; float32 log-probabilities may lack 1e-6.
    sizes = [(total < NUCLEUS - 1e-6).sum(1) + 1 for total in totals]
    place = ranks(a.ids, b.ids)
    inside = np.arange(a.ids.shape[1]) < sizes[0][:, None]
    common = (inside & (place < sizes[1][:, None])).sum(1)
    whole = np.all([size <= x.ids.shape[1] for size, x in zip(sizes, (a, b), strict=True)], axis=0)
    return np.where(whole, common / (sizes[0] + sizes[1] - common), np.nan)


@dataclass(frozen=True)
class Pair:
    """The answers of two learners to the same M queries, and what several metrics need of them.

    ``a``, ``b``: their distributions; ``labels_a``, ``labels_b`` [M, labels]: natural
    log-probabilities of the label words; ``answer`` [M]: token id of the right answer; ``label``
    [M]: its number.
    """

    a: Top
    b: Top
    labels_a: np.ndarray
    labels_b: np.ndarray
    answer: np.ndarray
    label: np.ndarray

    @cached_property
    def curves(self) -> tuple[np.ndarray, np.ndarray]:
        return curves(self.a, self.b)

    @cached_property
    def divergences(self) -> distributions.Divergences:
        return distributions.divergences(self.a, self.b)

    @cached_property
    def total_variation(self) -> tuple[np.ndarray, np.ndarray]:
        return distributions.total_variation(self.a, self.b)

    @cached_property
    def over_labels(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return distributions.label_agreement(self.labels_a, self.labels_b)


METRICS = by_name(
    Metric(
        "accuracy_a",
        SHARE,
        0,
        "is a's likeliest token of the whole vocabulary the answer's first one?",
        proportion=True,
        value=lambda pair: pair.a.ids[:, 0] == pair.answer,
    ),
    Metric(
        "accuracy_b",
        SHARE,
        0,
        "is b's likeliest token of the whole vocabulary the answer's first one?",
        "accuracy (share of queries)",
        proportion=True,
        value=lambda pair: pair.b.ids[:, 0] == pair.answer,
    ),
    Metric(
        "label_accuracy_a",
        SHARE,
        0,
        "the same of a among the label words",
        proportion=True,
        value=lambda pair: pair.labels_a.argmax(1) == pair.label,
    ),
    Metric(
        "label_accuracy_b",
        SHARE,
        0,
        "the same of b among the label words",
        proportion=True,
        value=lambda pair: pair.labels_b.argmax(1) == pair.label,
    ),
    Metric(
        "token_overlap",
        SHARE,
        1,
        "share of shared tokens among the ten likeliest",
        "token overlap @10 (share)",
        "token overlap",
        r"\|T(p) ∩ T(q)\| / K; T: the K = 10 likeliest tokens",
        value=lambda pair: token_overlap(pair.a, pair.b),
    ),
    Metric(
        "nucleus_overlap",
        SHARE,
        1,
        "shared tokens among the fewest likeliest that hold 99 % of the probability (Jaccard"
        " index); undefined where the kept tokens hold less",
        "nucleus overlap (share)",
        "nucleus overlap",
        r"\|N(p) ∩ N(q)\| / \|N(p) ∪ N(q)\|; N: the fewest tokens with a probability of .99",
        value=lambda pair: nucleus_overlap(pair.a, pair.b),
    ),
    Metric(
        "mass_a",
        SHARE,
        0,
        "probability of a's ten likeliest tokens",
        value=lambda pair: distributions.mass(pair.a, K),
    ),
    Metric(
        "mass_b",
        SHARE,
        0,
        "probability of b's ten likeliest tokens",
        value=lambda pair: distributions.mass(pair.b, K),
    ),
    Metric(
        "ocs",
        SHARE,
        1,
        "cosine of the two distributions cut to their ten likeliest",
        "OCS @10 (cosine)",
        "OCS",
        "Σ p q / (‖p‖ ‖q‖), each distribution cut to its own ten likeliest tokens",
        value=lambda pair: ocs(pair.a, pair.b),
    ),
    Metric(
        "ocs_paper",
        SHARE,
        0,  # not monotone: with nine shared tokens it is divided by no more than with ten
        "the formula as printed in the paper, with max(K - overlap, 1)",
        value=lambda pair: ocs_paper(pair.a, pair.b),
    ),
    Metric(
        "js",
        NATS,
        -1,
        "Jensen-Shannon divergence, nats, 0 to 0.693; exact if the whole vocabulary is"
        " kept, else a lower bound",
        label="Jensen-Shannon",
        formula="½ KL(p ‖ m) + ½ KL(q ‖ m), m = ½ (p + q)",
        value=lambda pair: pair.divergences.js,
    ),
    Metric(
        "tv",
        SHARE,
        -1,
        "total variation, 0 to 1; exact if the whole vocabulary is kept, else its lower bound",
        label="total variation (TV)",
        formula=r"½ Σ \|p − q\|",
        value=lambda pair: pair.total_variation[0],
    ),
    Metric(
        "tv_most",
        SHARE,
        -1,
        "the upper bound of total variation, the same as `tv` if the whole vocabulary is kept",
        value=lambda pair: pair.total_variation[1],
    ),
    Metric(
        "kl_ab",
        ABOVE,
        -1,
        "Kullback-Leibler divergence of a from b, nats; exact or a lower bound",
        value=lambda pair: pair.divergences.kl_ab,
    ),
    Metric(
        "kl_ba",
        ABOVE,
        -1,
        "Kullback-Leibler divergence of b from a, nats; exact or a lower bound",
        value=lambda pair: pair.divergences.kl_ba,
    ),
    Metric(
        "rbo",
        SHARE,
        1,
        "rank-biased overlap, persistence 0.9, 0 to 1",
        "rank-biased overlap",
        label="rank-biased overlap",
        formula="Σ 0.9^(k−1) (overlap of the k likeliest), normalised, k up to 100",
        value=lambda pair: rank_biased_overlap(pair.curves[0]),
    ),
    Metric(
        "label_js",
        NATS,
        -1,
        "`js` over the label words, normalised",
        value=lambda pair: pair.over_labels[0],
    ),
    Metric(
        "label_tv",
        SHARE,
        -1,
        "`tv` over the label words, normalised",
        value=lambda pair: pair.over_labels[1],
    ),
    Metric(
        "label_ocs",
        SHARE,
        1,
        "cosine over the label words, normalised",
        value=lambda pair: pair.over_labels[2],
    ),
)
# Of the likeliest label, over all draws and queries of a summary.
MACRO_F1 = by_name(*(Metric(f"macro_f1_{side}", SHARE, 0) for side in "ab"))
