"""Do two learners change alike with the order, and because of what a query says?

A pattern is how one query's distribution departs, under each order, from its mean over orders.
Two learners' patterns may be alike in what all queries share: both follow the last label, say,
whatever is asked. Two controls tell that from what hangs on the query. *Permuted*: the cosine
of one learner's pattern of a query with the other's of another query, over all pairs of
different queries. *Own*: the cosine of what is left of both patterns without their parts along
each learner's mean pattern. Of two equal learners the own cosine is 1, however much their queries
share; of one that reads no query nothing is left, and it has none.

Everything here is of one draw at one epoch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from iclgd.metrics.metric import COSINE, Metric, by_name

FLOOR = 3e-4  # norm of a pattern below which it is rounding noise, grown by training in float32
FEWEST = 3  # queries with patterns; of fewer no query can be left out
SAME = 1e-9  # (1 - cos) / (1 + cos) of two mean patterns below which they count as one

# Of some queries: the number [q, width] of each token, and two learners' probabilities
# [q, O, width]. Columns without a token have the number of tokens as their own.
Block = tuple[np.ndarray, np.ndarray, np.ndarray]


def alike(blocks: Callable[[], Iterator[Block]], tokens: int) -> dict[str, np.ndarray]:
    """The values [Q] of `PATTERNS` of two learners, for queries in the order of ``blocks``.

    ``blocks`` is called twice, and yields the same blocks both times; ``tokens``: how many there
    are. NaN where either pattern's norm is below `FLOOR`: full-batch GD does not depend on the
    order, so its deviations are rounding noise and have no direction. ``pattern_own`` is NaN also
    where what is left is below it. With fewer than `FEWEST` patterns there are cosines alone.
    """
    sums, norms, products = 0.0, [], []
    for numbers, *pair in blocks():
        units, size = _units(*pair)
        sums = sums + _spread(units, numbers, tokens)
        norms.append(size)
        products.append(np.einsum("qov,qov->q", *units))
    norm, cosine = np.concatenate(norms, 1), np.concatenate(products)
    along = np.concatenate([_along(sums, *block) for block in blocks()], 2)
    clear = (norm >= FLOOR).all(0)
    found = {name: np.full(len(clear), np.nan) for name in PATTERNS}
    found["pattern_cosine"][clear] = cosine[clear]
    if clear.sum() >= FEWEST:
        cosine, along, norm = cosine[clear], along[..., clear], norm[:, clear]
        found["pattern_permuted"][clear] = permuted(cosine, along)
        found["pattern_beyond"][clear] = cosine - permuted(cosine, along)
        gram = np.einsum("sov,tov->st", sums, sums)
        found["pattern_own"][clear] = own(cosine, along, gram, norm)
    return found


def permuted(cosine: np.ndarray, along: np.ndarray) -> np.ndarray:
    """What each query [Q] adds to the mean cosine over all pairs of different queries.

    ``cosine`` [Q]: of both patterns of a query. ``along`` [2, 2, Q]: inner product of the unit
    pattern of either learner (first axis) with the sum of the unit patterns of either (second).

    The mean of these values is that of a_q . b_r over all q != r, exactly, and their spread over
    queries is the spread of that mean: they are its jackknife pseudo-values, in closed form
    (Arvesen 1969, Annals of Mathematical Statistics 40:2076). Means over partners would spread too
    little: each query is in the pairs twice, as the one and as the other. A value may be beyond 1.
    """
    queries = len(cosine)
    partners = ((along[0, 1] + along[1, 0]) / 2 - cosine) / (queries - 1)
    return (2 * (queries - 1) * partners - queries * partners.mean()) / (queries - 2)


def own(cosine: np.ndarray, along: np.ndarray, gram: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Cosine [Q] of what is left of two patterns without their parts along both mean patterns.

    The first two arguments are those of `permuted`; ``gram`` [2, 2]: inner products of the two
    sums; ``norm`` [2, Q] of the patterns themselves. A query's mean pattern is of unit patterns,
    so that all queries count alike. NaN where what is left is below `FLOOR`.
    """
    inverse = np.linalg.pinv(gram, rcond=SAME, hermitian=True)
    taken = np.einsum("asq,st,btq->abq", along, inverse, along)
    left = np.sqrt(np.clip(1 - np.stack([taken[0, 0], taken[1, 1]]), 0, None))
    clear = (left * norm >= FLOOR).all(0)
    found = np.full(len(cosine), np.nan)
    found[clear] = (cosine - taken[0, 1])[clear] / left.prod(0)[clear]
    return found.clip(-1, 1)  # a cosine: what is beyond is rounding


def _units(*pair: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Patterns of norm 1 of both learners [2, q, O, width], and their norms [2, q].

    All 0 where either has none.
    """
    change = np.stack([p - p.mean(1, keepdims=True) for p in pair])
    norm = np.linalg.norm(change.reshape(*change.shape[:2], -1), axis=2)
    size = np.where((norm >= FLOOR).all(0), norm, np.inf)
    return change / size[..., None, None], norm


def _spread(units: np.ndarray, numbers: np.ndarray, tokens: int) -> np.ndarray:
    """The sum over queries of unit patterns [2, q, O, width] in all tokens: [2, O, tokens + 1]."""
    total = np.zeros((2, units.shape[2], tokens + 1))
    for query, columns in enumerate(numbers):
        total[:, :, columns] += units[:, query]
    return total


def _along(sums: np.ndarray, numbers: np.ndarray, *pair: np.ndarray) -> np.ndarray:
    """Inner products [2, 2, q] of both learners' unit patterns with the sums of both."""
    units, _ = _units(*pair)
    along = [
        np.einsum("aov,sov->as", units[:, query], sums[:, :, columns])
        for query, columns in enumerate(numbers)
    ]
    return np.stack(along, 2)


PATTERNS = by_name(
    Metric(
        "pattern_cosine",
        COSINE,
        1,
        "cosine of the changes over orders, of the learner and of the reference",
        "pattern cosine with ICL",
        "pattern cosine",
        "cosine of two learners' p − (mean of p over orders), over orders and tokens",
    ),
    Metric(
        "pattern_permuted",
        COSINE,
        0,
        "the same of the learner's changes and the reference's of another query",
        "the same, queries permuted",
        "queries permuted",
        "mean of the pattern cosine over all pairs of different queries",
    ),
    Metric(
        "pattern_beyond",
        (-2.0, 2.0),
        0,
        "pattern_cosine minus pattern_permuted",
        "cosine beyond permuted queries",
    ),
    Metric(
        "pattern_own",
        COSINE,
        1,
        "cosine of both changes without their parts along both mean patterns over queries",
        "own parts' cosine with ICL",
        "queries' own cosine",
        "pattern cosine of what both mean patterns over queries do not span",
    ),
)
