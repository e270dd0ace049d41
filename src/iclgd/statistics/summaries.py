"""Bands over draws or seeds, and what else summaries share.

Intervals of what is measured query by query are those of `intervals`. `bands` is for what is
measured once a draw (or seed).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import polars as pl

from iclgd.metrics.metric import Metric, by_name
from iclgd.statistics import crossed


def bands(
    frame: pl.DataFrame,
    by: list[str],
    metrics: Iterable[Metric],
    name: str = "metric",
    difference: bool = False,
) -> pl.DataFrame:
    """Mean ``value`` over the rows of each group: ``estimate, low, high, error, df, draws``.

    One row of ``frame`` is one draw (or seed, or prompt). Nulls are left out; the 95 % interval
    is null below two draws. The column ``name`` of ``by`` says which of ``metrics`` the values
    are of: between two ends the interval is `crossed.draws_interval`, else Student's t, cut at
    an end. With ``difference`` the values are differences of two such: Student's t, as in their
    tests, cut likewise. Raises KeyError for the name of another metric.
    """
    grouped = frame.group_by(by, maintain_order=True).agg(
        pl.col("value").mean().alias("estimate"),
        pl.col("value").count().cast(pl.Int32).alias("draws"),
        error=pl.col("value").std(ddof=1) / pl.col("value").count().sqrt(),
    )
    several = pl.when(pl.col("draws") > 1)
    grouped = grouped.with_columns(
        several.then("error").alias("error"), df=several.then(pl.col("draws") - 1.0)
    )
    known, names = by_name(*metrics), grouped[name].to_numpy()
    numbers = grouped.select("estimate", "error", "df", "draws").cast(pl.Float64).to_numpy().T
    found = np.full((3, len(grouped)), np.nan)
    for one in dict.fromkeys(names):
        mine = names == one
        value, error, df, draws = numbers[:, mine]
        metric = known[one]
        value = value if difference else metric.rounded(value)
        spread = crossed.Spread(value, error, df)
        found[:, mine] = value, *_ends(metric, spread, draws, difference)
    columns = dict(zip(("estimate", "low", "high"), found, strict=True))
    return grouped.with_columns(
        pl.Series(end, values, nan_to_null=True) for end, values in columns.items()
    ).select(*by, "estimate", "low", "high", "error", "df", "draws")


def _ends(
    metric: Metric, found: crossed.Spread, draws: np.ndarray, difference: bool
) -> tuple[np.ndarray, np.ndarray]:
    within = metric.difference() if difference else metric.range
    if difference or not np.isfinite(within).all():
        return tuple(end.clip(*within) for end in crossed.interval(found))
    alike = draws if metric.proportion else np.zeros(len(draws))
    return crossed.draws_interval(found, within, alike)


def draw_means(rows: pl.DataFrame, by: list[str], values: list[str]) -> pl.DataFrame:
    """Mean over queries and orders within each draw: columns ``metric`` and ``value``.

    ``by`` contains ``draw``. Nulls (diverged or undefined) are left out.
    """
    means = rows.group_by(by, maintain_order=True).agg(pl.col(values).mean())
    return means.unpivot(values, index=by, variable_name="metric", value_name="value")


def between(score: pl.Expr, floor: pl.Expr, ceiling: pl.Expr) -> pl.Expr:
    """(score - floor) / (ceiling - floor): 0 at the best control, 1 where ICL agrees with itself.

    Null where the ceiling is not above the floor: what learned nothing agrees as well there as
    ICL with itself, so that the metric cannot tell.
    """
    return pl.when(ceiling > floor).then((score - floor) / (ceiling - floor))
