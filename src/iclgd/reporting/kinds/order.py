"""Sensitivity to the order of demonstrations."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import RUN, Evidence, below
from iclgd.reporting.findings import MODEL, USUAL, Row, value
from iclgd.reporting.names import Names
from iclgd.study.roles import TRAINED

BRACKETS = f"{USUAL}; permuted: ICL's changes of a query, the learner's of another query"
# For the report: its section, what the figure means, and what it does not.
SECTION = "order"
MEANS = (
    "ICL hangs on the order of demonstrations; full-batch GD cannot, and GD one by one can. "
    "If ICL were that, both would change alike."
)
MEANS_NOT = (
    "A vote of recent labels changes with order, too, and reads no text: only what lies "
    "beyond it counts."
)
HALF = 0.5  # a cosine surely above it is called alike, surely below it not alike
COLUMNS = {
    "Sen": "sen",
    "cosine of its changes with ICL's": "pattern_cosine",
    "queries permuted": "pattern_permuted",
    "cosine minus permuted": "pattern_beyond",
    "cosine of the queries' own parts": "pattern_own",
}
OWN = {1: "does so, too", 0: "may or may not do so", -1: "does not"}
METHODS = {"icl": "ICL", **dict.fromkeys(TRAINED, "GD")}  # of all other roles: no GD


def at_end(summary: pl.DataFrame) -> pl.DataFrame:
    """Each learner at its last epoch."""
    return summary.filter(pl.col("epoch") == pl.col("epoch").max().over(*RUN, "learner"))


def findings(summary: pl.DataFrame) -> list[Row]:
    """Each learner at its last epoch, and whether it does gradient descent."""
    keys = [*RUN, "learner"]
    found = [[*MODEL, "learner", "method", *COLUMNS]]
    for key, part in at_end(summary).group_by(keys, maintain_order=True):
        named = [str(one) for name, one in zip(keys, key, strict=True) if name != "design"]
        measures = (part.filter(measure=measure) for measure in COLUMNS.values())
        method = METHODS.get(part["learner_role"][0], "no GD")
        found.append([*named, method, *map(value, measures)])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """Whether GD changes with the order as ICL does, and what the controls say to that.

    Of the learner with the greatest cosine among those surely above `HALF`, or else among all.
    ``summary`` has roles (`Names.with_roles`).
    """
    known = at_end(summary).drop_nulls("estimate")
    cosines = known.filter(measure="pattern_cosine")
    trained = cosines.filter(pl.col("learner_role").is_in(TRAINED)).to_dicts()
    if not trained:
        return "No gradient descent here changes with the order."
    best = max(trained, key=lambda row: (_side(row) > 0, row["estimate"]))
    who = names.label(best["learner"])
    if _side(best) <= 0:
        none, sure = (
            "No gradient descent here changes",
            f", surely below {HALF:g}".replace("0.", "."),
        )
        if any(_side(row) == 0 for row in trained):
            none, sure = "It is open whether gradient descent changes", ""
        most = max(trained, key=lambda row: row["estimate"])
        label = names.label(most["learner"])
        return f"{none} with order as ICL does: cosine at most {_number(most)}{sure} ({label})."
    here = known.filter(*(pl.col(name) == best[name] for name in RUN))
    mine = {row["measure"]: row for row in here.filter(learner=best["learner"]).to_dicts()}
    same = [
        (f"{names.label(row['learner'])}, without GD", row)
        for row in here.filter(measure="pattern_cosine", learner_role="solver").to_dicts()
    ]
    if permuted := mine.get("pattern_permuted"):
        same.append((f"{who} asked another query", permuted))
    told = [f"{label} ({_number(row)})" for label, row in same if _side(row) > 0]
    text = f"{who} changes with order as ICL does (cosine {_number(best)})"
    text += f", but so does {', and so does '.join(told)}" if told else ""
    if own := mine.get("pattern_own"):
        text += f"; what is a query's own {OWN[_side(own)]} ({_number(own)})"
    return f"{text}."


def _side(row: dict) -> int:
    """1 if a cosine is surely above `HALF`, -1 if surely below, else 0: its interval says.

    Without one (a single draw) nothing is sure.
    """
    if row["low"] is None:
        return 0
    return (row["low"] > HALF) - (row["high"] < HALF)


def _number(row: dict) -> str:
    return f"{row['estimate']:z.2f}".replace("0.", ".", 1)


def evidence(summary: pl.DataFrame) -> Evidence:
    """Learners that train, at their last epoch, against ICL.

    A pattern counts only in what is the queries' own: that the rest is alike shows a vote of the
    labels, too.
    """
    rows = at_end(summary).filter(pl.col("learner_role").is_in(TRAINED))
    for row in rows.drop_nulls(["estimate", "error"]).iter_rows(named=True):
        if row["measure"] == "sen_below":
            yield "order", row
        if row["measure"] == "pattern_own":
            yield "pattern", below(HALF, row)
