"""Accuracy of ICL and GD, and how closely they agree, at the rate and epoch that is chosen."""

from __future__ import annotations

import polars as pl

from iclgd.reporting import select
from iclgd.reporting.findings import MODEL, USUAL, Row, at, spread, two, value
from iclgd.reporting.names import Names
from iclgd.study.roles import TRAINED

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "answers"
MEANS = (
    "If ICL were gradient descent on the demonstrations, GD would lie in the shaded band: as "
    "accurate as ICL, and as close to it as ICL is to itself in another order."
)
MEANS_NOT = (
    "Equal accuracy is no evidence: every learner that solves the task has it. Ten likeliest "
    "tokens may be nine that hardly ever come."
)
NEAR = 0.05  # of accuracy: as accurate, for a headline


def findings(summary: pl.DataFrame) -> list[Row]:
    """ICL, then each learner at its chosen rate and epoch."""
    found = [[*MODEL, "learner", "accuracy", "token overlap with ICL", "OCS with ICL"]]
    for key, part in summary.group_by("model", "task", "shots", maintain_order=True):
        chosen = part.filter("chosen")
        place = [*map(str, key)]

        def cell(name: str, metric: str, chosen=chosen) -> str:
            return value(chosen.filter(pl.col("b") == name, pl.col("metric") == metric))

        itself = chosen.filter(pl.col("metric") == "accuracy_a")
        found.append([*place, part["a"][0], value(itself), "", ""])
        for name, epoch in chosen.select("b", "epoch").unique(maintain_order=True).rows():
            columns = ("accuracy_b", "token_overlap", "ocs")
            found.append([*place, at(name, epoch), *(cell(name, metric) for metric in columns)])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """Whether GD is as accurate as ICL, and how many of its likeliest tokens it shares."""
    found = []
    for _, rows in select.runs(select.compared(summary, ["accuracy_b", "token_overlap"])):
        known = select.by_role(rows)
        gd = next((role for role in TRAINED if (role, "token_overlap") in known), None)
        needed = [(gd, "accuracy_b"), ("icl", "accuracy_b"), (gd, "token_overlap")]
        needed.append(("icl-reordered", "token_overlap"))
        if all(one in known for one in needed):
            found.append([known[one] for one in needed])
    if not found:
        return ""
    gd, icl, shared, reordered = zip(*found, strict=True)
    tokens = f"shares {spread(shared, 10)} of its ten likeliest tokens; ICL reordered"
    tokens += f" shares {spread(reordered, 10)}"
    if len(found) == 1:
        (by,) = (one - other for one, other in zip(gd, icl, strict=True))
        verb = "reaches" if abs(by) <= NEAR else "exceeds" if by > 0 else "stays below"
        return f"GD {verb} ICL's accuracy ({two(gd[0])}; {two(icl[0])}) and {tokens}"
    near = sum(one >= other - NEAR for one, other in zip(gd, icl, strict=True))
    fewer = sum(one < other for one, other in zip(shared, reordered, strict=True))
    return (
        f"GD reaches ICL's accuracy in {near} of {len(found)} cases; it shares fewer of its ten"
        f" likeliest tokens than ICL reordered does in {fewer} of {len(found)}"
    )
