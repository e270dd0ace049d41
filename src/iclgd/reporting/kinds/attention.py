"""How alike ICL and GD are inside attention."""

from __future__ import annotations

import polars as pl

from iclgd.reporting import select
from iclgd.reporting.claims.estimates import RUN, Evidence, minus, one, plus
from iclgd.reporting.findings import MODEL, USUAL, Row, value
from iclgd.study.names import base

BRACKETS = USUAL
# Claim: the measure and the baseline that it has to exceed.
BASELINES = {
    "aou": ("sim_aou", "sim_aou_chance"),
    "am": ("sim_am", "sim_am_before"),
    "kendall": ("kendall", "kendall_random"),
    "kendall before": ("kendall_before", "kendall_random"),
    "rec2ftp": ("rec2ftp", "rec2ftp_chance"),
}


def findings(summary: pl.DataFrame) -> list[Row]:
    """Means over layers, with the baseline of a measure in parentheses."""
    whole = summary.filter(pl.col("chosen"), pl.col("layer").is_null())
    measures = {
        "SimAOU (by chance)": ("sim_aou", "sim_aou_chance"),
        "not normalised": ("sim_aou_raw",),
        "SimAM (before)": ("sim_am", "sim_am_before"),
        "of changes": ("sim_am_delta",),
        "tau (before)": ("kendall", "kendall_before"),
    }
    found = [[*MODEL, "learner", *measures]]
    for key, part in whole.group_by("model", "task", "shots", "learner", maintain_order=True):
        cells = []
        for first, *second in measures.values():
            parts = [value(part.filter(metric=name)) for name in (first, *second)]
            cells.append(parts[0] + "".join(f" ({part.split(' ')[0]})" for part in parts[1:]))
        found.append([*map(str, key), *cells])
    return found


def evidence(summary: pl.DataFrame) -> Evidence:
    """Means over layers, of trained models and untrained controls."""
    rows = summary.filter(pl.col("chosen"), pl.col("layer").is_null()).drop_nulls("estimate")
    plain = rows.filter(~pl.col("causal"))
    for key, part in plain.filter(role="model").group_by(*RUN, "learner", maintain_order=True):
        where = dict(zip((*RUN, "learner"), key, strict=True))
        for claim, names in BASELINES.items():
            both = [one(part, metric=name) for name in names]
            if all(both):
                yield claim, {**where, **minus(*both)}
        mine = one(part, metric="sim_aou")
        same = select.of_families("learner", [base(where["learner"])])
        others = plain.filter(
            same, role="control", metric="sim_aou", task=where["task"], design=where["design"]
        )
        for row in others.iter_rows(named=True) if mine else ():
            yield "untrained", {**row, **plus(minus(row, mine), 0.05)}
    raw = rows.filter(role="model", metric="sim_aou_raw")
    for row in raw.filter("causal").iter_rows(named=True):
        same = {name: row[name] for name in RUN}
        for other in raw.filter(~pl.col("causal"), **same).iter_rows(named=True):
            yield "causal", {**row, **minus(row, other)}
