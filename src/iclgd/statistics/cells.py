"""Distances from ICL cell by cell, and what they exceed ICL's distance from itself by.

A cell is a draw and a query; the orders of a draw are averaged in it. What ICL differs by for no
reason that a learner could explain is its distance from itself under another order of the same
demonstrations, the reference. Both are subtracted within a cell, so that the error of this noise
is part of every test.
"""

from __future__ import annotations

from collections.abc import Iterable

import polars as pl

from iclgd.io.cli import InputError
from iclgd.metrics.distances import DISTANCES

CELL = ["draw", "example", "measure"]


def distances(rows: pl.DataFrame, by: list[str], measures: Iterable[str]) -> pl.DataFrame:
    """Cells of test queries, by each of ``measures`` (`DISTANCES`).

    ``rows``: agreement tables (``registry.AGREEMENT``) with the columns ``by``. One row per
    group, cell and measure: ``by``, `CELL`, ``least`` and ``most``, which the distance is between.
    """
    test = rows.filter(pl.col("split") == "test")
    parts = [
        test.group_by(*by, "draw", "example")
        .agg(least=DISTANCES[name].least.mean(), most=DISTANCES[name].most.mean())
        .with_columns(measure=pl.lit(name))
        for name in measures
    ]
    return pl.concat(parts)


def beside(cells: pl.DataFrame, other: pl.DataFrame, letter: str, on: list[str]) -> pl.DataFrame:
    """``cells`` with ``{letter}_least`` and ``{letter}_most`` of ``other``, null without one."""
    named = other.select(*on, *(pl.col(e).alias(f"{letter}_{e}") for e in ("least", "most")))
    return cells.join(named, on=on, how="left")


def against(cells: pl.DataFrame, reference: pl.DataFrame, names: tuple[str, str]) -> pl.DataFrame:
    """``cells`` of learners with ``distance, reference, excess, excess_most`` (`ESTIMATED`).

    ``reference``: its cells. The excess is the least that it can be, and ``excess_most`` the most.
    Raises InputError where the reference lacks a cell; ``names`` are those of both, for this.
    """
    if not cells.join(reference, on=CELL, how="anti").is_empty():
        raise InputError("{} has draws or queries that {} has not".format(*names))
    return beside(cells, reference, "r", CELL).with_columns(
        distance="least",
        reference="r_least",
        excess=pl.col("least") - pl.col("r_most"),
        excess_most=pl.col("most") - pl.col("r_least"),
    )
