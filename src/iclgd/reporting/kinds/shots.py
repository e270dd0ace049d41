"""Accuracy and agreement by the number of demonstrations."""

from __future__ import annotations

import polars as pl

from iclgd.reporting import select
from iclgd.reporting.findings import USUAL, Row, value

BRACKETS = USUAL


def findings(summary: pl.DataFrame) -> list[Row]:
    """Each learner with the fewest and with the most demonstrations of the figure."""
    metrics = {"accuracy_b": "accuracy", "token_overlap": "token overlap", "ocs": "OCS"}
    rows = select.compared(select.one_design(summary), list(metrics))
    rows = rows.sort("model", "task", maintain_order=True)
    ends = dict.fromkeys([rows["shots"].min(), rows["shots"].max()])
    head = [f"{name}, N = {n}" for name in metrics.values() for n in ends]
    found = [["model", "task", "learner", *head]]
    for key, part in rows.group_by("model", "task", "who", maintain_order=True):
        cells = [
            value(part.filter(pl.col("metric") == metric, pl.col("shots") == n))
            for metric in metrics
            for n in ends
        ]
        found.append([*key, *cells])
    return found
