"""Standard errors of crossed draws and queries, by hand and against plain twins."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from iclgd.statistics import crossed


def anova(cells):
    """Mean squares of draws, queries and rest over the number of cells: [D, Q] to three."""
    d, q = cells.shape
    rows, columns, mean = cells.mean(1), cells.mean(0), cells.mean()
    rest = cells - rows[:, None] - columns + mean
    squares = (
        q * ((rows - mean) ** 2).sum() / (d - 1),
        d * ((columns - mean) ** 2).sum() / (q - 1),
    )
    return [x / (d * q) for x in (*squares, (rest**2).sum() / ((d - 1) * (q - 1)))]


def cells(draws=5, queries=40, seed=0):
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(draws, 1))
        + rng.normal(size=(1, queries))
        + rng.normal(size=(draws, queries))
    )


def bootstrapped(cells, resamples=4000, denominator=None):
    """Standard errors of resampled draws and resampled queries alone, each in plain numpy."""
    rng = np.random.default_rng(0)
    under = np.ones_like(cells) if denominator is None else denominator
    found = []
    for axis in (0, 1):
        n = cells.shape[axis]
        picks = rng.integers(0, n, (resamples, n))
        values = [
            np.take(cells, pick, axis).sum() / np.take(under, pick, axis).sum() for pick in picks
        ]
        found.append(np.std(values) * (n / (n - 1)) ** 0.5)
    return found


def test_the_error_is_made_of_the_mean_squares():
    x = cells()
    a, b, c = anova(x)
    found = crossed.ratio(x[None, None])
    assert found.value == pytest.approx(x.mean())
    assert found.error**2 == pytest.approx(a + b - c)
    df = (a + b - c) ** 2 / (a**2 / 4 + b**2 / 39 + c**2 / 156)
    assert found.df == pytest.approx(min(df, 3))  # four of five draws, and one for the skewness
    assert bootstrapped(x) == pytest.approx([a**0.5, b**0.5], rel=0.04)


def test_the_error_of_a_ratio_is_that_of_the_bootstrap():
    rng = np.random.default_rng(3)
    over = (rng.random((30, 40)) < rng.beta(4, 4, (30, 1))).astype(float)
    under = 1.0 + (rng.random((30, 40)) < 0.5)
    found = crossed.ratio(over[None, None], under[None, None])
    draws, queries = bootstrapped(over, denominator=under)
    cells = over - found.value * under
    _, _, c = anova(cells / under.mean())
    assert found.error**2 == pytest.approx(draws**2 + queries**2 - c, rel=0.05)


def test_skewness_of_draws_by_scipy_and_what_hall_makes_of_it():
    x = np.array([0.0, 0.1, 0.2, 0.4, 1.3])
    found = crossed.ratio(np.repeat(x[:, None], 6, 1)[None, None])
    gamma = stats.skew(x, bias=False) / 5**0.5
    assert found.skew == pytest.approx(gamma)
    low, high = crossed.interval(found, 0.9)
    # The ends are where the transformed statistic is Student's quantile.
    for end, quantile in ((low, 0.95), (high, 0.05)):
        t = (x.mean() - end) / (x.std(ddof=1) / 5**0.5)
        transformed = t + gamma * t**2 / 3 + gamma**2 * t**3 / 27 + gamma / 6
        assert transformed == pytest.approx(stats.t.ppf(quantile, 3))
    assert high - x.mean() > x.mean() - low
    # Where queries are most of the error, the skewness of draws counts for less.
    rng = np.random.default_rng(0)
    noisy = crossed.ratio((x[:, None] + 5 * rng.normal(size=(1, 6)))[None, None])
    assert 0 < noisy.skew < 0.05


def test_statistics_are_independent_of_their_company():
    x = np.stack([cells(seed=s) for s in range(3)])[:, None]
    together, alone = crossed.ratio(x), crossed.ratio(x[1:2])
    for a, b in zip(together, alone, strict=True):
        assert a[1] == b[0]


def test_what_does_not_vary_has_no_error_and_one_draw_no_interval():
    found = crossed.ratio(np.full((1, 1, 5, 40), 0.7))
    assert (found.value[0], found.error[0]) == (pytest.approx(0.7), 0)
    assert np.isnan(crossed.detectable(found)).all()
    one = crossed.ratio(cells(draws=1)[None, None])
    assert np.isnan(one.error).all() and np.isnan(np.concatenate(crossed.interval(one))).all()


def test_cells_without_a_value_are_left_out():
    x = cells()
    x[0, :10] = np.nan
    found = crossed.ratio(x[None, None])
    assert found.value == pytest.approx(np.nanmean(x))
    lost = crossed.ratio(np.full((1, 1, 5, 40), np.nan))
    assert np.isnan(lost.value).all() and np.isnan(lost.error).all()


def test_a_mean_of_ratios_leaves_out_what_was_not_counted():
    over = np.zeros((1, 3, 2, 2))
    under = np.zeros((1, 3, 2, 2))
    over[0, 0], under[0, 0] = 1, 2  # 1/2
    over[0, 1], under[0, 1] = [[1, 0], [0, 0]], 1  # 1/4; the third never occurs
    assert crossed.ratio(over, under).value == pytest.approx(3 / 8)


def test_clopper_pearson_by_scipy():
    for hits, n in ((0, 20), (7, 20), (20, 20)):
        low, high = crossed.clopper_pearson(np.array([hits / n]), np.array([float(n)]))
        expected = stats.binomtest(hits, n).proportion_ci(method="exact")
        assert (low[0], high[0]) == pytest.approx((expected.low, expected.high))


def test_a_proportion_without_variation_is_that_of_its_queries():
    # All right: Wilson's interval of 96 of 96, low end n / (n + z^2); exact of 20 of 20.
    ones = crossed.Spread(*np.array([[1.0], [0.0], [4.0]]))
    low, high = crossed.proportion_interval(ones, 5, 96)
    assert (low[0], high[0]) == (pytest.approx(96 / (96 + 1.959964**2)), 1)
    low, high = crossed.proportion_interval(ones, 5, 20)
    assert (low[0], high[0]) == (pytest.approx(0.025 ** (1 / 20)), 1)


@settings(max_examples=50, deadline=None)
@given(st.floats(0, 1), st.floats(0, 0.3), st.floats(1, 100), st.sampled_from([10, 96]))
def test_a_proportion_lies_in_its_interval_and_that_in_its_range(p, error, df, queries):
    found = crossed.Spread(*np.array([[p], [error], [df]]))
    (low,), (high,) = crossed.proportion_interval(found, 5, queries)
    assert 0 <= low <= p + 1e-9 and p - 1e-9 <= high <= 1


def test_p_values_are_those_of_students_t():
    found = crossed.Spread(*np.array([[0.3, -0.3, 0.0], [0.1, 0.1, 0.0], [4.0, 4.0, 4.0]]))
    assert crossed.p_above(found) == pytest.approx([stats.t.sf(3, 4), stats.t.cdf(3, 4), 0.5])
    certain = crossed.Spread(*np.array([[0.3, -0.3], [0.0, 0.0], [4.0, 4.0]]))
    assert crossed.p_above(certain).tolist() == [0, 1]


def test_detectable_effect_by_hand():
    found = crossed.Spread(*np.array([[0.0], [0.1], [4.0]]))
    assert crossed.detectable(found) == pytest.approx(
        0.1 * (stats.t.ppf(0.975, 4) + stats.t.ppf(0.8, 4))
    )


def test_holm_by_hand():
    # Sorted .01 .03 .04: times 3, 2, 1, never falling.
    assert crossed.holm(np.array([0.03, 0.01, np.nan, 0.04])) == pytest.approx(
        [0.06, 0.03, np.nan, 0.06], nan_ok=True
    )
    assert crossed.holm(np.array([0.9, 0.8])).max() == 1


def test_the_levels_of_holms_steps_by_hand():
    # Three tests: .01 is below .05 / 3, .03 is not below .05 / 2, so .04 is held against that, too.
    p = np.array([0.04, np.nan, 0.01, 0.03])
    assert crossed.holm_levels(p) == pytest.approx([0.025, np.nan, 0.05 / 3, 0.025], nan_ok=True)
    # All pass: each at its own step.
    assert crossed.holm_levels(np.array([0.04, 0.001])) == pytest.approx([0.05, 0.025])
    assert len(crossed.holm_levels(np.array([]))) == 0


def test_a_bound_at_holms_level_excludes_0_if_and_only_if_the_test_rejects():
    rng = np.random.default_rng(0)
    for count in (1, 2, 5, 15):
        for _ in range(100):
            df = rng.uniform(2, 9, count)
            skew = rng.choice([0, 0.3], count) * rng.normal(size=count)
            numbers = rng.normal(0.5, 1, count), rng.uniform(0.1, 0.5, count), df
            found = crossed.Spread(*numbers, skew)
            p, below = crossed.p_above(found), crossed.p_above(crossed.mirrored(found))
            low, _ = crossed.bounds(found, 1 - 2 * crossed.holm_levels(p))
            assert ((low > 0) == (crossed.holm(p) < crossed.ALPHA)).all()
            _, high = crossed.bounds(found, 1 - 2 * crossed.holm_levels(below))
            assert ((high < 0) == (crossed.holm(below) < crossed.ALPHA)).all()
            # No test is surer than Student's, nor than Hall's.
            assert (p >= crossed.p_above(crossed.Spread(*numbers)) - 1e-12).all()
            (low, high), (inner, outer) = (
                f(found, 0.9) for f in (crossed.bounds, crossed.interval)
            )
            assert (low <= inner).all() and (outer <= high).all()
