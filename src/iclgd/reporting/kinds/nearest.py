"""How near GD comes to ICL, over all rates and epochs."""

from __future__ import annotations

import polars as pl

from iclgd.reporting import select
from iclgd.reporting.findings import MODEL, USUAL, Row, at, interval, short, spread, value
from iclgd.reporting.names import Names
from iclgd.study.roles import TRAINED

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "answers"
MEANS = "How near GD ever comes, whatever epoch and rate one would choose."
MEANS_NOT = "A point near ICL early in training may be one at which both are merely unsure."


def findings(summary: pl.DataFrame) -> list[Row]:
    """The nearest that each family comes to ICL, over the rates and epochs tried."""
    head = ["learner", "distance", "95 % low", "token overlap", "loss (nats)"]
    found = [[*MODEL, *head]]
    rows = summary.filter(pl.col("nearest"))
    for key, part in rows.group_by("model", "task", "shots", "b", "epoch", maintain_order=True):
        tv, overlap = (part.filter(pl.col("metric") == m) for m in ("tv", "token_overlap"))
        low, loss = tv["low"][0], tv["loss"][0]
        place = [*map(str, key[:3]), at(*key[3:])]
        cells = [interval(tv.row(0, named=True)), short(low), value(overlap), short(loss)]
        found.append([*place, *cells])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """How far from ICL gradient descent of the whole model is at its nearest."""
    found = []
    for _, part in select.runs(summary.filter(metric="tv")):
        trained = part.filter("nearest").drop_nulls("estimate")
        role = next((one for one in TRAINED if one in trained["b_role"]), None)
        reordered = part.filter(b_role="icl-reordered").drop_nulls("estimate")
        if role and len(reordered):
            best = trained.filter(b_role=role).sort("estimate").row(0, named=True)
            found.append((best["estimate"], reordered["estimate"][0], best))
    if not found:
        return ""
    nearest, reordered, rows = zip(*found, strict=True)
    at_ = f" (epoch {rows[0]['epoch']})" if len(rows) == 1 else ""
    return (
        f"At its nearest{at_} GD is {spread(nearest)} from ICL in total variation;"
        f" ICL reordered is {spread(reordered)} from itself"
    )
