"""GD with many demonstrations against ICL with few."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import Evidence, below, plus
from iclgd.reporting.findings import MODEL, USUAL, Row, two, value
from iclgd.reporting.names import REFERENCES, Names
from iclgd.study.roles import TRAINED

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "growth"
MEANS = "Whether GD needs more demonstrations than ICL for the same accuracy."
MEANS_NOT = "Accuracy alone: GD and ICL may answer alike for different reasons."
NEAR = 0.05  # of accuracy: as accurate, for a headline


def findings(summary: pl.DataFrame) -> list[Row]:
    """Accuracy of each learner at its chosen rate and epoch."""
    chosen = summary.filter(pl.col("metric") == "accuracy", pl.col("chosen"))
    keys = ("model", "task", "shots", "learner")
    return [[*MODEL, "learner", "accuracy"]] + [
        [*(str(row[key]) for key in keys), value(pl.DataFrame([row]))]
        for row in chosen.sort("task", "shots", "learner").iter_rows(named=True)
    ]


def headline(summary: pl.DataFrame, names: Names) -> str:
    """Accuracy of GD with the most demonstrations, and of ICL and of GD with the fewest."""
    chosen = summary.filter(pl.col("chosen"), metric="accuracy").drop_nulls("estimate")
    found = []
    for _, part in chosen.group_by("model", "task", maintain_order=True):
        icl = part.filter(learner_role="icl").sort("shots")
        gd = part.filter(pl.col("learner_role").is_in(TRAINED)).sort("shots")
        if len(icl) and len(gd):
            found.append((gd.row(-1, named=True), icl.row(0, named=True)))
    if not found:
        return ""
    if len(found) > 1:
        near = sum(gd["estimate"] >= icl["estimate"] - NEAR for gd, icl in found)
        return (
            f"GD with the most demonstrations reaches few-shot ICL in {near} of {len(found)} cases"
        )
    ((gd, icl),) = found
    return (
        f"GD with {gd['shots']} demonstrations answers {two(gd['estimate'])} right, "
        f"ICL with {icl['shots']} {two(icl['estimate'])}"
    )


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
