"""Agreement by K, the number of most likely tokens that are compared."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.findings import MODEL, Row, at, spread, value
from iclgd.reporting.names import Names
from iclgd.study.roles import TRAINED

BRACKETS = "95 % intervals over draws"
# For the report: its section, what the figure means, and what it does not.
SECTION = "answers"
MEANS = "Whether a conclusion hangs on the choice of ten likeliest tokens."
MEANS_NOT = "Overlap weighs all tokens alike, however rare; total variation does not."


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


def headline(summary: pl.DataFrame, names: Names) -> str:
    """How much the share of common tokens hangs on how many are compared."""
    rows = summary.filter(pl.col("b_role").is_in(TRAINED), metric="token_overlap")
    rows = rows.drop_nulls("estimate")
    if rows.is_empty():
        return ""
    most = rows["k"].max()
    ends = [rows.filter(pl.col("k") == k)["estimate"].to_list() for k in (10, most)]
    if not all(ends):
        return ""
    few, many = map(spread, ends)
    return f"GD shares {few} of ICL's 10 likeliest tokens, and {many} of the {most} likeliest"
