"""Names in tables taken apart (`iclgd.study.names`): entries and their values.

A family is a learner at any rate: ``gd@0.001`` and ``gd@0.01`` are of ``gd``.
"""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from iclgd.study import names


def family(column: str) -> pl.Expr:
    """The entry of each name: of a learner its family, of a model what its revisions are of."""
    return _each(column, names.base).alias("family")


def value(column: str) -> pl.Expr:
    """The value in each name: a rate, a revision, a dose; empty for a name without one."""
    return _each(column, names.value).alias("value")


def step(column: str) -> pl.Expr:
    """The step in the revision of each model, null without a number: 1000 of ``m@step1000``."""
    revision = value(column)
    numbers = (revision.str.extract(one) for one in (r"step[-_]?(\d+)", r"(\d+)"))
    return pl.coalesce(*numbers).cast(pl.Int64).alias("step")


def _each(column: str, part: Callable[[str], str]) -> pl.Expr:
    def parts(column: pl.Series) -> pl.Series:
        known = column.unique().drop_nulls().to_list()
        found = pl.Series([part(one) for one in known], dtype=pl.String)
        return column.replace_strict(known, found, default=None, return_dtype=pl.String)

    return pl.col(column).map_batches(parts, pl.String)
