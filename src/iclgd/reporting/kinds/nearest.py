"""How near GD comes to ICL, over all rates and epochs."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.findings import MODEL, USUAL, Row, at, interval, short, value

BRACKETS = USUAL


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
