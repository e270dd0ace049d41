"""How many steps of a learner a model's layers are worth: distance from ICL at every epoch.

Of a learner with rates the one that is nearest to ICL at that epoch on validation queries counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import polars as pl

from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics.distances import PAST_NEWTON
from iclgd.statistics import contrasts, intervals
from iclgd.statistics.existence import DISTANCE
from iclgd.statistics.families import family

PLACE = [*RUN_COLUMNS, "a"]


def summarised(pairs: Iterable[pl.DataFrame], roles: Mapping[str, str]) -> pl.DataFrame:
    """Total variation over test queries of every learner that has steps, at each of its epochs.

    From agreement tables (``registry.AGREEMENT``): ``PLACE, family, b, epoch, metric``, the columns
    of `intervals.ESTIMATE`, and ``nearest``: whether no other epoch from 1 on is nearer to ICL on
    validation queries, and none before it as near. Where some are Newton's method by ``roles`` (of
    families) and some are not, there is how far beyond the foremost of these the foremost of the
    others is (`PAST_NEWTON`), by validation queries, each at its nearest. Rates at which a run
    diverged do not count.
    """
    rows = pl.concat(pairs).with_columns(family("b"))
    rows = rows.filter(pl.col("epoch").max().over(*PLACE, "b") > 0)
    by = [*PLACE, "family", "epoch"]
    validation = (
        rows.filter(pl.col("split") == "validation")
        .group_by(*by, "b")
        .agg(apart=pl.col("tv").mean().round(12), sound=(pl.col("status") == "ok").all())
        .filter("sound")
    )
    best = validation.sort(*by, "apart", "b").group_by(by, maintain_order=True).first()
    steps = best.filter(pl.col("epoch") > 0).sort(*PLACE, "family", "apart", "epoch")
    first = steps.group_by(*PLACE, "family", maintain_order=True).first().select(by)
    nearest = best.join(first.with_columns(nearest=True), on=by, how="left")
    nearest = nearest.with_columns(pl.col("nearest").fill_null(False))
    test = rows.filter(pl.col("split") == "test").join(best, on=[*by, "b"], how="semi")
    newton = pl.col("family").replace_strict(roles, return_dtype=pl.String) == "newton"
    either = steps.group_by(*PLACE, "family", maintain_order=True).first().with_columns(one=newton)
    either = either.sort("apart", "family").group_by(*PLACE, "one", maintain_order=True).first()
    foremost = test.join(either, on=by, how="inner")
    past = contrasts.between(
        *(foremost.filter(side) for side in (~newton, newton)), PLACE, DISTANCE.name, "family"
    ).rename({"difference": PAST_NEWTON.name})
    found = [
        intervals.means(rows, [*by, "b"], [metric])
        for metric, rows in ((DISTANCE, test), (PAST_NEWTON, past))
    ]
    return pl.concat(found).join(nearest.select(*by, "nearest"), on=by).sort(*by, "metric")
