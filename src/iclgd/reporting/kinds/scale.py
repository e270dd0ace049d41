"""GD with many demonstrations against ICL with few."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import Evidence, minus, plus
from iclgd.reporting.findings import MODEL, USUAL, Row, value
from iclgd.reporting.names import REFERENCES
from iclgd.statistics.families import family

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
    rows = summary.filter(pl.col("chosen"), metric="accuracy").drop_nulls("estimate")
    rows = rows.with_columns(family("learner")).sort("shots")
    for _, part in rows.group_by("model", "task", maintain_order=True):
        icl = part.filter(learner_role="icl")
        trained = part.filter(~pl.col("learner_role").is_in(REFERENCES))
        for _, mine in trained.group_by("family", maintain_order=True):
            few, many = mine.row(0, named=True), mine.row(-1, named=True)
            if many["shots"] > few["shots"]:
                yield "more", {**many, **minus(many, few)}
                if len(icl):
                    yield "enough", {**many, **plus(minus(many, icl.row(0, named=True)), 0.1)}
