"""Differences of what was asked the same queries after the same draws, cell by cell.

What a draw or a query does to both sides is no part of how they differ. So a difference is
estimated from its own cells (`intervals.means`), not from two estimates as if independent.
Draws of one number have the same demonstrations where the designs have as many; with more they
begin with those of fewer (`tasks.sampling.draw`). Draws and queries that only one side has are
left out.
"""

from __future__ import annotations

import polars as pl

from iclgd.metrics import accuracy
from iclgd.statistics import intervals
from iclgd.statistics.families import family, step

CELL = ["draw", "example"]


def between(
    mine: pl.DataFrame, other: pl.DataFrame, on: list[str], value: str, against: str
) -> pl.DataFrame:
    """The rows of ``mine`` with ``difference``: their ``value`` minus that of ``other``.

    Both have `CELL` and the columns ``on``, which say what is compared with what; orders of the
    other side are averaged. ``against``: its value there for the column of ``other`` of that name.
    """
    theirs = other.with_columns(pl.col(against).alias("against"))
    theirs = theirs.group_by(*on, *CELL, "against").agg(pl.col(value).mean().alias("_"))
    found = mine.join(theirs, on=[*on, *CELL])
    return found.with_columns((pl.col(value) - pl.col("_")).alias("difference")).drop("_")


def by_shots(rows: pl.DataFrame, icl: list[str], by: list[str]) -> pl.DataFrame:
    """`accuracy.CONTRASTS` over numbers of demonstrations, from rows of learners as chosen.

    Of each learner's accuracy with the most that with the fewest is subtracted
    (``accuracy_more``); of that with the most, and of that with the fewest, the accuracy of ICL,
    one of the families ``icl``, with the fewest (``accuracy_past_icl``). Of several designs of
    as many demonstrations the one with the most draws counts. In the form of `intervals.means` by
    ``by`` and ``against``, the design of what is subtracted.
    """
    size = ["model", "task", "shots"]
    designs = rows.group_by(*size, "design").agg(pl.col("draw").n_unique().alias("_"))
    designs = designs.sort("_", "design", descending=[True, False])
    first = designs.group_by(size, maintain_order=True).first()
    rows = rows.join(first.drop("_"), on=[*size, "design"], how="semi")
    rows = rows.with_columns(family("learner"))
    own = ["model", "task", "family"]
    least, most = (end.over(own) for end in (pl.col("shots").min(), pl.col("shots").max()))
    few, many = rows.filter(pl.col("shots") == least), rows.filter(pl.col("shots") == most)
    many = many.join(few, on=[*own, "shots"], how="anti")
    is_icl = pl.col("family").is_in(icl)
    either = pl.concat([many, few.filter(~is_icl)])
    found = {
        "accuracy_more": between(many, few, own, "accuracy", "design"),
        "accuracy_past_icl": between(
            either, few.filter(is_icl), ["model", "task"], "accuracy", "design"
        ),
    }
    return pl.concat(_means(part, by, name) for name, part in found.items())


def by_steps(rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """``accuracy_change``: of every checkpoint the accuracy minus that of the one before it.

    ``rows``, and what is returned: as in `by_shots`; ``against`` is the earlier checkpoint.
    """
    own = ["of", "task", "design", "shots", "family"]
    rows = rows.with_columns(family("learner"), family("model").alias("of"), step("model"))
    rows = rows.drop_nulls("step")
    rows = rows.with_columns(pl.col("step").rank("dense").over(own).cast(pl.Int32).alias("place"))
    before = rows.with_columns(pl.col("place") + 1)
    return _means(
        between(rows, before, [*own, "place"], "accuracy", "model"), by, "accuracy_change"
    )


def _means(rows: pl.DataFrame, by: list[str], name: str) -> pl.DataFrame:
    rows = rows.drop(name, strict=False).rename({"difference": name})
    return intervals.means(rows, [*by, "against"], [accuracy.CONTRASTS[name]])
