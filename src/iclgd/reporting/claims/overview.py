"""The papers' claims in short: one row for each, with the verdict on it and those on its cells."""

from __future__ import annotations

from collections import Counter

import polars as pl

from iclgd.reporting.claims.judge import VERDICTS
from iclgd.reporting.findings import Row


def by_paper(table: pl.DataFrame) -> dict[str, list[tuple[str, str, str]]]:
    """The claims of every paper: the claim, the verdict on it, and how many cells say what.

    ``table``: `judge.judged`. Papers and claims are in its order.
    """
    found: dict[str, list[tuple[str, str, str]]] = {}
    for (paper, claim), cells in table.group_by("paper", "claim", maintain_order=True):
        found.setdefault(paper, []).append((claim, cells["overall"][0], counts(cells)))
    return found


def counts(table: pl.DataFrame) -> str:
    """How many cells have which verdict, the most frequent one first: ``holds 5, fails 2``."""
    found = Counter(table["verdict"])
    order = sorted(found, key=lambda verdict: (-found[verdict], VERDICTS.index(verdict)))
    return ", ".join(f"{verdict} {found[verdict]}" for verdict in order)


def findings(table: pl.DataFrame) -> list[Row]:
    """The same as a table, header first."""
    papers = by_paper(table)
    rows = [
        [paper, verdict, cells, claim]
        for paper in papers
        for claim, verdict, cells in papers[paper]
    ]
    return [["paper", "verdict", "cells", "claim"], *rows]
