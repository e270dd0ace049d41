"""Order sensitivity: how much a learner's answers change with the order, and in what pattern.

Everything here is of one draw at one epoch: Q queries, each answered under O orders of the
same demonstrations. Source: S is Shen et al. 2024 (arXiv 2310.08540), Theorem 1
and the study of order sensitivity.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.metrics import order_patterns
from iclgd.metrics.metric import ABOVE, ANY, COSINE, SHARE, Metric, by_name
from iclgd.metrics.order_patterns import FLOOR, PATTERNS

CELLS = 1 << 23  # of a dense block of probabilities (64 MiB in float64)
PERMUTATIONS = 999


@dataclass(frozen=True)
class Orders:
    """Answers under several orders: ``orders`` [O] and ``examples`` [Q] ascending, ``ids`` and
    natural ``logprobs`` [Q, O, kept] of the kept tokens, ``labels`` [Q, O, labels] likewise."""

    orders: np.ndarray
    examples: np.ndarray
    ids: np.ndarray
    logprobs: np.ndarray
    labels: np.ndarray

    def only(self, orders: np.ndarray) -> Orders:
        """The same with some of the orders."""
        chosen = np.isin(self.orders, orders)
        cut = (x[:, chosen] for x in (self.ids, self.logprobs, self.labels))
        return Orders(self.orders[chosen], self.examples, *cut)


def read(rows: pl.DataFrame) -> Orders | None:
    """Rows of a logits table, of one draw and epoch, as Orders; None if any row diverged.

    Raises InputError unless there is every query once under every order.
    """
    if not (rows["status"] == "ok").all():
        return None
    rows = rows.sort("example", "order")
    orders, examples = (rows[name].unique().sort().to_numpy() for name in ("order", "example"))
    keys = rows.select("example", "order").to_numpy()
    grid = np.stack(np.meshgrid(examples, orders, indexing="ij"), axis=-1)
    if not np.array_equal(keys, grid.reshape(-1, 2)):
        raise InputError(
            f"learner {rows['learner'][0]}, draw {rows['draw'][0]}, epoch {rows['epoch'][0]}: "
            "not every query stands there once under every order"
        )
    names = ("top_ids", "top_logprobs", "label_logprobs")
    shape = (len(examples), len(orders), -1)
    return Orders(orders, examples, *(parquet.matrix(rows[n]).reshape(shape) for n in names))


def probabilities(ids: np.ndarray, logprobs: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Dense distributions of blocks of queries, in their order: token numbers and probabilities.

    Numbers are [block, width], 0 to the largest of ``ids``, and beyond that where a column has
    no token; probabilities [block, O, width]. A token that an order did not keep has probability
    0 there: exact where the whole vocabulary is kept, else off by less than the order's least
    likely kept token.
    """
    queries, orders, kept = ids.shape
    vocabulary = int(ids.max()) + 1
    size = max(1, CELLS // (orders * min(vocabulary, orders * kept)))
    for start in range(0, queries, size):
        part = slice(start, start + size)
        block, values = ids[part], np.exp(logprobs[part], dtype=float)
        # A small vocabulary has a column for each token, a large one for those that any
        # order of the query kept.
        if vocabulary <= orders * kept:
            column, numbers = block, np.tile(np.arange(vocabulary), (len(block), 1))
        else:
            column, numbers = compressed(block, vocabulary)
        dense = np.zeros((len(block), orders, numbers.shape[1]))
        np.put_along_axis(dense, column, values, axis=2)
        yield numbers, dense


def compressed(ids: np.ndarray, vocabulary: int) -> tuple[np.ndarray, np.ndarray]:
    """Columns [Q, O, kept] of each query's different tokens, and the tokens' numbers [Q, width].

    A query with fewer tokens than the widest has ``vocabulary`` in its last columns.
    """
    keys = ids + np.arange(len(ids))[:, None, None] * np.int64(vocabulary)
    different, number = np.unique(keys, return_inverse=True)
    query, token = np.divmod(different, vocabulary)
    first = np.searchsorted(query, np.arange(len(ids) + 1))
    place = np.arange(len(different)) - first[query]
    numbers = np.full((len(ids), int(np.diff(first).max())), vocabulary)
    numbers[query, place] = token
    return number.reshape(ids.shape) - first[:-1, None, None], numbers


def sen(found: Orders) -> np.ndarray:
    """S's Sen of every query [Q]: the sum over tokens of the standard deviation of p(v).

    Over the orders, ddof = 1; the sum (not the mean) over the vocabulary. S reports its mean
    over queries. NaN for fewer than two orders. Tokens that are not kept: see ``probabilities``.
    """
    if len(found.orders) < 2:
        return np.full(len(found.examples), np.nan)
    blocks = probabilities(found.ids, found.logprobs)
    return np.concatenate([p.std(1, ddof=1).sum(1) for _, p in blocks])


def label_sen(found: Orders) -> np.ndarray:
    """Sen [Q] with the sum over the label words only; probabilities over the whole vocabulary."""
    if len(found.orders) < 2:
        return np.full(len(found.examples), np.nan)
    return np.exp(found.labels, dtype=float).std(1, ddof=1).sum(1)


def distances(probability: np.ndarray) -> np.ndarray:
    """Total variation between each two orders, summed over queries: condensed [O (O - 1) / 2].

    ``probability``: [Q, O, tokens].
    """
    flat = probability.transpose(1, 0, 2).reshape(probability.shape[1], -1)
    return np.concatenate([np.abs(flat[i + 1 :] - row).sum(1) for i, row in enumerate(flat)]) / 2


def mantel(a: np.ndarray, b: np.ndarray, seed: int = 0) -> tuple[float, float] | None:
    """Mantel's test that two distance matrices (condensed) go together: r and p.

    r is Pearson's correlation of the upper triangles; p is one-sided (greater, as usual
    for this test), the share of 999 random relabellings of one matrix with an r at least
    as large, the observed one counted in. None if a matrix is constant or not larger than
    its rounding noise. Mantel 1967, Cancer Research 27:209.
    """
    if len(a) < 2 or min(np.ptp(a), np.ptp(b)) < FLOOR:
        return None
    size = round((1 + (1 + 8 * len(b)) ** 0.5) / 2)
    upper = np.triu_indices(size, 1)
    square = np.zeros((size, size))
    square[upper] = b
    square += square.T
    rng = np.random.default_rng(seed)
    names = np.stack([np.arange(size), *(rng.permutation(size) for _ in range(PERMUTATIONS))])
    relabelled = square[names[:, upper[0]], names[:, upper[1]]]
    centred = a - a.mean()
    r = relabelled @ centred / (np.linalg.norm(centred) * np.linalg.norm(b - b.mean()))
    return float(r[0]), float((r >= r[0] - 1e-12).mean())


def fisher(p: list[float]) -> float:
    """One p-value from those of independent draws: Fisher's method, -2 sum ln p ~ chi2(2 n)."""
    from scipy.special import chdtrc  # here alone, so that figures need not import SciPy

    return float(chdtrc(2 * len(p), -2 * np.log(p).sum()))


def against(
    found: Orders, reference: Orders, seed: int = 0
) -> tuple[dict[str, np.ndarray], tuple[float, float] | None]:
    """`order_patterns.alike` of two learners, and `mantel` of their distances over all queries.

    Orders that only one of them has are left out; with fewer than two in common all is NaN,
    and None. Raises InputError if their queries differ. ``seed``: of the
    permutations.
    """
    if not np.array_equal(found.examples, reference.examples):
        raise InputError("the learner and the reference have different queries")
    both = np.intersect1d(found.orders, reference.orders)
    if len(both) < 2:
        return {name: np.full(len(found.examples), np.nan) for name in PATTERNS}, None
    a, b = found.only(both), reference.only(both)
    kept = max(a.ids.shape[2], b.ids.shape[2])

    def joined(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        # The narrower one repeats its last token, which changes nothing in a dense block.
        pads = [((0, 0), (0, 0), (0, kept - z.shape[2])) for z in (x, y)]
        return np.concatenate([np.pad(z, p, "edge") for z, p in zip((x, y), pads, strict=True)], 1)

    ids, logprobs = joined(a.ids, b.ids), joined(a.logprobs, b.logprobs)

    def blocks() -> Iterator[order_patterns.Block]:
        for numbers, p in probabilities(ids, logprobs):
            yield numbers, p[:, : len(both)], p[:, len(both) :]

    apart = [0.0, 0.0]
    for _, *halves in blocks():
        apart = [total + distances(half) for total, half in zip(apart, halves, strict=True)]
    distance = (total / len(found.examples) for total in apart)
    return order_patterns.alike(blocks, int(ids.max()) + 1), mantel(*distance, seed)


SENSITIVITIES = by_name(
    Metric(
        "sen",
        ABOVE,
        0,
        "sum over the vocabulary of the standard deviation over orders",
        "Sen (summed std of p)",
        "Sen",
        "Σ over the vocabulary of the standard deviation of p over orders (ddof = 1)",
    ),
    Metric(
        "label_sen",
        ABOVE,
        0,
        "the same sum over the label words only",
        "Sen, label words (summed std)",
    ),
    *PATTERNS.values(),
)
MANTEL = by_name(
    Metric(
        "mantel_r",
        COSINE,
        1,
        "correlation of the distances between orders, of the learner and of the reference",
        "Mantel r with ICL",
    ),
    Metric("mantel_p", SHARE, -1, "p-value of that correlation", "Mantel p-value"),
)
CONTRASTS = by_name(
    Metric("sen_below", ANY, 0, "`sen` of the reference minus the learner's, of the same query")
)
# Of the two learners of a pair.
SEN_OF = by_name(*(Metric(f"sen_{side}", ABOVE, 0, "`sen` of one learner") for side in "ab"))
