"""Standard errors, intervals and tests where draws of demonstrations and queries are crossed.

Every query is asked after every draw, so answers that share a draw or a query are not
independent. The unit is the cell of a draw and a query (orders belong to their draw and are
averaged). An analysis of variance with two crossed random factors (Searle, Casella and McCulloch
1992, chapter 4) gives the variance of a mean from draws, queries and cells; of a ratio it is taken
to first order (delta method). That is what a bootstrap of draws and queries converges to (Owen
2007, Annals of Applied Statistics 1:386), without its own noise. Student's t has Satterthwaite's
degrees of freedom, but never more than draws minus one: what is said generalises over draws.

Effects of draws are often skewed: one training run in five goes wrong. Student's t then errs on
one side. Hall's transformation (1992, JRSS B 54:221) takes the skewness of the draws out of the
statistic. The skewness is estimated from `SKEWED` draws at least, and takes a degree of freedom.
What is estimated from few draws is not trusted far out in a tail, where tests of many at once
are made: tests, and bounds that a test is read off from, take the less sure of the statistics
with and without it. tests/statistics/test_coverage.py simulates how often intervals cover and
tests err, and what other intervals would.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, ndtri, stdtr, stdtrit  # scipy.stats: a second of imports

ALPHA, LEVEL, POWER = 0.05, 0.95, 0.8
MOST_DRAWS = 1000
SKEWED = 5  # draws; fewer do not know their skewness
SMALL = 60  # queries; with fewer, the interval of a proportion is exact
ROUNDING = 1e-12  # standard errors below it count as 0


class Spread(NamedTuple):
    """Estimates [G], their standard errors and degrees of freedom (NaN where undefined).

    ``skew`` [G] is the skewness of the estimate's own distribution, 0 where it is unknown.
    """

    value: np.ndarray
    error: np.ndarray
    df: np.ndarray
    skew: np.ndarray | float = 0.0


def ratio(numerator: np.ndarray, denominator: np.ndarray | None = None) -> Spread:
    """The mean over parts of sum(numerator) / sum(denominator) over draws and queries.

    ``numerator``, ``denominator``: [G, parts, D, Q], G statistics of one design; parts whose
    denominator is 0 are left out. Without a denominator: the mean of the cells that are not NaN.
    """
    d, q = numerator.shape[-2:]
    unknown = np.full(len(numerator), np.nan)
    if not d * q:
        return Spread(unknown, unknown, unknown, unknown)
    if denominator is None:
        known = ~np.isnan(numerator)
        numerator, denominator = np.where(known, numerator, 0), known.astype(float)
    size = denominator.mean((-2, -1))
    size = np.where(size > 0, size, np.nan)
    parts = numerator.mean((-2, -1)) / size
    value = _mean(parts, 1)
    if d < 2 or q < 2:
        return Spread(value, unknown, unknown, unknown)
    # What each cell adds to the statistic, to first order.
    cells = (numerator - parts[..., None, None] * denominator) / size[..., None, None]
    cells = _mean(cells, 1)
    draws, queries = cells.mean(-1), cells.mean(-2)
    rest = cells - draws[..., None] - queries[..., None, :] + cells.mean((-2, -1), keepdims=True)
    a, b = draws.var(-1, ddof=1) / d, queries.var(-1, ddof=1) / q
    c = (rest**2).sum((-2, -1)) / ((d - 1) * (q - 1) * d * q)
    error, df = _satterthwaite(a, b, c, d, q)
    if d < SKEWED:
        return Spread(value, error, df, np.zeros(len(value)))
    share = np.divide(a, error**2, out=np.zeros(len(a)), where=error > 0).clip(0, 1)
    df = np.minimum(df, d - 2)
    return Spread(value, error, df, _skewness(draws) / d**0.5 * share**1.5)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean without the NaN; NaN where there is nothing else."""
    known = ~np.isnan(values)
    count = known.sum(axis)
    total = np.where(known, values, 0).sum(axis)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _skewness(values: np.ndarray) -> np.ndarray:
    """Skewness [G] of ``values`` [G, D], free of bias for normal ones; 0 if they are all equal."""
    count = values.shape[-1]
    centred = values - values.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1)
    third = (centred**3).mean(-1)
    scale = np.where(variance > ROUNDING**2, variance, np.nan) ** 1.5
    return np.nan_to_num(third / scale) * (count * (count - 1)) ** 0.5 / (count - 2)


def _satterthwaite(a, b, c, draws: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors and degrees of freedom of the sum of components that are not negative.

    ``a``, ``b``, ``c``: the mean squares of draws, queries and cells over D * Q; the first two hold
    the third, too.
    """
    a, b = (np.where(x > c, x, 0) for x in (a, b))
    variance = np.maximum(a - c, 0) + np.maximum(b - c, 0) + c
    variance = np.where(variance < ROUNDING**2, 0, variance)
    noise = a**2 / (draws - 1) + b**2 / (queries - 1) + c**2 / ((draws - 1) * (queries - 1))
    df = np.divide(variance**2, noise, out=np.full(len(c), float(draws - 1)), where=variance > 0)
    return np.sqrt(variance), np.minimum(df, draws - 1)


def _symmetric(t: np.ndarray, skew: np.ndarray | float) -> np.ndarray:
    """Student's statistic without the skewness of its distribution (Hall 1992, equation 2.6)."""
    return t + skew * t**2 / 3 + skew**2 * t**3 / 27 + skew / 6


def _skewed(t: np.ndarray, skew: np.ndarray | float) -> np.ndarray:
    """The inverse of `_symmetric`."""
    some = np.where(np.abs(skew) > 1e-6, skew, np.nan)
    found = 3 / some * (np.cbrt(1 + some * (t - some / 6)) - 1)
    return np.where(np.isnan(some), t, found)


def interval(found: Spread, level: float | np.ndarray = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the two-sided interval of each estimate at ``level``, which may be one for each.

    NaN without a standard error.
    """
    t = stdtrit(found.df, (1 + level) / 2)
    high, low = (_skewed(sign * t, found.skew) for sign in (-1, 1))
    return found.value - low * found.error, found.value - high * found.error


def bounds(found: Spread, level: float | np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Ends that agree with `p_above`: the wider of the intervals with the skewness and without."""
    plain = found._replace(skew=0.0)
    lows, highs = zip(interval(found, level), interval(plain, level), strict=True)
    return np.minimum(*lows), np.maximum(*highs)


def proportion_interval(found: Spread, draws: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % interval of proportions: inside [0, 1], with a width at 0 and 1, too.

    The standard error turns the cells into an effective number of independent queries (Korn
    and Graubard 1998, Survey Methodology 24:193); where nothing varies it is that of the queries.
    They enter Wilson's interval, or with fewer than `SMALL` queries Clopper and Pearson's,
    which is exact.
    """
    p, error, df, _ = found
    p = p.round(12)  # a mean of ones is 1
    varies, z = error > ROUNDING, ndtri((1 + LEVEL) / 2)
    t = np.where(varies, stdtrit(np.where(varies, df, 1), (1 + LEVEL) / 2), z)
    n = np.divide(p * (1 - p), error**2, out=np.full(len(p), float(queries)), where=varies)
    n = n.clip(1, draws * queries)
    if queries < SMALL:
        low, high = clopper_pearson(p, np.maximum(n * (z / t) ** 2, 1))
    else:
        low, high = wilson(p, n, t)
    unknown = np.isnan(error)
    return tuple(np.where(unknown, np.nan, end.clip(0, 1)) for end in (low, high))


def draws_interval(
    found: Spread, ends: tuple[float, float], alike: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the 95 % interval of means of few values between two ``ends``, one of each draw.

    Wilson's, for the place between the ends, with the effective number of draws: as many
    zeros and ones would have the same standard error. Student's t with three draws or five
    reaches beyond the ends, and cut there it misses skewed means more often
    (tests/test_coverage.py). Where no value differs, ``alike`` [G] is that number; where that
    is 0 the interval is the value.
    """
    value, error, df, _ = found
    low, high = ends
    p, s = ((value - low) / (high - low)).round(12).clip(0, 1), error / (high - low)
    varies = s > ROUNDING
    n = np.divide(p * (1 - p), s**2, out=np.maximum(alike, 1.0), where=varies).clip(1)
    t = np.where(varies, stdtrit(np.where(varies, df, 1), (1 + LEVEL) / 2), ndtri((1 + LEVEL) / 2))
    point = ~varies & (alike == 0)
    found = (np.where(point, p, end).clip(0, 1) for end in wilson(p, n, t))
    return tuple(np.where(np.isnan(error), np.nan, low + (high - low) * end) for end in found)


def wilson(p: np.ndarray, n: np.ndarray, t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval (1927) of shares ``p`` of ``n``, ``t`` being the quantile to use."""
    centre, half = p + t**2 / (2 * n), t * np.sqrt(p * (1 - p) / n + t**2 / (4 * n**2))
    return tuple((centre + sign * half) / (1 + t**2 / n) for sign in (-1, 1))


def clopper_pearson(p: np.ndarray, n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Exact 95 % interval of a share ``p`` of ``n`` independent queries (any ``n`` > 0)."""
    hits, tail = p * n, (1 - LEVEL) / 2
    with np.errstate(invalid="ignore"):
        low = np.where(p > 0, betaincinv(hits, n - hits + 1, tail), 0.0)
        high = np.where(p < 1, betaincinv(hits + 1, n - hits, 1 - tail), 1.0)
    return low, high


def detectable(found: Spread, tail: float | np.ndarray = (1 - LEVEL) / 2) -> np.ndarray:
    """The smallest difference that a test detects in 80 % of cases; two-sided at 5 %.

    ``tail``: the level of a one-sided test in its place. NaN where nothing varies: that says
    nothing about other queries.
    """
    error = np.where(found.error > 0, found.error, np.nan)
    return error * (stdtrit(found.df, 1 - tail) + stdtrit(found.df, POWER))


def mirrored(found: Spread, at: float = 0.0) -> Spread:
    """The spread of ``at`` minus an estimate."""
    return found._replace(value=at - found.value, skew=-np.asarray(found.skew))


def draws_needed(found: Spread, draws: np.ndarray, level: np.ndarray) -> np.ndarray:
    """Draws with which a one-sided test finds each estimate above 0 in 80 % of cases.

    The estimate is taken for the truth, and the standard error to shrink with the root of the
    number of draws, which it does where draws are what differs. ``draws`` [G]: those it is of. NaN
    where more than `MOST_DRAWS` are needed, and for estimates of 0 and below.
    """
    more = np.arange(2, MOST_DRAWS + 1)
    levels, which = np.unique(level, return_inverse=True)  # quantiles are most of the work
    t = (stdtrit(more - 1, 1 - levels[:, None]) + stdtrit(more - 1, POWER))[which]
    error = (found.error * draws**0.5)[:, None] / more**0.5
    enough = (found.value[:, None] >= error * t) & (found.value[:, None] > 0)
    return np.where(enough.any(1), more[enough.argmax(1)], np.nan)


def p_above(found: Spread) -> np.ndarray:
    """One-sided p-value of estimates above 0; 0, 1/2 or 1 where nothing varies.

    The larger of those with and without the skewness.
    """
    varies = found.error > 0
    student = found.value / np.where(varies, found.error, 1)
    t = np.minimum(student, _symmetric(student, found.skew))
    certain = np.where(found.value == 0, 0, np.copysign(np.inf, found.value))
    t = np.where(varies, t, certain)
    p = stdtr(np.where(np.isnan(found.df), 1, found.df), -t)
    return np.where(np.isnan(found.error), np.nan, p)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p-values of a family (1979); NaN marks no test and stays."""
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = p[order] * np.arange(len(order), 0, -1)
    adjusted[order] = np.maximum.accumulate(steps).clip(max=1)
    return adjusted


def holm_levels(p: np.ndarray) -> np.ndarray:
    """The level at which Holm's procedure (1979) tests each p-value of a family; NaN stays.

    The smallest of m is tested at 5 % / m, the next at 5 % / (m - 1), and so on; from the first
    that is not below its level all others are held against that one. So `holm` adjusts a
    p-value to below 5 % if and only if it is below this level, and a bound at this level
    excludes what the test rejects. For those that are not rejected they are the simultaneous
    bounds of Strassburger and Bretz (2008, Statistics in Medicine 27:4914).
    """
    levels = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    steps = ALPHA / np.arange(len(order), 0, -1)
    failed = np.flatnonzero(p[order] >= steps)
    levels[order] = np.minimum(steps, steps[failed[0]]) if len(failed) else steps
    return levels
