"""Metrics on next-token distributions: hand-computed values, properties, a plain twin."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from iclgd.metrics import agreement, distributions

DIVERGENCES = ("js", "kl_ab", "kl_ba")


def top(*rows, keep=None):
    """``Top`` of distributions over the whole vocabulary, ties by token id."""
    p = np.array(rows, float)
    ids = np.argsort(-p, axis=1, kind="stable")
    p = np.take_along_axis(p, ids, 1)
    tail = p[:, keep:].sum(1) if keep else np.zeros(len(p))
    return distributions.Top(ids[:, :keep], np.log(p[:, :keep]), tail)


def values(a, b, k):
    """Every metric of one pair by name, floats."""
    found = distributions.divergences(a, b)
    overlap, ocs = agreement.curves(a, b)
    arrays = {
        "tv": distributions.total_variation(a, b)[0],
        "to": agreement.token_overlap(a, b, k),
        "ocs": agreement.ocs(a, b, k),
        "paper": agreement.ocs_paper(a, b, k),
        "rbo": agreement.rank_biased_overlap(overlap),
        "curve_to": overlap[:, k - 1],
        "curve_ocs": ocs[:, k - 1],
        **{name: getattr(found, name) for name in DIVERGENCES},
    }
    return {name: float(array[0]) for name, array in arrays.items()}


def naive(p, q, k):
    """The same in plain loops over two full distributions (lists)."""
    rank = [sorted(range(len(x)), key=lambda v, x=x: (-x[v], v)) for x in (p, q)]
    heads = [r[:k] for r in rank]
    both = [v for v in heads[0] if v in heads[1]]
    product = sum(p[v] * q[v] for v in both)
    squares = [sum(x[v] ** 2 for v in h) for x, h in zip((p, q), heads, strict=True)]
    shared = [sum(x[v] ** 2 for v in both) for x in (p, q)]
    overlaps = [len(set(rank[0][:d]) & set(rank[1][:d])) / d for d in range(1, len(p) + 1)]
    weights = [0.9**d for d in range(len(p))]
    kl = [sum(x * math.log(x / y) for x, y in zip(*pair, strict=True)) for pair in ((p, q), (q, p))]
    middle = [(x + y) / 2 for x, y in zip(p, q, strict=True)]
    to_middle = [sum(x * math.log(x / m) for x, m in zip(d, middle, strict=True)) for d in (p, q)]
    return {
        "to": len(both) / k,
        "ocs": product / math.sqrt(squares[0] * squares[1]),
        "paper": product / math.sqrt(shared[0] * shared[1] * max(k - len(both), 1))
        if both
        else math.nan,
        "rbo": sum(o * w for o, w in zip(overlaps, weights, strict=True)) / sum(weights),
        "curve_to": len(both) / k,
        "curve_ocs": product / math.sqrt(squares[0] * squares[1]),
        "js": sum(to_middle) / 2,
        "tv": sum(abs(x - y) for x, y in zip(p, q, strict=True)) / 2,
        "kl_ab": kl[0],
        "kl_ba": kl[1],
    }


@st.composite
def pairs(draw, size=None):
    """Two distributions over 3-12 tokens; weights are integers, so that ties occur."""
    n = size or draw(st.integers(3, 12))
    weights = st.lists(st.integers(1, 30), min_size=n, max_size=n)
    p, q = (np.array(draw(weights), float) for _ in range(2))
    return p / p.sum(), q / q.sum()


A, B = [0.5, 0.3, 0.1, 0.06, 0.04], [0.1, 0.6, 0.05, 0.2, 0.05]


def test_hand_values():
    # Top 3 of A: 0, 1, 2; of B: 1, 3, 0. Shared: 0 and 1, with p q = .05 and .18.
    found = values(top(A), top(B), k=3)
    assert found["to"] == pytest.approx(2 / 3)
    assert found["ocs"] == pytest.approx(0.23 / math.sqrt(0.35 * 0.41))
    assert found["paper"] == pytest.approx(0.23 / math.sqrt(0.34 * 0.37 * 1))
    assert found["tv"] == pytest.approx(0.45)
    assert found["kl_ab"] == pytest.approx(
        0.5 * math.log(5)
        + 0.3 * math.log(0.5)
        + 0.1 * math.log(2)
        + 0.06 * math.log(0.3)
        + 0.04 * math.log(0.8)
    )


def test_paper_ocs_divides_by_what_is_not_shared():
    # One of two tokens shared: K - |O| = 1; one of three: 2, so smaller by sqrt(2).
    a, b = [0.6, 0.2, 0.1, 0.06, 0.04], [0.6, 0.04, 0.06, 0.1, 0.2]
    assert agreement.ocs_paper(top(a), top(b), 2)[0] == pytest.approx(1)
    assert agreement.ocs_paper(top(a), top(b), 3)[0] == pytest.approx(1 / math.sqrt(2))
    c = [0.2, 0.6, 0.09, 0.06, 0.05]
    assert agreement.ocs_paper(top(a), top(c), 1).tolist() == pytest.approx([math.nan], nan_ok=True)


def test_rank_biased_overlap_by_hand():
    curve = np.array([[0.0, 1.0, 2 / 3]])
    expected = (0 + 0.9 * 1 + 0.81 * 2 / 3) / (1 + 0.9 + 0.81)
    assert agreement.rank_biased_overlap(curve)[0] == pytest.approx(expected)


def test_ties_go_by_token_id():
    tied = [0.25, 0.25, 0.25, 0.25]
    assert agreement.token_overlap(top(tied), top(tied), 2)[0] == 1
    assert agreement.token_overlap(top(tied), top([0.1, 0.2, 0.3, 0.4]), 2)[0] == 0


def test_no_shared_token_is_undefined_for_the_paper_and_zero_for_the_cosine():
    found = values(top([0.7, 0.2, 0.06, 0.04]), top([0.04, 0.06, 0.2, 0.7]), k=2)
    assert (found["to"], found["ocs"]) == (0, 0)
    assert math.isnan(found["paper"])


@given(pairs(), st.integers(1, 12))
@settings(deadline=None)
def test_plain_twin(pair, k):
    p, q = pair
    k = min(k, len(p))
    assert values(top(p), top(q), k) == pytest.approx(
        naive(p.tolist(), q.tolist(), k), abs=1e-9, nan_ok=True
    )


@given(pairs(), st.integers(1, 12))
@settings(deadline=None)
def test_identity(pair, k):
    a = top(pair[0])
    found = values(a, a, min(k, len(pair[0])))
    assert [found[name] for name in ("to", "ocs", "rbo", "paper")] == pytest.approx([1] * 4)
    assert [found[name] for name in (*DIVERGENCES, "tv")] == pytest.approx([0] * 4, abs=1e-12)


@given(pairs(), st.integers(1, 12))
@settings(deadline=None)
def test_symmetry_and_range(pair, k):
    a, b = map(top, pair)
    k = min(k, len(pair[0]))
    forth, back = values(a, b, k), values(b, a, k)
    back["kl_ab"], back["kl_ba"] = back["kl_ba"], back["kl_ab"]
    assert forth == pytest.approx(back, nan_ok=True, abs=1e-12)
    assert all(0 <= forth[name] <= 1 + 1e-12 for name in ("to", "ocs", "rbo", "tv"))
    assert 0 <= forth["js"] <= math.log(2) + 1e-12
    assert min(forth["kl_ab"], forth["kl_ba"]) >= 0


@given(pairs(size=10), st.integers(1, 9), st.integers(1, 9))
@settings(deadline=None)
def test_cut_tails_bound_divergences_from_below(pair, keep_a, keep_b):
    p, q = pair
    whole = distributions.divergences(top(p), top(q))
    cut = distributions.divergences(top(p, keep=keep_a), top(q, keep=keep_b))
    for name in DIVERGENCES:
        assert getattr(cut, name)[0] <= getattr(whole, name)[0] + 1e-9


@given(pairs(size=10), st.integers(1, 10), st.integers(1, 10))
@settings(deadline=None)
def test_the_bounds_of_total_variation_hold_and_meet_for_whole_distributions(pair, keep_a, keep_b):
    p, q = (np.array(one) for one in pair)
    truth = np.abs(p - q).sum() / 2
    least, most = distributions.total_variation(top(p, keep=keep_a), top(q, keep=keep_b))
    assert least[0] - 1e-9 <= truth <= most[0] + 1e-9
    whole = distributions.total_variation(top(p), top(q))
    assert whole[0][0] == pytest.approx(truth, abs=1e-12) == whole[1][0]


def test_bounds_of_total_variation_by_hand():
    # a keeps tokens 0 and 1, b keeps 0 and 2; b's last one has .2, so token 1 has at most that.
    a, b = top([0.5, 0.4, 0.06, 0.04], keep=2), top([0.6, 0.1, 0.2, 0.1], keep=2)
    least, most = distributions.total_variation(a, b)
    # q - p: .1 of token 0, and token 2's .2 less than .1, which is all that a does not keep.
    assert least[0] == pytest.approx(0.2)
    assert most[0] == pytest.approx((0.1 + 0.4 + 0.1 + 0.2 + 0.2) / 2)


def test_nuclei_by_hand():
    a, b = [0.7, 0.2, 0.0895, 0.0105], [0.001, 0.5, 0.4, 0.099]
    # 99 % of a are tokens 0, 1 and 2 (.9895 is too little: all four), of b 1, 2 and 3.
    assert agreement.nucleus_overlap(top(a), top([0.99, 0.008, 0.001, 0.001]))[0] == pytest.approx(
        1 / 4
    )
    assert agreement.nucleus_overlap(top([0.7, 0.2, 0.09, 0.01]), top(b))[0] == pytest.approx(0.5)
    assert np.isnan(agreement.nucleus_overlap(top(a, keep=2), top(b))[0])
    assert distributions.mass(top(a), 2)[0] == pytest.approx(0.9)


def test_rows_do_not_mix():
    rng = np.random.default_rng(0)
    p, q = rng.dirichlet(np.ones(30), (2, 7))
    together = agreement.curves(top(*p), top(*q))
    for i in range(7):
        alone = agreement.curves(top(p[i]), top(q[i]))
        for one, all_rows in zip(alone, together, strict=True):
            assert one[0] == pytest.approx(all_rows[i])


def test_infinite_divergence_is_undefined():
    # Token 1 has probability 1/2 in a and, after underflow, 0 in b.
    a = distributions.Top(np.array([[0, 1]]), np.log([[0.5, 0.5]]), np.zeros(1))
    b = distributions.Top(np.array([[0, 1]]), np.array([[0.0, -800.0]]), np.zeros(1))
    found = distributions.divergences(a, b)
    assert np.isnan(found.kl_ab[0])
    assert found.kl_ba[0] == pytest.approx(math.log(2))
    assert distributions.total_variation(a, b)[0] == pytest.approx(0.5)


def test_label_words_are_normalised_first():
    a, b = np.log([[0.2, 0.2]]), np.log([[0.03, 0.01]])
    js, tv, cosine = distributions.label_agreement(a, b)
    assert tv[0] == pytest.approx(0.25)
    assert cosine[0] == pytest.approx(1 / math.sqrt(2 * (0.75**2 + 0.25**2)))
    assert js[0] == pytest.approx(
        (0.5 * math.log(0.5 / 0.625) + 0.5 * math.log(0.5 / 0.375)) / 2
        + (0.75 * math.log(0.75 / 0.625) + 0.25 * math.log(0.25 / 0.375)) / 2
    )
