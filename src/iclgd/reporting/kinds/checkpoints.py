"""ICL over a model's pretraining, and the movement of its weights."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import RUN, Evidence, below
from iclgd.reporting.findings import USUAL, Row, spread, value
from iclgd.reporting.names import Names

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "growth"
MEANS = "When ICL appears in pretraining, and how far the weights move meanwhile."
MEANS_NOT = "It does not say why it appears, and one run of pretraining is one sample."


def findings(summary: pl.DataFrame) -> list[Row]:
    """Accuracy at every checkpoint."""
    rows = summary.filter(pl.col("measure") == "accuracy").sort("model", "task", "step")
    return [["model", "task", "step", "accuracy"]] + [
        [row["model"], row["task"], str(row["step"]), value(pl.DataFrame([row]))]
        for row in rows.iter_rows(named=True)
    ]


def headline(summary: pl.DataFrame, names: Names) -> str:
    """The accuracy of ICL at the first and at the last checkpoint."""
    rows = summary.filter(measure="accuracy").drop_nulls("estimate").sort("step")
    found = [
        (part["estimate"][0], part["estimate"][-1], part["step"][-1])
        for _, part in rows.group_by("model", "task", maintain_order=True)
    ]
    if not found:
        return ""
    first, last, steps = zip(*found, strict=True)
    until = f"over {max(steps):,} steps of pretraining"
    return f"ICL's accuracy goes from {spread(first)} to {spread(last)} {until}"


def evidence(summary: pl.DataFrame) -> Evidence:
    """The last two checkpoints of every model, if its weights moved in between."""
    moved = summary.filter(measure="mean_abs_change").sort("step")
    rows = summary.filter(measure="accuracy_change").sort("step").drop_nulls("estimate")
    for (model, *_), part in rows.group_by(*RUN, "learner", maintain_order=True):
        drift = moved.filter(model=model)["estimate"].tail(2)
        if len(drift) > 1 and drift[1] > drift[0]:
            change = part.row(-1, named=True)
            size = change if change["estimate"] > 0 else below(0.0, change)
            yield "checkpoints", below(0.1, size)
