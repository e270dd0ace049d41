"""GD with many demonstrations against ICL with few."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import Evidence, below, plus
from iclgd.reporting.findings import MODEL, USUAL, Row, value
from iclgd.reporting.names import REFERENCES

BRACKETS = USUAL


def findings(summary: pl.DataFrame) -> list[Row]:
    """Accuracy of each learner at its chosen rate and epoch."""
    chosen = summary.filter(pl.col("metric") == "accuracy", pl.col("chosen"))
    keys = ("model", "task", "shots", "learner")
    return [[*MODEL, "learner", "accuracy"]] + [
        [*(str(row[key]) for key in keys), value(pl.DataFrame([row]))]
        for row in chosen.sort("task", "shots", "learner").iter_rows(named=True)
    ]


def evidence(summary: pl.DataFrame) -> Evidence:
    """GD with the most demonstrations against GD and ICL with the fewest."""
    rows = summary.filter(pl.col("chosen"), ~pl.col("learner_role").is_in(REFERENCES))
    rows = rows.drop_nulls("estimate")
    for row in rows.filter(metric="accuracy_more").iter_rows(named=True):
        yield "more", row
    for row in rows.filter(metric="accuracy_past_icl").iter_rows(named=True):
        if row["design"] == row["against"]:  # as few as ICL
            yield "few", below(-0.1, row)
        else:
            yield "enough", plus(row, 0.1)
