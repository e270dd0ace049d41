"""Sensitivity to the order of demonstrations."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import RUN, Evidence, minus, one
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
    last = last.drop_nulls(["estimate", "error"])
    for _, part in last.group_by(RUN, maintain_order=True):
        icl = part.filter(learner_role="icl")
        sen = one(icl, measure="sen")
        for row in part.join(icl, on="learner", how="anti").iter_rows(named=True):
            if row["measure"] == "sen" and sen:
                yield "order", {**row, **minus(sen, row)}
            if row["measure"] == "pattern_cosine":
                yield "pattern", {**row, "estimate": 0.5 - row["estimate"]}
