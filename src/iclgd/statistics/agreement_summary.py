"""The summary of agreement tables: every metric with its interval, at every epoch."""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics.agreement import MACRO_F1, METRICS
from iclgd.statistics import choice, intervals

PAIR = [*RUN_COLUMNS, "a", "b"]


def summarise(pairs: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Every metric of agreement tables (``registry.AGREEMENT``) per epoch, with its interval.

    Estimates are over test queries: ``PAIR, epoch, metric``, the columns of
    ``intervals.ESTIMATE``, ``diverged`` (share of rows) and ``chosen`` (the rate and epoch of
    best accuracy on validation queries, see `choice.chosen`).
    """
    found, choices = [], []
    for rows in pairs:
        test = rows.filter(pl.col("split") == "test")
        by = [*PAIR, "epoch"]
        estimates = pl.concat(
            [
                intervals.means(test, by, METRICS.values()),
                *(
                    intervals.macro_f1(test, by, f"label_{side}", metric)
                    for side, metric in zip("ab", MACRO_F1.values(), strict=True)
                ),
            ]
        )
        diverged = test.group_by(*PAIR, "epoch").agg(
            (pl.col("status") == "diverged").mean().alias("diverged")
        )
        found.append(estimates.join(diverged, on=[*PAIR, "epoch"]))
        choices.append(rows.filter(pl.col("split") == "validation"))
    best = choice.chosen(pl.concat(choices), [*RUN_COLUMNS, "a"], "b", choice.SCORES["accuracy"])
    summary = pl.concat(found).join(
        best.with_columns(pl.lit(True).alias("chosen")), on=[*PAIR, "epoch"], how="left"
    )
    summary = summary.with_columns(pl.col("chosen").fill_null(False))
    return summary.sort(*PAIR, "epoch", "metric")
