"""How much of the variance over orders each source explains."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.findings import MODEL, Row, at, two, value
from iclgd.reporting.names import Names
from iclgd.study.roles import TRAINED

BRACKETS = "95 % intervals over draws"
# For the report: its section, what the figure means, and what it does not.
SECTION = "order"
MEANS = (
    "What about an order matters: which label stands last, which demonstration, or all positions."
)
MEANS_NOT = "A share of variance is no mechanism."


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


def headline(summary: pl.DataFrame, names: Names) -> str:
    """What explains most of what order does to ICL's answers, and to those of GD."""
    last = summary.filter(pl.col("epoch") == pl.col("epoch").max().over("learner"))
    told = []
    for role in ("icl", *TRAINED):
        mine = last.filter(learner_role=role).drop_nulls("estimate")
        means = mine.group_by("source", maintain_order=True).agg(pl.col("estimate").mean())
        if len(means) and means["estimate"].max() > 0:
            source, share = means.sort("estimate", maintain_order=True).row(-1)
            told.append(f"in {'ICL' if role == 'icl' else 'GD'} {source} ({two(share)})")
        if len(told) == 2:
            break
    return f"What explains most of the changes with order: {', '.join(told)}" if told else ""
