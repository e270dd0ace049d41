"""Standard errors and intervals where draws of demonstrations and queries are crossed.

Every query is asked after every draw, so answers that share a draw or a query are not
independent. The unit is the cell of a draw and a query (orders belong to their draw and are
averaged). Draws and queries are resampled independently of each other (two-way cluster
bootstrap: Owen 2007, Annals of Applied Statistics 1:386). Percentile intervals of these
resamples are too narrow with five draws and too wide where neither matters, so the resamples
give the components of variance, and Student's t the interval, with Satterthwaite's degrees of
freedom, but never more than draws minus one: what is said generalises over draws.

Effects of draws are often skewed: one training run in five goes wrong. Student's t then errs on
one side. Hall's transformation (1992, JRSS B 54:221) takes the skewness of the draws out of the
statistic; it is monotone, so that tests and bounds agree. tests/statistics/test_coverage.py
simulates how often the intervals cover, and what other intervals would.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
from scipy.special import betaincinv, ndtri, stdtr, stdtrit  # scipy.stats: a second of imports

ALPHA, LEVEL, POWER = 0.05, 0.95, 0.8
RESAMPLES = 2000
SEED = 0
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


@cache
def weights(draws: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Weights of the draws [draws, RESAMPLES] and queries [queries, RESAMPLES], summing to 1."""
    rng = np.random.default_rng([SEED, draws, queries])
    counts = (rng.multinomial(n, np.full(n, 1 / n), RESAMPLES) / n for n in (draws, queries))
    return tuple(np.ascontiguousarray(c.T) for c in counts)


def _resampled(cells: np.ndarray) -> list[np.ndarray]:
    """Weighted means of ``cells`` [..., D, Q]: as they are [..., 1], and with draws, queries,
    and both resampled [..., RESAMPLES]."""
    draws, queries = weights(*cells.shape[-2:])
    by_draw = cells @ queries
    rows = cells.mean(-1)
    return [
        rows.mean(-1)[..., None],
        rows @ draws,
        by_draw.mean(-2),
        np.einsum("...db,db->...b", by_draw, draws),
    ]


def ratio(numerator: np.ndarray, denominator: np.ndarray | None = None) -> Spread:
    """The mean over parts of sum(numerator) / sum(denominator) over draws and queries.

    ``numerator``, ``denominator``: [G, parts, D, Q], G statistics of one design; parts whose
    denominator is 0 are left out. Without a denominator: the mean of the cells that are not NaN.
    """
    d, q = numerator.shape[-2:]
    if not d * q:
        return Spread(*np.full((3, len(numerator)), np.nan), np.zeros(len(numerator)))
    if denominator is None:
        known = ~np.isnan(numerator)
        denominator = None if known.all() else known.astype(float)
        numerator = np.where(known, numerator, 0)
    over = _resampled(numerator)
    if denominator is not None:
        under = _resampled(denominator)
        over = [
            np.divide(a, b, out=np.full(a.shape, np.nan), where=b > 0)
            for a, b in zip(over, under, strict=True)
        ]
    value, draw, query, both = (_mean(part, 1) for part in over)
    if d < 2 or q < 2:
        unknown = np.full(len(value), np.nan)
        return Spread(value[:, 0], unknown, unknown, np.zeros(len(value)))
    a, b, c = (_variance(x) for x in (draw, query, both - draw - query + value))
    a, b = a * d / (d - 1), b * q / (q - 1)
    error, df = _satterthwaite(a, b, c, d, q)
    effects = _mean(_effects(numerator, denominator), 1)
    share = np.divide(a, error**2, out=np.zeros(len(a)), where=error > 0).clip(0, 1)
    return Spread(value[:, 0], error, df, _skewness(effects) / d**0.5 * share**1.5)


def _effects(numerator: np.ndarray, denominator: np.ndarray | None) -> np.ndarray:
    """What each draw adds to a ratio, to first order: [G, parts, D]; NaN for parts without any."""
    over = numerator.mean(-1)
    if denominator is None:
        return over - over.mean(-1, keepdims=True)
    under = denominator.mean(-1)
    size = under.mean(-1, keepdims=True)
    size = np.where(size > 0, size, np.nan)
    return (over - over.mean(-1, keepdims=True) / size * under) / size


def _skewness(values: np.ndarray) -> np.ndarray:
    """Skewness [G] of ``values`` [G, D], free of bias for normal ones; 0 where none is known."""
    count = values.shape[-1]
    if count < 3:
        return np.zeros(len(values))
    centred = values - values.mean(-1, keepdims=True)
    variance = (centred**2).mean(-1)
    third = (centred**3).mean(-1)
    scale = np.where(variance > ROUNDING**2, variance, np.nan) ** 1.5
    return np.nan_to_num(third / scale) * (count * (count - 1)) ** 0.5 / (count - 2)


def _mean(values: np.ndarray, axis: int) -> np.ndarray:
    """Mean without the NaN; NaN where there is nothing else."""
    known = ~np.isnan(values)
    count = known.sum(axis)
    total = np.where(known, values, 0).sum(axis)
    return np.divide(total, count, out=np.full(count.shape, np.nan), where=count > 0)


def _variance(values: np.ndarray) -> np.ndarray:
    """Variance over the last axis without the NaN."""
    return _mean((values - _mean(values, -1)[:, None]) ** 2, -1)


def _satterthwaite(a, b, c, draws: int, queries: int) -> tuple[np.ndarray, np.ndarray]:
    """Standard errors and degrees of freedom of the sum of components that are not negative.

    ``a``, ``b``: variance of the mean from resampling draws and queries alone, each of which
    holds ``c``, that of the rest, too. In an analysis of variance of a balanced design they are
    the three mean squares over D * Q.
    """
    c = c * draws * queries / ((draws - 1) * (queries - 1))
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
    some = np.where(np.abs(skew) > 1e-6, skew, 1e-6)
    return 3 / some * (np.cbrt(1 + some * (t - some / 6)) - 1)


def interval(found: Spread, level: float | np.ndarray = LEVEL) -> tuple[np.ndarray, np.ndarray]:
    """Ends of the two-sided interval of each estimate at ``level``, which may be one for each.

    NaN without a standard error.
    """
    t = stdtrit(found.df, (1 + level) / 2)
    high, low = (_skewed(sign * t, found.skew) for sign in (-1, 1))
    return found.value - low * found.error, found.value - high * found.error


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


def p_above(found: Spread) -> np.ndarray:
    """One-sided p-value of estimates above 0; 0, 1/2 or 1 where nothing varies."""
    with np.errstate(divide="ignore", invalid="ignore"):
        t = _symmetric(found.value / found.error, found.skew)
    t = np.where(found.error > 0, t, np.sign(found.value) * np.inf)
    t = np.where((found.error == 0) & (found.value == 0), 0, t)
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
