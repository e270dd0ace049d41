"""Estimates from a summary: the evidence that a kind of figure has for claims of papers.

``evidence(summary)`` of a kind yields pairs of a claim's name in claims.yaml and an estimate: a
value of the summary, or the difference of two with the error of independent ones (Welch), which
is mostly too large for learners that share draws and queries. An estimate is a dict with
``estimate``, ``error``, ``df``, ``skew``, the columns of `WHERE` and, where something else than a
test decides, ``verdict``: one of `judge.VERDICTS`.
"""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

RUN = ("model", "task", "design", "shots")
WHERE = ("model", "task", "shots", "learner")
Evidence = Iterator[tuple[str, dict]]


def minus(a: dict, b: dict) -> dict:
    """a - b, its error and degrees of freedom, for independent estimates (Welch 1947)."""
    known = [x.get("error") is not None for x in (a, b)]
    error, df = None, None
    if all(known):
        variance = a["error"] ** 2 + b["error"] ** 2
        parts = sum(x["error"] ** 4 / x["df"] for x in (a, b))
        error, df = variance**0.5, variance**2 / parts if parts else min(a["df"], b["df"])
    counts = {
        name: min((x[name] for x in (a, b) if x.get(name) is not None), default=None)
        for name in ("draws", "queries")
    }
    return {"estimate": a["estimate"] - b["estimate"], "error": error, "df": df, **counts}


def plus(estimate: dict, shift: float) -> dict:
    """The estimate moved by a constant, which has no error."""
    return {**estimate, "estimate": estimate["estimate"] + shift}


def one(rows: pl.DataFrame, **which) -> dict | None:
    """The row with these values, if there is one with an estimate."""
    rows = rows.filter(**which).drop_nulls("estimate")
    return rows.row(0, named=True) if len(rows) else None
