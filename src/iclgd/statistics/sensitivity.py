"""How near each protocol of gradient descent comes to ICL, at every rate and epoch tried.

A protocol is a family of learners: how it descends, at several rates. Distances are total
variations between next-token distributions over test queries. The excess is the distance from
ICL minus that of ICL from itself under another order of the same demonstrations, paired draw by
draw and query by query; a protocol reaches ICL where it is surely below the smallest effect of
interest (one-sided, 5 %).

Of many rates and epochs some come near by chance. So the point that speaks for a protocol is
chosen on validation queries, for every draw by the other draws (`choice.chosen_by_others`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import polars as pl

from iclgd.io.cli import InputError
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics.agreement import METRICS
from iclgd.metrics.distances import ESTIMATED
from iclgd.statistics import cells, choice, crossed, intervals
from iclgd.statistics.crossed import ALPHA, Spread
from iclgd.statistics.families import family

PLACE = [*RUN_COLUMNS, "a"]
AT, MEASURE = ["learner", "epoch"], ["tv"]
ACCURACY, NEAREST = METRICS["accuracy_b"], choice.SCORES["nearest"]
MEASURED = [ESTIMATED[name] for name in ("distance", "reference", "excess", "excess_most")]
TRAINED = ("gd", "newton", "sgd", "adam")  # how roles of what descends begin
ON_FUNCTIONS = ("gd-kernel", "newton")  # of these, roles of what moves no weights of the model


def summarised(
    pairs: Iterable[pl.DataFrame], roles: Mapping[str, str], smallest: float
) -> pl.DataFrame:
    """One row for every learner and epoch, and for each protocol its ``closest`` point.

    ``pairs``: agreement tables of ICL (``registry.AGREEMENT``); ``roles``: of learners without
    their rates. Columns: ``PLACE, family, learner, epoch``; those of ``intervals.ESTIMATE``, of
    the distance from ICL; ``reference``; ``excess, excess_low, excess_high``, bounds of
    one-sided tests at 5 %; ``smallest``; ``reached`` and ``missed``, whether the excess is surely
    below it, or above; ``accuracy, accuracy_low, accuracy_high``; ``loss`` and ``diverged``, means
    over runs; ``closest``; ``border``: which end of the epochs or rates a closest point lies
    at. The reference has a row of its own, whose accuracy is ICL's. A protocol that diverged at
    every rate has no closest point. Raises InputError where ICL under another order is missing.
    """
    found: dict[tuple, dict[str, list]] = {}
    for rows in pairs:
        a, b = (rows.head(1).select(family(side))["family"][0] for side in "ab")
        if roles.get(a) != "icl":
            continue
        kind = "reference" if roles.get(b) == "icl-reordered" else "learners"
        if kind == "learners" and not roles.get(b, "").startswith(TRAINED):
            continue
        place = rows.select(PLACE).row(0)
        found.setdefault(place, {"reference": [], "learners": []})[kind].append(rows)
    if not found:
        raise InputError("no table is of ICL and a learner that trains")
    parts = []
    for place, kinds in found.items():
        if not kinds["reference"]:
            raise InputError(f"{' '.join(map(str, place))}: no ICL under another order beside it")
        named = [pl.concat(kinds[kind]).rename({"b": "learner"}) for kind in kinds if kinds[kind]]
        parts.append(_of_place(*named, smallest=smallest))
    return pl.concat(parts).sort(*PLACE, "family", "closest", "learner", "epoch")


def _of_place(
    reference: pl.DataFrame, learners: pl.DataFrame | None = None, *, smallest: float
) -> pl.DataFrame:
    """The rows of one model, task and design."""
    parts = [_estimates(reference, reference, smallest)]
    if learners is not None:
        parts.append(_estimates(learners, reference, smallest))
        parts.append(_closest(learners, reference, smallest))
    whole = pl.concat(part for part in parts if len(part))
    return whole.with_columns(pl.lit(reference[name][0]).alias(name) for name in PLACE).select(
        *PLACE, pl.exclude(PLACE)
    )


def _closest(learners: pl.DataFrame, reference: pl.DataFrame, smallest: float) -> pl.DataFrame:
    """The closest point of every protocol, named after what all draws choose together."""
    found = []
    for _, rows in learners.group_by(family("learner"), maintain_order=True):
        best = choice.chosen(rows, [], "learner", NEAREST)
        if best.is_empty():
            continue
        others = choice.chosen_by_others(rows, "learner", NEAREST)
        mine = rows.join(others, on=["draw", *AT], how="semi")
        at = {"learner": best["learner"][0], "epoch": best["epoch"][0]}
        mine = mine.with_columns(
            pl.lit(one).cast(rows.schema[name]).alias(name) for name, one in at.items()
        )
        row = _estimates(mine, reference, smallest)
        border = choice.border(rows, "learner", *at.values())
        found.append(row.with_columns(closest=pl.lit(True), border=pl.lit(border, pl.String)))
    return pl.concat(found) if found else _estimates(learners.clear(), reference, smallest)


def _estimates(rows: pl.DataFrame, reference: pl.DataFrame, smallest: float) -> pl.DataFrame:
    """The columns of `summarised` from ``family`` on, of every learner and epoch in ``rows``."""
    test = rows.filter(pl.col("split") == "test")
    own, noise = cells.distances(rows, AT, MEASURE), cells.distances(reference, [], MEASURE)
    names = tuple(one["learner"].first() for one in (rows, reference))
    table = intervals.means(cells.against(own, noise, names), AT, MEASURED)
    wide = table.filter(metric="distance").drop("metric")
    for name, end, of in (("excess", "low", "excess"), ("excess_most", "high", "excess_most")):
        own = table.filter(metric=name)
        bound = pl.Series(f"excess_{end}", _bound(own, end), nan_to_null=True)
        columns = [pl.col("estimate").alias(of), bound.clip(*ESTIMATED["excess"].range)]
        wide = wide.join(own.select(*AT, *columns), on=AT, how="left")
    own = table.filter(metric="reference").select(*AT, reference="estimate")
    right = intervals.means(test, AT, [ACCURACY])
    right = right.select(*AT, accuracy="estimate", accuracy_low="low", accuracy_high="high")
    runs = test.group_by(AT).agg(
        loss=pl.col("loss").cast(pl.Float64).mean(),
        diverged=(pl.col("status") == "diverged").mean(),
    )
    for other in (own, right, runs):
        wide = wide.join(other, on=AT, how="left")
    sound = pl.col("diverged") == 0
    return wide.select(
        family("learner"),
        *AT,
        *intervals.ESTIMATE,
        *("reference", "excess", "excess_low", "excess_high"),
        smallest=pl.lit(smallest),
        reached=(sound & (pl.col("excess_high") < smallest)).fill_null(False),
        missed=(pl.col("excess_low") > smallest).fill_null(False),
        accuracy="accuracy",
        accuracy_low="accuracy_low",
        accuracy_high="accuracy_high",
        loss="loss",
        diverged="diverged",
        closest=pl.lit(False),
        border=pl.lit(None, pl.String),
    )


def _bound(table: pl.DataFrame, end: str) -> np.ndarray:
    """The lower or upper bound of every estimate, one-sided at `ALPHA`."""
    numbers = table.select("estimate", "error", "df", "skew").cast(pl.Float64).to_numpy().T
    spread = Spread(*numbers[:3], np.nan_to_num(numbers[3]))
    low, high = crossed.bounds(spread, 1 - 2 * ALPHA)
    return low if end == "low" else high
