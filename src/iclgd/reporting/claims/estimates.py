"""Estimates from a summary: the evidence that a kind of figure has for claims of papers.

``evidence(summary)`` of a kind yields pairs of a claim's name in claims.yaml and an estimate: a
row of the summary. What two learners differ by is estimated where the summary is made, from what
they have in common (`statistics.contrasts`), and no difference of two rows here. An estimate is a
dict with ``estimate``, ``error``, ``df``, ``skew``, the columns of `WHERE` and, where the tests of
equivalence decide, ``verdict``: one of `judge.VERDICTS`.
"""

from __future__ import annotations

from collections.abc import Iterator

RUN = ("model", "task", "design", "shots")
WHERE = ("model", "task", "shots", "learner")
Evidence = Iterator[tuple[str, dict]]


def plus(estimate: dict, shift: float) -> dict:
    """The estimate moved by a constant, which has no error."""
    return {**estimate, "estimate": estimate["estimate"] + shift}


def below(least: float, estimate: dict) -> dict:
    """``least`` minus the estimate, whose distribution is skewed the other way."""
    mirrored = {"estimate": least - estimate["estimate"], "skew": -(estimate.get("skew") or 0.0)}
    return {**estimate, **mirrored}
