"""Patterns of change over orders: what hangs on the query, and what all queries share."""

import numpy as np
import pytest

from iclgd.metrics import order_patterns
from iclgd.statistics import crossed

TOKENS = 8


def alike(a, b, size=3):
    """Probabilities [Q, O, tokens] of two learners, in blocks of ``size`` queries."""
    tokens = a.shape[2]

    def blocks():
        for start in range(0, len(a), size):
            part = slice(start, start + size)
            yield np.tile(np.arange(tokens), (len(a[part]), 1)), a[part], b[part]

    return order_patterns.alike(blocks, tokens)


def answers(*directions):
    """Two orders that move a uniform distribution along ``directions`` [Q, 4], and back.

    The first direction is from token 1 to token 0, the next from 3 to 2, and so on: so the inner
    products of patterns are those of the directions.
    """
    tokens = np.stack([directions, -np.asarray(directions)], 2).reshape(len(directions), TOKENS)
    return 1 / TOKENS + 0.02 * np.stack([tokens, -tokens], 1)


def random(queries=6, orders=5, seed=0):
    return np.random.default_rng(seed).dirichlet(np.ones(TOKENS), (queries, orders))


A = answers([1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0])
B = answers([1, 0, 0, 0], [0, 2, 0, 0], [0, 1, 0, 0])
# What is a query's own along directions 1 and 2, beside what all share along 0.
OURS = answers([1, 1, 0, 0], [1, -1, 0, 0], [1, 0, 1, 0], [1, 0, -1, 0])
MIXED = answers([1, 1, 0, 0], [1, -1, 0, 0], [1, 0, -1, 0], [1, 0, 1, 0])
ELSEWHERE = answers([0, 1, 0, 1], [0, -1, 0, 1], [0, 0, 1, 1], [0, 0, -1, 1])


def test_cosines_by_hand():
    p = random()
    found = alike(p, p)
    assert found["pattern_cosine"] == pytest.approx(1)
    assert found["pattern_own"] == pytest.approx(1)
    opposite = alike(p, 2 * p.mean(1, keepdims=True) - p)
    assert opposite["pattern_cosine"] == pytest.approx(-1)
    assert opposite["pattern_own"] == pytest.approx(-1)
    assert alike(A, B)["pattern_cosine"] == pytest.approx([1, 0, 1])


def test_permuted_queries_by_hand():
    # Of six pairs of different queries two have a cosine of 1: A's second with B's first, A's
    # third with B's second. Partners of the three: 1/4, 1/2, 1/4; values 4 of them minus 3 of 1/3.
    found = alike(A, B)
    assert found["pattern_permuted"] == pytest.approx([0, 1, 0])
    assert found["pattern_beyond"] == pytest.approx([1, -1, 1])
    assert alike(OURS, MIXED)["pattern_permuted"].mean() == pytest.approx(1 / 2)


def test_own_parts_by_hand():
    found = alike(OURS, MIXED)
    assert found["pattern_cosine"] == pytest.approx([1, 1, 0, 0])
    assert found["pattern_own"] == pytest.approx([1, 1, -1, -1])
    # Nothing common is alike, what is the queries' own is the same.
    found = alike(OURS, ELSEWHERE)
    assert found["pattern_cosine"] == pytest.approx(1 / 2)
    assert found["pattern_own"] == pytest.approx(1)
    # Both mean patterns of A and B span all that either does: nothing is left.
    assert np.isnan(alike(A, B)["pattern_own"]).all()


@pytest.mark.parametrize("seed", range(5))
def test_the_mean_over_pairs_is_that_of_all_pairs(seed):
    a, b = random(seed=seed), random(seed=seed + 50)
    units = []
    for p in (a, b):
        change = (p - p.mean(1, keepdims=True)).reshape(len(p), -1)
        units.append(change / np.linalg.norm(change, axis=1, keepdims=True))
    pairs = units[0] @ units[1].T
    different = ~np.eye(len(pairs), dtype=bool)
    found = alike(a, b)
    assert found["pattern_cosine"] == pytest.approx(np.diag(pairs))
    assert found["pattern_permuted"].mean() == pytest.approx(pairs[different].mean())
    # The same without one query, as the jackknife does it.
    for query, value in enumerate(found["pattern_permuted"]):
        rest = np.delete(np.arange(len(a)), query)
        without = alike(a[rest], b[rest])["pattern_permuted"].mean()
        n = len(a)
        expected = n * pairs[different].mean() - (n - 1) * without
        assert value == pytest.approx(expected)
    # Residuals of least squares on both mean patterns.
    means = np.stack([unit.mean(0) for unit in units], 1)
    left = [u - u @ means @ np.linalg.pinv(means) for u in units]
    expected = (left[0] * left[1]).sum(1) / np.prod([np.linalg.norm(x, axis=1) for x in left], 0)
    assert found["pattern_own"] == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_what_reads_no_query_is_as_alike_with_any(seed):
    vote = np.repeat(random(1, seed=seed + 50), 6, axis=0)
    found = alike(random(seed=seed), vote)
    assert found["pattern_permuted"] == pytest.approx(found["pattern_cosine"])
    assert found["pattern_beyond"] == pytest.approx(0, abs=1e-12)
    assert np.isnan(found["pattern_own"]).all()


def test_blocks_do_not_matter():
    a, b = random(7), random(7, seed=1)
    whole, one = alike(a, b, 7), alike(a, b, 1)
    for name in order_patterns.PATTERNS:
        assert one[name] == pytest.approx(whole[name])


def test_what_does_not_react_has_no_pattern():
    p = random()
    still = np.repeat(p[:, :1], p.shape[1], axis=1)
    found = alike(p, still + 1e-9 * p)
    assert all(np.isnan(values).all() for values in found.values())
    # One query alone: the others are compared as if it were not there.
    some = p.copy()
    some[2] = still[2]
    found, rest = alike(p, some), alike(*(np.delete(x, 2, axis=0) for x in (p, some)))
    for name, values in found.items():
        assert np.isnan(values[2])
        assert np.delete(values, 2) == pytest.approx(rest[name])


def test_too_few_queries_have_cosines_alone():
    found = alike(A[:2], B[:2])
    assert found["pattern_cosine"] == pytest.approx([1, 0])
    for name in ("pattern_permuted", "pattern_beyond", "pattern_own"):
        assert np.isnan(found[name]).all()


def simulated(rng, draws, queries, size=12):
    """`PATTERNS` [draws, queries] of two learners, alike in what is common and in what is own."""
    ours, theirs = rng.gamma(2, 0.5, (2, queries, 1))  # how strongly a query follows the common
    found = {name: np.empty((draws, queries)) for name in order_patterns.PATTERNS}
    for draw in range(draws):
        common = rng.normal(size=size) * rng.gamma(4, 0.25)
        other = common + 0.5 * rng.normal(size=size)
        own, noise = rng.normal(size=(2, queries, size))
        pair = np.stack([ours * common + own, theirs * other + 0.6 * own + 0.8 * noise])
        norm = np.linalg.norm(pair, axis=2)
        unit = pair / norm[..., None]
        sums, cosine = unit.sum(1), (unit[0] * unit[1]).sum(1)
        along = np.einsum("aqv,sv->asq", unit, sums)
        found["pattern_cosine"][draw] = cosine
        found["pattern_permuted"][draw] = order_patterns.permuted(cosine, along)
        found["pattern_own"][draw] = order_patterns.own(cosine, along, sums @ sums.T, norm)
    found["pattern_beyond"] = found["pattern_cosine"] - found["pattern_permuted"]
    return found


@pytest.mark.slow
@pytest.mark.parametrize(("draws", "queries"), [(5, 60), (10, 60)])
def test_intervals_cover(draws, queries):
    """In how many of 400 studies the interval holds what many draws and queries have."""
    rng = np.random.default_rng(0)
    truth = {name: values.mean() for name, values in simulated(rng, 400, 2000).items()}
    studies = [simulated(rng, draws, queries) for _ in range(400)]
    for name, true in truth.items():
        spread = crossed.ratio(np.stack([study[name] for study in studies])[:, None])
        low, high = crossed.interval(spread)
        assert ((low <= true) & (true <= high)).mean() > 0.92, name
        # Mean patterns are of so many queries, and what is left of them is taken for own.
        assert abs(spread.value.mean() - true) < 0.015, name
