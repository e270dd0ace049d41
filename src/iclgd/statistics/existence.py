"""How far from ICL each learner is, in units of how far ICL is from itself: a chain of existence.

ICL under another order of the same demonstrations is 1. That weights exist which answer as ICL does
is shown by what ICL taught; that the labels of the demonstrations lead there would be shown by
gradient descent on them. Where the first is near and the second is not, the gap does not come from
what weights can hold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import polars as pl

from iclgd.io.cli import InputError
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics.agreement import METRICS
from iclgd.metrics.distances import BEYOND, ESTIMATED, PAST_GD, UNITS
from iclgd.statistics import choice, intervals
from iclgd.statistics.families import family
from iclgd.statistics.sensitivity import ON_FUNCTIONS, TRAINED

PLACE = [*RUN_COLUMNS, "a"]
CELL = ["draw", "example"]
# Readings: the rate and epoch nearest to ICL, that of best accuracy (of gradient descent alone),
# and epoch 0 of what trains.
NEAREST, ACCURACY, UNTOUCHED = "nearest", "accuracy", "untouched"
DISTANCE = METRICS["tv"]
EXCESS = ESTIMATED["excess"]
LEAST = 0.01  # total variation: ICL that no order moves by so much is no unit


def summarised(pairs: Iterable[pl.DataFrame], roles: Mapping[str, str]) -> pl.DataFrame:
    """Every learner of agreement tables (``registry.AGREEMENT``), at each of its readings.

    ``roles`` by entry. The rate and epoch are chosen on validation queries, for each draw by the
    others (`choice.chosen_by_others`); shown are those chosen over all. One row per run, learner,
    reading and metric: ``PLACE, family, b, epoch, reading, metric``, those of `intervals.ESTIMATE`
    and ``foremost``: the nearest, on validation queries, of all that ICL taught, or of all that
    descends on the labels.
    ``past_gd`` is of those alone whose steps are another optimiser's (`otherwise`), beside the
    foremost gradient descent of the whole model. There is no ``beyond`` where ICL teaches nothing,
    and no ``units`` where ICL has no other order, or one that moves it by less than `LEAST`. Raises
    InputError for tables without a learner.
    """
    rows = pl.concat(pairs)
    role = {name: roles[name] for name in rows.select(family("b"))["family"].unique()}
    found = [_run(own, role) for _, own in rows.group_by(PLACE, maintain_order=True)]
    if not found:
        raise InputError("--agreement: no tables")
    return pl.concat(found).sort(*PLACE, "family", "reading", "metric")


def _run(rows: pl.DataFrame, roles: Mapping[str, str]) -> pl.DataFrame:
    """Those of one model, task, design and ICL."""
    readings = {}
    for (name,), own in rows.group_by(family("b"), maintain_order=True):
        scores = [NEAREST, *([ACCURACY] if roles[name].startswith(TRAINED) else [])]
        for reading in scores:
            if (read := _chosen(own, reading)) is not None:
                readings[name, reading] = read
    zero = rows.filter(pl.col("epoch").max().over("b") > 0, pl.col("epoch") == 0)
    zero = zero.filter(pl.col("b") == pl.col("b").min())
    if len(zero):
        readings[zero.select(family("b"))["family"][0], UNTOUCHED] = zero
    own = [name for name in roles if roles[name] == "icl-reordered"]
    reference = next((readings[name, NEAREST] for name in own if (name, NEAREST) in readings), None)
    foremost = [_foremost(readings, roles, which) for which in (_taught, descends)]
    best = readings.get((foremost[0], NEAREST))
    gd = readings.get((_foremost(readings, roles, _plain), NEAREST))
    found = [
        _estimated(one, reference, best, gd if otherwise(roles[name]) else None).with_columns(
            family=pl.lit(name),
            b=pl.lit(_shown(one)[0]),
            epoch=pl.lit(_shown(one)[1], pl.Int32),
            reading=pl.lit(reading),
            foremost=pl.lit(reading == NEAREST and name in foremost),
        )
        for (name, reading), one in readings.items()
    ]
    columns = [*PLACE, "family", "b", "epoch", "reading", "foremost", "metric"]
    columns += list(intervals.ESTIMATE)
    return pl.concat(found).select(columns)


def _chosen(rows: pl.DataFrame, reading: str) -> pl.DataFrame | None:
    """Rows of a family at the rate and epoch that the other draws choose; None if all diverged."""
    score = choice.SCORES[reading]
    best = choice.chosen(rows, PLACE, "b", score)
    if best.is_empty():
        return None
    others = choice.chosen_by_others(rows, "b", score)
    kept = rows.join(others, on=["draw", "b", "epoch"], how="semi")
    return kept.with_columns(
        shown_b=pl.lit(best["b"][0]), shown_epoch=pl.lit(best["epoch"][0], pl.Int32)
    )


def _shown(rows: pl.DataFrame) -> tuple[str, int]:
    """The rate and epoch that stand for a reading."""
    names = ("shown_b", "shown_epoch") if "shown_b" in rows.columns else ("b", "epoch")
    return rows[names[0]][0], rows[names[1]][0]


def otherwise(role: str) -> bool:
    """Whether a learner takes other steps than along the gradient."""
    return role in ("adam", "newton")


def descends(role: str) -> bool:
    """Whether a learner descends on the labels in the model's own weights."""
    return role.startswith(TRAINED) and role not in ON_FUNCTIONS


def _plain(role: str) -> bool:
    return role in ("gd", "sgd")


def _taught(role: str) -> bool:
    return role == "taught"


def _foremost(
    readings: Mapping[tuple[str, str], pl.DataFrame],
    roles: Mapping[str, str],
    which: Callable[[str], bool],
) -> str | None:
    """The family with ``which`` roles that is nearest on validation queries."""
    apart = {
        name: rows.filter(pl.col("split") == "validation")["tv"].mean()
        for (name, reading), rows in readings.items()
        if reading == NEAREST and which(roles[name])
    }
    return min(sorted(apart), key=apart.__getitem__, default=None)


def _cells(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Total variation on test queries, orders averaged: ``draw, example`` and the column."""
    test = rows.filter(pl.col("split") == "test")
    return test.group_by(*CELL).agg(pl.col("tv").mean().alias(name))


def _estimated(
    rows: pl.DataFrame,
    reference: pl.DataFrame | None,
    best: pl.DataFrame | None,
    gd: pl.DataFrame | None,
) -> pl.DataFrame:
    """The metrics of one reading, of the cells that it shares with what it is held against."""
    cells = rows.select(PLACE).head(1).join(_cells(rows, "tv"), how="cross")
    parts = [intervals.means(cells, PLACE, [DISTANCE])]
    if reference is not None:
        both = cells.join(_cells(reference, "own"), on=CELL)
        excess = both.with_columns(excess=pl.col("tv") - pl.col("own"))
        parts.append(intervals.means(excess, PLACE, [EXCESS]))
        if len(both) and both["own"].mean() >= LEAST:
            parts.append(intervals.ratios(both, PLACE, "tv", "own", UNITS))
    for metric, other in ((BEYOND, best), (PAST_GD, gd)):
        if other is not None:
            both = cells.join(_cells(other, "other"), on=CELL)
            farther = both.with_columns((pl.col("tv") - pl.col("other")).alias(metric.name))
            parts.append(intervals.means(farther, PLACE, [metric]))
    return pl.concat(parts)
