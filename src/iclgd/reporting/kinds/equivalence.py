"""Verdicts: is GD as near to ICL as ICL is to itself?"""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import Evidence
from iclgd.reporting.findings import MODEL, Row, at, interval, short
from iclgd.statistics.crossed import ALPHA
from iclgd.study.names import value

BRACKETS = "bounds at the level at which Holm's procedure tests them, on either side"
# What a verdict means for a claim of equality, or of distance; other verdicts mean nothing.
EQUAL = {"equivalent": True, "different": False}
APART = {"equivalent": False, "different": True, "trivially both": True}


def findings(summary: pl.DataFrame) -> list[Row]:
    """Verdicts on the rate and epoch nearest to ICL, by total variation, and what decides them."""
    rows = summary.filter(measure="tv", factor=1.0, choice="nearest")
    head = ["learner", "farther than ICL from itself by", "distance at most", "margin"]
    head += ["zero-shot at least", "draws x queries", "detectable excess", "verdict"]
    found = [[*MODEL, *head]]
    for row in rows.sort("model", "task", "shots", "b").iter_rows(named=True):
        names = ("distance_most", "margin", "untouched_least")
        levels = [excess(row), *(short(row[name]) for name in names)]
        levels += [f"{row['draws']} x {row['queries']}", short(row["excess_mde"])]
        weak = row["verdict"] == "inconclusive" and row["underpowered"]
        verdict = row["verdict"] + (" (underpowered)" if weak else "")
        place = [row["model"], row["task"], str(row["shots"]), at(row["b"], row["epoch"])]
        found.append([*place, *levels, verdict])
    return found


def excess(row: dict) -> str:
    """The excess of a row of verdicts with the bounds that decide it, to two digits."""
    parts = ("", "_low", "_high")
    names = ("estimate", "low", "high")
    return interval({name: row[f"excess{part}"] for name, part in zip(names, parts, strict=True)})


def evidence(summary: pl.DataFrame) -> Evidence:
    """Models that learned in context, and the construction.

    A model whose answers hardly change with demonstrations has no ICL to compare.
    """
    renamed = {"b": "learner", "b_role": "learner_role"}
    summary = summary.filter(factor=1.0).rename(renamed)
    key = ["model", "task", "design"]
    learned = summary.filter(pl.col("p_learned") < ALPHA, measure="tv").select(key).unique()
    rows = summary.join(learned, on=key, how="semi", maintain_order="left")
    for row in rows.drop_nulls("estimate").iter_rows(named=True):
        ends = {part: row[f"excess_{part}"] for part in ("low", "high", "error", "df")}
        farther = {**row, **ends, "estimate": row["excess"]}
        measured = (row["role"], row["choice"], row["measure"])
        if row["learner_role"] == "bayes":
            if measured == ("model", "nearest", "tv"):
                yield "bayes", _within(row)
        elif measured == ("model", "nearest", "tv"):
            yield "apart", {**farther, "holds": APART.get(row["verdict"])}
        elif measured == ("model", "accuracy", "token_overlap"):
            yield "tokens", farther
        elif measured == ("model", "accuracy", "gain"):
            yield "accuracy", row
        elif measured == ("construction", "nearest", "tv") and not value(row["model"]):
            yield "construction", _within(row)


def _within(row: dict) -> dict:
    """What is left of the margin, with its bounds; a distance is never below 0."""
    most, margin = row["distance_most"], row["margin"]
    ends = {"low": None, "high": None} if most is None else {"low": margin - most, "high": margin}
    estimate = margin - row["estimate"]
    return {**row, **ends, "estimate": estimate, "holds": EQUAL.get(row["verdict"])}
