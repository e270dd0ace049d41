"""Agreement of ICL with GD over epochs: accuracy and the metrics at the chosen epoch."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.findings import MODEL, USUAL, Row, at, value

BRACKETS = USUAL


def findings(summary: pl.DataFrame) -> list[Row]:
    """ICL, then each learner at its chosen rate and epoch."""
    found = [[*MODEL, "learner", "accuracy", "token overlap with ICL", "OCS with ICL"]]
    for key, part in summary.group_by("model", "task", "shots", maintain_order=True):
        chosen = part.filter("chosen")
        place = [*map(str, key)]

        def cell(name: str, metric: str, chosen=chosen) -> str:
            return value(chosen.filter(pl.col("b") == name, pl.col("metric") == metric))

        itself = chosen.filter(pl.col("metric") == "accuracy_a")
        found.append([*place, part["a"][0], value(itself), "", ""])
        for name, epoch in chosen.select("b", "epoch").unique(maintain_order=True).rows():
            columns = ("accuracy_b", "token_overlap", "ocs")
            found.append([*place, at(name, epoch), *(cell(name, metric) for metric in columns)])
    return found
