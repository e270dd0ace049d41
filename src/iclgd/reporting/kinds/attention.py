"""How alike ICL and GD are inside attention."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import Evidence, plus
from iclgd.reporting.findings import MODEL, USUAL, Row, count, value
from iclgd.reporting.names import Names
from iclgd.study.names import base

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "attention"
MEANS = (
    "If attention computed a step of gradient descent, the change that demonstrations make "
    "inside it would be the change that GD's weights make, by more than any update of that "
    "size."
)
MEANS_NOT = (
    "A high similarity that is as high before training, or for unrelated updates, says "
    "nothing about GD."
)
# Claim: the difference that decides it.
CONTRASTS = {
    "aou": "sim_aou_over",
    "am": "sim_am_over",
    "kendall": "kendall_over",
    "kendall before": "kendall_before_over",
    "rec2ftp": "rec2ftp_over",
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


def headline(summary: pl.DataFrame, names: Names) -> str:
    """In how many cases GD changes attention as ICL does, more than by chance; not of controls."""
    control = [one for one in summary["model"].unique() if names.roles.get(base(one)) == "control"]
    whole = summary.filter(pl.col("chosen"), pl.col("layer").is_null())
    whole = whole.filter(~pl.col("model").is_in(control))
    found = []
    for _, part in whole.group_by("model", "task", "design", "learner", maintain_order=True):
        rows = {row["metric"]: row for row in part.iter_rows(named=True)}
        measured, chance = (rows.get(name, {}) for name in ("sim_aou", "sim_aou_chance"))
        if None not in (measured.get("low"), chance.get("estimate")):
            found.append(measured["low"] > chance["estimate"])
    if not found:
        return ""
    several = whole.select("model", "task", "design").n_unique() > 1
    told = f"in {count(found, 'case')}"
    told = told if several else f"for {sum(found)} of {len(found)} kinds of GD"
    return f"GD changes attention outputs as ICL does, beyond chance, {told}"


def evidence(summary: pl.DataFrame) -> Evidence:
    """Means over layers, of trained models and untrained controls."""
    rows = summary.filter(pl.col("chosen"), pl.col("layer").is_null()).drop_nulls("estimate")
    plain = rows.filter(~pl.col("causal"), role="model")
    for claim, metric in CONTRASTS.items():
        for row in plain.filter(metric=metric).iter_rows(named=True):
            yield claim, row
    for row in rows.filter(metric="sim_aou_untrained").iter_rows(named=True):
        yield "untrained", plus(row, 0.05)
    for row in rows.filter(metric="sim_aou_raw_causal", role="model").iter_rows(named=True):
        yield "causal", row
