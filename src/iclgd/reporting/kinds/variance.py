"""How much of the variance over orders each source explains."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.findings import MODEL, Row, at, value

BRACKETS = "95 % intervals over draws"


def findings(summary: pl.DataFrame) -> list[Row]:
    """The share of each source in the variance over orders, at a learner's last epoch."""
    keys = ("model", "task", "shots", "learner", "epoch")
    summary = summary.filter(pl.col("epoch") == pl.col("epoch").max().over(keys[:-1]))
    sources = summary["source"].unique(maintain_order=True).to_list()
    found = [[*MODEL, "learner", *sources]]
    for key, part in summary.group_by(keys, maintain_order=True):
        cells = [value(part.filter(pl.col("source") == source)) for source in sources]
        found.append([*map(str, key[:3]), at(*key[3:]), *cells])
    return found
