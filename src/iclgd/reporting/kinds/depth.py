"""Agreement by K, the number of most likely tokens that are compared."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.findings import MODEL, Row, at, value

BRACKETS = "95 % intervals over draws"


def findings(summary: pl.DataFrame) -> list[Row]:
    """Agreement on the likeliest, the ten likeliest and all tokens that are compared."""
    depths = sorted({k for k in (2, 10, summary["k"].max()) if k is not None})
    metrics = {"token_overlap": "token overlap", "ocs": "OCS"}
    head = [f"{name}, K = {k}" for name in metrics.values() for k in depths]
    found = [[*MODEL, "learner", *head]]
    keys = ("model", "task", "shots", "b", "epoch")
    for key, part in summary.group_by(keys, maintain_order=True):
        cells = [
            value(part.filter(pl.col("metric") == metric, pl.col("k") == k))
            for metric in metrics
            for k in depths
        ]
        found.append([*map(str, key[:3]), at(*key[3:]), *cells])
    return found
