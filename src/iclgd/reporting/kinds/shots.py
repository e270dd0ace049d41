"""Accuracy and agreement by the number of demonstrations."""

from __future__ import annotations

import polars as pl

from iclgd.reporting import select
from iclgd.reporting.findings import USUAL, Row, two, value
from iclgd.reporting.names import Names
from iclgd.study.roles import TRAINED

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "growth"
MEANS = "Whether ICL and GD use more demonstrations alike."
MEANS_NOT = "Curves of accuracy that rise together do not show one mechanism."


def findings(summary: pl.DataFrame) -> list[Row]:
    """Each learner with the fewest and with the most demonstrations of the figure."""
    metrics = {"accuracy_b": "accuracy", "token_overlap": "token overlap", "ocs": "OCS"}
    rows = select.compared(select.one_design(summary), list(metrics))
    rows = rows.sort("model", "task", maintain_order=True)
    ends = dict.fromkeys([rows["shots"].min(), rows["shots"].max()])
    head = [f"{name}, N = {n}" for name in metrics.values() for n in ends]
    found = [["model", "task", "learner", *head]]
    for key, part in rows.group_by("model", "task", "who", maintain_order=True):
        cells = [
            value(part.filter(pl.col("metric") == metric, pl.col("shots") == n))
            for metric in metrics
            for n in ends
        ]
        found.append([*key, *cells])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """What more demonstrations do to the accuracy of ICL and of GD."""
    rows = select.compared(select.one_design(summary), ["accuracy_b"])
    fewest, most = rows["shots"].min(), rows["shots"].max()
    found = []
    for _, part in rows.group_by("model", "task", maintain_order=True):
        ends = [select.by_role(part.filter(shots=shots)) for shots in (fewest, most)]
        gd = next((role for role in TRAINED if (role, "accuracy_b") in ends[1]), None)
        needed = [(end, (role, "accuracy_b")) for role in ("icl", gd) for end in ends]
        if all(one in end for end, one in needed):
            found.append([end[one] for end, one in needed])
    if fewest == most or not found:
        return ""
    start = f"From {fewest} to {most} demonstrations"
    if len(found) == 1:
        a, b, c, d = map(two, found[0])
        return f"{start} ICL's accuracy goes from {a} to {b}, GD's from {c} to {d}"
    more = [sum(row[i + 1] > row[i] for row in found) for i in (0, 2)]
    return f"{start} ICL's accuracy rises in {more[0]} of {len(found)} cases, GD's in {more[1]}"
