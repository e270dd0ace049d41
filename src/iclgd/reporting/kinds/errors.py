"""Does a learner err where ICL errs, and with the same wrong label?"""

from __future__ import annotations

import polars as pl

from iclgd.reporting.findings import MODEL, USUAL, Row, at, value
from iclgd.reporting.names import REFERENCES, Names
from iclgd.statistics.crossed import ALPHA

BRACKETS = f"{USUAL}; p: one-sided, each test by itself"
# For the report: its section, what the figure means, and what it does not.
SECTION = "answers"
MEANS = (
    "If ICL were gradient descent, both would err on the same queries and with the same wrong "
    "word, as ICL does with itself reordered."
)
MEANS_NOT = (
    "Hard queries alone make any two learners err together: hence the comparison with ICL "
    "reordered."
)
PLACE = ["model", "task", "design", "shots"]
# Columns of the findings: a metric, or the test of one.
SHOWN = {
    "errs where ICL errs": "error_with",
    "where ICL is right": "error_without",
    "difference": "error_gap",
    "minus ICL reordered's": "error_gap_excess",
    "same wrong label": "same_wrong",
    "by chance": "same_chance",
    "beyond chance": "same_gap",
    "beyond it, minus ICL reordered's": "same_gap_excess",
}
TESTED = ("error_gap", "error_gap_excess", "same_gap", "same_gap_excess")


def findings(summary: pl.DataFrame) -> list[Row]:
    """Every learner beside ICL; a dash where there are too few errors for a number."""
    found = [[*MODEL, "ICL errs", "learner", *SHOWN]]
    for own in learners(summary):
        place, rows = own["place"], own["metrics"]
        cells = [_cell(rows.get(metric)) for metric in SHOWN.values()]
        name = at(own["learner"], own["epoch"])
        icl = value(pl.DataFrame([rows["error_a"]]))
        found.append([place["model"], place["task"], str(place["shots"]), icl, name, *cells])
    return found


def _cell(row: dict | None) -> str:
    if row is None:
        return "-"
    text = value(pl.DataFrame([row]))
    p = row["p"] if row["metric"] in TESTED else None
    return text if p is None else f"{text}, p {p:.2g}"


def learners(summary: pl.DataFrame) -> list[dict]:
    """Learners by place: ``place``, ``learner``, ``role``, ``epoch``, and rows by ``metrics``."""
    found: dict[tuple, dict] = {}
    for row in summary.sort(*PLACE, "learner").iter_rows(named=True):
        place = {name: row[name] for name in PLACE}
        own = {"place": place, "learner": row["learner"], "role": row["learner_role"]}
        key = (*place.values(), row["learner"])
        one = found.setdefault(key, {**own, "epoch": row["epoch"], "metrics": {}})
        one["metrics"][row["metric"]] = row
    return list(found.values())


def verdict(own: dict, metric: str) -> bool | None:
    """Whether a test decides for a learner of `learners`; None where there are too few errors."""
    row = own["metrics"].get(metric)
    return None if row is None or row["p"] is None else row["p"] < ALPHA


def headline(summary: pl.DataFrame, names: Names) -> str:
    """In how many comparisons learners that train err where ICL errs, and as ICL does."""
    everyone = learners(summary)
    trained = [own for own in everyone if own["role"] not in REFERENCES]
    if not trained:
        return "No learner that trains was compared with ICL"
    gap, less, same = (
        [one for own in trained if (one := verdict(own, name)) is not None]
        for name in ("error_gap", "error_gap_excess", "same_gap")
    )
    who = "Gradient descent"
    if not gap:
        return f"ICL or {who.lower()} errs too seldom to say whether they err alike"
    text = f"{who} errs where ICL errs in {sum(gap)} of {_count(gap, 'comparison')}"
    if less:
        text += f", less than ICL reordered does in {_of(less, gap)}"
    if not same:
        return f"{text}; both err too seldom to compare wrong labels"
    return f"{text}; with ICL's wrong label beyond chance in {sum(same)} of {len(same)}"


def _count(found: list, word: str) -> str:
    return f"{len(found)} {word}" + ("" if len(found) == 1 else "s")


def _of(some: list[bool], others: list[bool]) -> str:
    return str(sum(some)) + ("" if len(some) == len(others) else f" of {len(some)}")
