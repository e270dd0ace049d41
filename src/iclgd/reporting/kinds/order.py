"""Sensitivity to the order of demonstrations."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import RUN, Evidence, below
from iclgd.reporting.findings import MODEL, USUAL, Row, value

BRACKETS = USUAL


def findings(summary: pl.DataFrame) -> list[Row]:
    """Each learner at its last epoch."""
    keys = ["model", "task", "shots", "learner"]
    last = summary.filter(pl.col("epoch") == pl.col("epoch").max().over(keys))
    found = [[*MODEL, "learner", "Sen", "cosine of its changes with ICL's"]]
    for key, part in last.group_by(keys, maintain_order=True):
        measures = (part.filter(pl.col("measure") == m) for m in ("sen", "pattern_cosine"))
        found.append([*map(str, key), *map(value, measures)])
    return found


def evidence(summary: pl.DataFrame) -> Evidence:
    """Each learner at its last epoch, against ICL."""
    last = summary.filter(pl.col("epoch") == pl.col("epoch").max().over(*RUN, "learner"))
    last = last.filter(pl.col("learner_role") != "icl").drop_nulls(["estimate", "error"])
    for row in last.iter_rows(named=True):
        if row["measure"] == "sen_below":
            yield "order", row
        if row["measure"] == "pattern_cosine":
            yield "pattern", below(0.5, row)
