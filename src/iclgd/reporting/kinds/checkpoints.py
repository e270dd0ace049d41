"""ICL over a model's pretraining, and the movement of its weights."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import RUN, Evidence, below
from iclgd.reporting.findings import USUAL, Row, value

BRACKETS = USUAL


def findings(summary: pl.DataFrame) -> list[Row]:
    """Accuracy at every checkpoint."""
    rows = summary.filter(pl.col("measure") == "accuracy").sort("model", "task", "step")
    return [["model", "task", "step", "accuracy"]] + [
        [row["model"], row["task"], str(row["step"]), value(pl.DataFrame([row]))]
        for row in rows.iter_rows(named=True)
    ]


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
