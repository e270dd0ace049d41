"""Does a learner err where ICL errs, and with the same wrong label?

An answer is the likeliest label word. Where a task is hard, learners that have nothing in common
err on the same queries; what is asked is by how much more often the learner errs where ICL does
than where ICL is right, and whether its wrong label is the same *beyond chance*. Chance is how
often ICL's wrong label in one draw is the learner's in *another* draw, for queries with the same
right label, where both err: how often the two marginal distributions of wrong labels, given the
right one, meet. So a preference for some labels, or for those of similar classes, is chance, which
1 / (labels - 1) would not allow for; what demonstrations do is not, as other draws have others.
(Within one draw the wrong label hangs on the demonstrations and the right label almost alone: the
query has no part in it, even for ICL reordered.)

All of these are ratios of means over cells, and their differences; `crossed.ratio` has their
standard errors to first order. The share by chance is a mean over pairs of cells (a U-statistic);
what a cell adds to it, to first order, is what it adds on both sides (Hoeffding 1948, Annals of
Mathematical Statistics 19:293). tests/statistics/test_errors_cover.py simulates coverage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import polars as pl

from iclgd.io.cli import InputError
from iclgd.metrics.errors import CONTRASTS, METRICS
from iclgd.metrics.metric import Metric
from iclgd.statistics import choice, crossed, intervals
from iclgd.statistics.distances import PLACE
from iclgd.statistics.families import family

FEW = 20  # cells; a share of fewer errors is not estimated
LABELS = 3  # with two there is one wrong label
CELL = ["draw", "example"]


class Term(NamedTuple):
    """A ratio of the sums of two columns of cells, and its sign in a statistic."""

    numerator: str
    denominator: str
    sign: int = 1


_WITH, _WITHOUT = Term("both", "a_errs"), Term("b_alone", "a_right")
# Every statistic of `errors.METRICS` as a sum of terms.
TERMS = {
    "error_a": (Term("a_errs", "all"),),
    "error_b": (Term("b_errs", "all"),),
    "error_with": (_WITH,),
    "error_without": (_WITHOUT,),
    "error_gap": (_WITH, _WITHOUT._replace(sign=-1)),
    "same_wrong": (Term("same", "matched"),),
    "same_chance": (Term("chance", "matched"),),
    "same_gap": (Term("beyond", "matched"),),
}
COLUMNS = sorted({name for terms in TERMS.values() for one in terms for name in one[:2]})
# Those that are tested against 0; contrasts with ICL reordered are tested to be below it.
ABOVE, BELOW = ("error_gap", "same_gap"), tuple(CONTRASTS)


def summarised(pairs: Iterable[pl.DataFrame], roles: Mapping[str, str]) -> pl.DataFrame:
    """One row for every learner and metric of `errors.METRICS` and `errors.CONTRASTS`.

    ``pairs``: agreement tables (``registry.AGREEMENT``), of which those of ICL count; ``roles``: of
    learners without their rates. Estimates are over test queries, for every draw at the rate and
    epoch nearest to ICL that the other draws choose (`choice`). Columns: ``PLACE, learner, epoch,
    metric``; those of ``intervals.ESTIMATE``; ``cells``, how many the estimate is a share of (the
    fewest, of a difference); ``p``, one-sided: of `ABOVE`, that it is above 0; of `BELOW`, that
    it is below. Estimates of fewer than `FEW` cells are null, as is what is said of wrong labels
    with fewer than `LABELS`; where there is no ICL reordered there are no contrasts with it.
    Raises InputError if no table is of ICL.
    """
    found: dict[tuple, dict[str, list]] = {}
    for rows in pairs:
        a, b = (rows.head(1).select(family(side))["family"][0] for side in "ab")
        if roles.get(a) == "icl":
            own = found.setdefault(rows.select(PLACE).row(0), {})
            own.setdefault(b, []).append(rows)
    if not found:
        raise InputError("no table is of ICL and another learner")
    parts = []
    for place, learners in found.items():
        cells = {name: _cells(pl.concat(rows)) for name, rows in learners.items()}
        again = [one for name, (_, one) in cells.items() if roles.get(name) == "icl-reordered"]
        for name, (named, own) in cells.items():
            at = dict(zip(PLACE, place, strict=True)) | named
            other = again[0] if again and roles.get(name) != "icl-reordered" else None
            parts += [at | one for one in statistics(own, other)]
    schema = {**dict.fromkeys(PLACE, pl.String), "shots": pl.Int32, "learner": pl.String}
    schema |= {"epoch": pl.Int32, "metric": pl.String, **intervals.ESTIMATE}
    schema |= {"cells": pl.Float64, "p": pl.Float64}
    table = pl.DataFrame(parts, schema=schema).with_columns(pl.col(pl.Float64).fill_nan(None))
    return table.sort(*PLACE, "learner", "metric")


def _cells(rows: pl.DataFrame) -> tuple[dict, pl.DataFrame]:
    """A learner's name and epoch, and its cells: `CELL` and `COLUMNS`, means over orders.

    Where it diverged at every rate the last epoch names it, and there are no cells.
    """
    best = choice.chosen(rows, [], "b", choice.SCORES["nearest"])
    if best.is_empty():
        return {"learner": rows["b"].min(), "epoch": rows["epoch"].max()}, cells(rows.clear())
    others = choice.chosen_by_others(rows, "b", choice.SCORES["nearest"])
    mine = rows.join(others, on=["draw", "b", "epoch"], how="semi")
    return {"learner": best["b"][0], "epoch": best["epoch"][0]}, cells(mine)


def cells(rows: pl.DataFrame) -> pl.DataFrame:
    """What every cell of test queries adds to the sums of `TERMS`: `CELL`, then `COLUMNS`.

    ``rows``: of an agreement table, one learner at one rate and epoch for each draw.
    """
    ok = rows.filter(pl.col("split") == "test", pl.col("status") == "ok")
    a, b = (pl.col(f"label_{side}") != pl.col("label") for side in "ab")
    ok = ok.select("draw", "order", "example", "label", "label_a", "label_b", a=a, b=b)
    ok = ok.join(_matched(ok), on=["order", *CELL], how="left")
    return (
        ok.with_columns(pl.col("matched", "same", "chance").fill_null(0.0))
        .with_columns(
            all=pl.lit(1.0),
            a_errs=pl.col("a"),
            a_right=~pl.col("a"),
            b_errs=pl.col("b"),
            both=pl.col("a") & pl.col("b"),
            b_alone=~pl.col("a") & pl.col("b"),
            beyond=pl.col("same") - pl.col("chance"),
        )
        .group_by(CELL)
        .agg(pl.col(COLUMNS).cast(pl.Float64).mean())
        .sort(CELL)
    )


def _matched(rows: pl.DataFrame) -> pl.DataFrame:
    """``same`` and ``chance`` of rows where both err, and in another draw at that right label too.

    Summed over a right label, ``chance`` is the share of pairs of rows of different draws with one
    wrong label, times the number of rows; ``matched`` is 1. None with fewer than three labels.
    """
    kept = rows["label"].n_unique() >= LABELS
    both = rows.filter("a", "b", pl.lit(kept)).with_columns(
        same=(pl.col("label_a") == pl.col("label_b")).cast(pl.Float64),
        others=(pl.len().over("label") - pl.len().over("label", "draw")).cast(pl.Float64),
    )
    for own, other in (("label_a", "label_b"), ("label_b", "label_a")):
        there = both.group_by("label", "draw", pl.col(other).alias(own)).agg(_=pl.len())
        everywhere = there.group_by("label", own).agg(of_all=pl.col("_").sum())
        both = both.join(everywhere, on=["label", own], how="left")
        both = both.join(there, on=["label", "draw", own], how="left")
        met = pl.col("of_all").fill_null(0) - pl.col("_").fill_null(0)
        both = both.with_columns(met.cast(pl.Float64).alias(f"met_{own}")).drop("of_all", "_")
    pairs, size = pl.col("others").sum().over("label"), pl.len().over("label")
    share = pl.col("met_label_a").sum().over("label") / pairs
    met = pl.col("met_label_a") + pl.col("met_label_b")
    both = both.filter(pairs > 0).with_columns(
        chance=share + (met - 2 * share * pl.col("others")) * size / pairs
    )
    return both.select("order", *CELL, "same", "chance", matched=pl.lit(1.0))


def statistics(own: pl.DataFrame, again: pl.DataFrame | None) -> list[dict]:
    """A row for every metric: of a learner's cells, and beside those of ICL reordered."""
    found = [_row(metric, own, TERMS[name]) for name, metric in METRICS.items()]
    if again is None:
        return found
    both = own.join(again, on=CELL, suffix="_again")
    for name, metric in CONTRASTS.items():
        terms = TERMS[name.removesuffix("_excess")]
        minus = [Term(f"{n}_again", f"{d}_again", -sign) for n, d, sign in terms]
        found.append(_row(metric, both, (*terms, *minus)))
    return found


def _row(metric: Metric, own: pl.DataFrame, terms: tuple[Term, ...]) -> dict:
    """A statistic with its interval and test."""
    counts = [own[one.denominator].sum() for one in terms]
    row = {"metric": metric.name, "cells": min(counts)}
    if min(counts) < FEW:
        return row
    names = [name for one in terms for name in one[:2]]
    ((_, grid),) = intervals.grids(own.with_columns(_=pl.lit(0)), ["_"], list(dict.fromkeys(names)))
    grid = dict(zip(dict.fromkeys(names), np.nan_to_num(grid), strict=True))
    # The mean over terms, each times their number, is their sum.
    above = np.stack([len(terms) * one.sign * grid[one.numerator] for one in terms])
    spread = crossed.ratio(above[None], np.stack([grid[one.denominator] for one in terms])[None])
    draws, queries = above.shape[1:]
    if metric.proportion:
        asked = min(queries, min(counts))  # no more than there are queries, or cells
        ends = crossed.proportion_interval(spread, min(counts) / asked, asked)
    else:
        ends = (end.clip(*metric.range) for end in crossed.interval(spread))
    low, high = ends
    p = {name: crossed.p_above(spread) for name in ABOVE if name == metric.name}
    p |= {name: crossed.p_above(crossed.mirrored(spread)) for name in BELOW if name == metric.name}
    numbers = {
        "estimate": metric.rounded(spread.value),
        "low": low,
        "high": high,
        "error": spread.error,
        "df": spread.df,
        "skew": np.broadcast_to(spread.skew, 1),
        "mde": crossed.detectable(spread),
        **({"p": p[metric.name]} if p else {}),
    }
    row |= {name: float(one[0]) for name, one in numbers.items()}
    return row | {"draws": draws, "queries": queries}
