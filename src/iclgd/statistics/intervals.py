"""Tables of estimates with their intervals, from rows of draws and queries (`crossed`).

Metrics come as rows (`metric.Metric`), which say what they can be. No interval goes beyond that:
those of proportions never do, and others are cut. To cut one costs no coverage, since the truth
is not beyond the end either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import polars as pl

from iclgd.metrics.metric import Metric
from iclgd.statistics import crossed

# What every estimate comes with: its interval, standard error, degrees of freedom and skewness
# (`crossed.Spread`), how many draws and queries have a value, and the smallest detectable
# difference.
ESTIMATE = {
    **dict.fromkeys(("estimate", "low", "high", "error", "df", "skew"), pl.Float64),
    **dict.fromkeys(("draws", "queries"), pl.Int32),
    "mde": pl.Float64,
}


def means(rows: pl.DataFrame, by: list[str], metrics: Iterable[Metric]) -> pl.DataFrame:
    """Means of ``metrics`` over draws and queries in each group of ``by``, with 95 % intervals.

    ``rows`` have ``draw``, ``example`` and a column for each metric; orders are averaged within
    them, nulls (diverged or undefined) left out. One row per group and metric: ``by``, ``metric``
    (its name) and the columns of ``ESTIMATE``, null where undefined.
    """
    found, metrics = [], list(metrics)
    for key, cells in grids(rows, by, [metric.name for metric in metrics]):
        for metric, grid in zip(metrics, cells, strict=True):
            kept = _kept(~np.isnan(grid))
            spread = crossed.ratio(grid[kept][None, None])
            found.append((*key, metric.name, *_numbers(metric, spread, kept)))
    return _table(rows, by, found)


def ratios(
    rows: pl.DataFrame, by: list[str], numerator: str, denominator: str, metric: Metric
) -> pl.DataFrame:
    """The mean of ``numerator`` over that of ``denominator``, over draws and queries, as `means`.

    Both are columns of ``rows`` without nulls; what a cell does to both is no part of the error.
    """
    found = []
    for key, cells in grids(rows, by, [numerator, denominator]):
        kept = _kept(~np.isnan(cells).any(0))
        above, below = (np.nan_to_num(part[kept])[None, None] for part in cells)
        found.append((*key, metric.name, *_numbers(metric, crossed.ratio(above, below), kept)))
    return _table(rows, by, found)


def macro_f1(rows: pl.DataFrame, by: list[str], predicted: str, metric: Metric) -> pl.DataFrame:
    """Macro-F1 of the labels ``predicted`` against ``label``, in the form of `means`.

    The mean over classes of 2 hits / (true + predicted), counted over all draws and queries.
    Classes that occur in neither are left out, and rows without a prediction.
    """
    rows = rows.drop_nulls(predicted)
    classes = sorted({*rows["label"], *rows[predicted]})
    counts = []
    for one in classes:
        true, said = pl.col("label") == one, pl.col(predicted) == one
        counts += [(2.0 * (true & said)).alias(f"hits {one}")]
        counts += [(1.0 * true + 1.0 * said).alias(f"all {one}")]
    names = [f"{part} {one}" for part in ("hits", "all") for one in classes]
    found = []
    for key, cells in grids(rows.with_columns(counts), by, names):
        hits, both = np.split(np.nan_to_num(cells), 2)
        kept = _kept(both.any(0))
        hits, both = (counts[:, *kept][None] for counts in (hits, both))
        found.append((*key, metric.name, *_numbers(metric, crossed.ratio(hits, both), kept)))
    return _table(rows, by, found)


def grids(
    rows: pl.DataFrame, by: list[str], values: list[str]
) -> Iterator[tuple[tuple, np.ndarray]]:
    """The key of each group of ``by`` in its order, and the cells [values, draws, queries].

    A cell is the mean over the orders of a draw; NaN where there is none.
    """
    cells = rows.group_by(*by, "draw", "example").agg(pl.col(values).mean())
    for key, group in cells.sort(*by, "draw", "example").group_by(by, maintain_order=True):
        draw, query = (
            np.unique(group[name].to_numpy(), return_inverse=True)[1]
            for name in ("draw", "example")
        )
        grid = np.full((len(values), draw.max() + 1, query.max() + 1), np.nan)
        grid[:, draw, query] = group.select(values).cast(pl.Float64).to_numpy().T
        yield key, grid


def _kept(known: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where a grid [draws, queries] has draws and queries with any value, as an index of it.

    One that lost all its cells (a run that diverged) is not part of the design any more; to
    count it would make standard errors too small.
    """
    return np.ix_(known.any(1), known.any(0))


def _numbers(metric: Metric, found: crossed.Spread, kept) -> tuple:
    """The values of ``ESTIMATE`` of one statistic."""
    draws, queries = kept[0].size, kept[1].size
    if metric.proportion:
        low, high = crossed.proportion_interval(found, draws, queries)
    else:
        low, high = (end.clip(*metric.range) for end in crossed.interval(found))
    mde = crossed.detectable(found)
    value = metric.rounded(found.value)
    numbers = [float(x[0]) for x in (value, low, high, found.error, found.df, found.skew)]
    return (*numbers, draws, queries, float(mde[0]))


def _table(rows: pl.DataFrame, by: list[str], found: list[tuple]) -> pl.DataFrame:
    schema = {**{name: rows.schema[name] for name in by}, "metric": pl.String, **ESTIMATE}
    table = pl.DataFrame(found, schema=schema, orient="row")
    return table.with_columns(pl.col(pl.Float64).fill_nan(None))
