"""Is gradient descent as near to ICL as ICL is to itself? Tests of difference and equivalence.

Distances between next-token distributions, over test queries: d of ICL and GD, r of ICL and ICL
under another order of the same demonstrations (what ICL differs by for no reason that GD could
explain), z of ICL and the pretrained model (zero-shot). Tested are means over queries: of the
excess d - r, paired cell by cell, against 0; of d against a margin; of z against it. The margin is
fixed by other queries: the 95th percentile, over draws, of the mean of r over the validation
queries; that it is an estimate itself, of as many draws, has no part in the tests. One-sided tests
(two one-sided tests, TOST: Schuirmann 1987, of which a distance needs one; verdicts as in Lakens
2017), each at 5 % with Holm's correction over all that one model is judged by: its tasks,
demonstrations and learners. What is shown beside a verdict are the bounds at the levels of these
tests (`resampling.holm_levels`), so that the verdict can be read off from them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import polars as pl

from iclgd.io.cli import InputError
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics.distances import DISTANCES, ESTIMATED, GAIN
from iclgd.statistics import intervals, resampling, summaries
from iclgd.statistics.families import family
from iclgd.statistics.resampling import ALPHA

PERCENTILE = 0.95
TOLERANCE = 1e-6  # distances below it are rounding: probabilities are stored in float32
FACTORS = tuple(2.0**k for k in range(-4, 5))  # of the margin, for its sensitivity curve
VERDICTS = ("equivalent", "different", "trivially both", "inconclusive")
PLACE = [*RUN_COLUMNS, "a"]
KEY, CELL = [*PLACE, "b", "epoch"], [*PLACE, "draw", "example"]
CHOICES = ("accuracy", "nearest")
FAMILY = ["model", "measure", "choice"]  # of tests that Holm's procedure corrects together


def judged(pairs: Iterable[pl.DataFrame], reference: str) -> pl.DataFrame:
    """Verdicts on every family of learners of agreement tables (``registry.AGREEMENT``).

    ``reference`` is ICL under another order, one of the learners ``b``; runs without it (one
    demonstration has one order) are left out. Each family is judged at the rate and epoch of
    best accuracy, and at those nearest to ICL, both on validation queries (``choice``), by
    each of `DISTANCES` (``measure``), at `FACTORS` of the margin (``factor``; 1 is the verdict).
    Beside the columns of ``intervals.ESTIMATE``, of d: ``reference`` and ``untouched`` (r and
    z), ``excess`` (d - r), ``margin``, of every test Holm's p-value, its one-sided level and the
    bound at that level (`_tested`), ``verdict`` (see `_verdict`), and ``underpowered``: an
    excess as large as the margin would be missed in more than 20 % of cases, at the level that
    Holm leaves the first of a model's tests. Measure ``gain`` is ICL's accuracy minus GD's,
    without verdict.
    Raises InputError where no table is of the reference.
    """
    runs: dict[tuple, list[pl.DataFrame]] = {}
    for rows in pairs:
        runs.setdefault(rows.select(PLACE).row(0), []).append(rows)
    found, margins = [], []
    for parts in runs.values():
        own = [rows for rows in parts if rows["b"][0] == reference]
        others = [rows for rows in parts if rows["b"][0] != reference]
        if own and others:
            margins.append(_margins(own[0]))
            found.append(_run(own[0], pl.concat(others)))
    if not found:
        raise InputError(f"no tables are of a learner and of the reference {reference!r}")
    table = _wide(pl.concat(found)).join(pl.concat(margins), on=[*PLACE, "measure"], how="left")
    tested = [_tested(table, factor) for factor in FACTORS]
    return pl.concat(tested).sort(*PLACE, "b", "choice", "measure", "factor")


def nearest(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """The ``b`` and ``epoch`` with the least mean total variation on validation queries.

    Per group of ``by``. Epoch 0, which is no learning, is left out unless nothing else is there,
    and where any row diverged; of equals the earliest and first by name.
    """
    means = (
        rows.filter(pl.col("split") == "validation")
        .group_by(*by, "b", "epoch")
        .agg(pl.col("tv").mean(), (pl.col("status") == "ok").all().alias("sound"))
        .filter("sound")
        .sort(*by, pl.col("epoch") == 0, "tv", "epoch", "b")
    )
    return means.group_by(by, maintain_order=True).first().select(*by, "b", "epoch")


def _margins(reference: pl.DataFrame) -> pl.DataFrame:
    """``PLACE, measure, margin`` from the validation queries of ICL and ICL reordered."""
    rows = reference.filter(pl.col("split") == "validation")
    distances = [distance.mean().alias(name) for name, distance in DISTANCES.items()]
    margin = pl.col(list(DISTANCES)).quantile(PERCENTILE, "linear").clip(TOLERANCE)
    wide = rows.group_by(*PLACE, "draw").agg(distances).group_by(PLACE).agg(margin)
    return wide.unpivot(index=PLACE, variable_name="measure", value_name="margin")


def _run(reference: pl.DataFrame, others: pl.DataFrame) -> pl.DataFrame:
    """Estimates of every family of one model, task and design, at both choices."""
    best = summaries.chosen(others, PLACE, "b", "accuracy_b").select("b", "epoch")
    near = nearest(others.with_columns(family("b")), ["family"]).select("b", "epoch")
    test = others.filter(pl.col("split") == "test")
    trained = test.filter(pl.col("epoch").max().over("b") > 0)
    itself = _cells(reference.filter(pl.col("split") == "test"), []).rename({"value": "reference"})
    zs = trained.filter(pl.col("epoch") == 0, pl.col("b") == pl.col("b").min())
    untouched = _cells(zs, []).rename({"value": "untouched"})
    gain = pl.col("accuracy_a") - pl.col("accuracy_b")
    found = []
    for choice, chosen in zip(CHOICES, (best, near), strict=True):
        rows = test.join(chosen, on=["b", "epoch"], how="semi")
        apart = _cells(rows, ["b", "epoch"]).rename({"value": "distance"})
        both = apart.join(itself, on=[*CELL, "measure"])
        if len(both) < len(apart):
            raise InputError(f"{others['b'][0]} was asked what {reference['b'][0]} was not")
        both = both.join(untouched, on=[*CELL, "measure"], how="left")
        both = both.with_columns(excess=pl.col("distance") - pl.col("reference"))
        estimates = intervals.means(both, [*KEY, "measure"], ESTIMATED.values())
        found += [
            estimates.with_columns(choice=pl.lit(choice)),
            intervals.means(rows.with_columns(gain=gain), KEY, [GAIN]).with_columns(
                choice=pl.lit(choice), measure=pl.lit("gain")
            ),
        ]
    return pl.concat(found, how="diagonal")


def _cells(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """The ``value`` of every measure in every cell, the mean over its orders."""
    named = [distance.mean().alias(name) for name, distance in DISTANCES.items()]
    cells = rows.group_by(*CELL, *by).agg(named)
    return cells.unpivot(list(DISTANCES), index=[*CELL, *by], variable_name="measure")


def _wide(estimates: pl.DataFrame) -> pl.DataFrame:
    """One row per learner, choice and measure: those of d, beside them the others."""
    key = [*KEY, "choice", "measure"]
    table = estimates.filter(pl.col("metric").is_in(["distance", "gain"])).drop("metric")
    for name in ("reference", "untouched", "excess"):
        parts = ("error", "df", "mde")
        other = estimates.filter(pl.col("metric") == name).select(
            *key,
            pl.col("estimate").alias(name),
            *(pl.col(part).alias(f"{name}_{part}") for part in parts),
        )
        table = table.join(other, on=key, how="left")
    return table


def _tested(table: pl.DataFrame, factor: float) -> pl.DataFrame:
    """The table with tests, their bounds and verdicts at a multiple of the margin.

    ``excess_low`` to ``excess_high``: the excess at the level at which its test is made, on
    either side; an end between 0 and `TOLERANCE` is 0. ``distance_most``, ``untouched_least``: the
    upper bound of d and the lower bound of z at the levels of theirs.
    """
    table = table.with_columns(factor=pl.lit(factor), margin=pl.col("margin") * factor)
    excess = _spread(table, pl.col("excess"), "excess_")
    distance = _spread(table, pl.col("estimate"), "")
    untouched = _spread(table, pl.col("untouched"), "untouched_")
    margin = table["margin"].cast(pl.Float64).to_numpy()
    tests = {
        "difference": excess._replace(value=excess.value - TOLERANCE),
        "equivalence": distance._replace(value=margin - distance.value),
        "learned": untouched._replace(value=untouched.value - margin),
    }
    p = {f"p_{name}": resampling.p_above(one) for name, one in tests.items()}
    table = _numbers(table, p)
    levels = {f"level_{name}": _by_family(resampling.holm_levels, f"p_{name}") for name in tests}
    table = table.with_columns(**levels).with_columns(
        **{name: _by_family(resampling.holm, name) for name in p}
    )
    two_sided = (1 - 2 * table[name].to_numpy() for name in levels)
    spreads = zip((excess, distance, untouched), two_sided, strict=True)
    low, high = zip(*(resampling.interval(*one) for one in spreads), strict=True)
    bounds = {
        "excess_low": np.where((low[0] > 0) & (low[0] <= TOLERANCE), 0, low[0]),
        "excess_high": high[0],
        "distance_most": high[1],
        "untouched_least": low[2],
    }
    bounds = {
        name: ends.clip(*ESTIMATED[name.split("_")[0]].range) for name, ends in bounds.items()
    }
    table = _numbers(table, bounds)
    table = table.with_columns(verdict=pl.when(pl.col("measure") != "gain").then(_verdict()))
    count = table.select(pl.len().over(FAMILY)).to_series().to_numpy()
    needed = resampling.detectable(excess, ALPHA / count)
    weak = (needed > margin) | np.isnan(excess.error)
    table = table.with_columns(pl.Series("underpowered", weak))
    return table.drop(pl.selectors.matches("^(reference|untouched)_(error|df|mde)$"))


def _spread(table: pl.DataFrame, value: pl.Expr, prefix: str) -> resampling.Spread:
    numbers = table.select(value, f"{prefix}error", f"{prefix}df").cast(pl.Float64).to_numpy()
    return resampling.Spread(*numbers.T)


def _numbers(table: pl.DataFrame, columns: dict[str, np.ndarray]) -> pl.DataFrame:
    """The table with more columns, null where a number is NaN."""
    return table.with_columns(
        pl.Series(name, numbers, nan_to_null=True) for name, numbers in columns.items()
    )


def _by_family(method: Callable[[np.ndarray], np.ndarray], name: str) -> pl.Expr:
    """Holm's ``method`` on a column of p-values, within all that one model is judged by."""

    def corrected(p: pl.Series) -> pl.Series:
        return pl.Series(method(p.to_numpy()), nan_to_null=True)

    return pl.col(name).map_batches(corrected, pl.Float64).over(FAMILY)


def _verdict() -> pl.Expr:
    """Equivalent: surely within the margin, not surely farther apart than ICL from itself, and
    the zero-shot model surely is beyond the margin. Different: surely farther apart than ICL
    from itself. Trivially both: that, but within the margin. Inconclusive: else, and where
    demonstrations change so little that the zero-shot model would be equivalent as well.
    """
    margin = pl.col("margin")
    different = (pl.col("excess_low") > 0).fill_null(False)
    near = (pl.col("distance_most") < margin).fill_null(False)
    learned = (pl.col("untouched_least") > margin).fill_null(False)
    equivalent, other, both, unsure = (pl.lit(name) for name in VERDICTS)
    return (
        pl.when(different & near)
        .then(both)
        .when(different)
        .then(other)
        .when(near & learned)
        .then(equivalent)
        .otherwise(unsure)
    )
