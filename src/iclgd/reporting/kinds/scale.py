"""GD with many demonstrations against ICL with few."""

from __future__ import annotations

import polars as pl

from iclgd.reporting import style
from iclgd.reporting.claims.estimates import Evidence, minus, plus
from iclgd.reporting.findings import MODEL, USUAL, Row, value

BRACKETS = USUAL


def findings(summary: pl.DataFrame) -> list[Row]:
    chosen = summary.filter(pl.col("metric") == "accuracy", pl.col("chosen"))
    keys = ("model", "task", "shots", "learner")
    return [[*MODEL, "learner", "accuracy"]] + [
        [*(str(row[key]) for key in keys), value(pl.DataFrame([row]))]
        for row in chosen.sort("task", "shots", "learner").iter_rows(named=True)
    ]


def evidence(summary: pl.DataFrame) -> Evidence:
    """GD with most demonstrations against GD and ICL with fewest."""
    rows = summary.filter(pl.col("chosen"), metric="accuracy").drop_nulls("estimate")
    rows = rows.with_columns(
        role=pl.col("learner").map_elements(style.role, pl.String),
        family=pl.col("learner").map_elements(style.family, pl.String),
    ).sort("shots")
    for _, part in rows.group_by("model", "task", maintain_order=True):
        icl = part.filter(role="icl")
        trained = part.filter(~pl.col("role").str.starts_with("icl"), pl.col("role") != "bayes")
        for _, mine in trained.group_by("family", maintain_order=True):
            few, many = mine.row(0, named=True), mine.row(-1, named=True)
            if many["shots"] > few["shots"]:
                yield "more", {**many, **minus(many, few)}
                if len(icl):
                    yield "enough", {**many, **plus(minus(many, icl.row(0, named=True)), 0.1)}
