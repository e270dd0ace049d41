"""Which rate and epoch of a learner counts, by its validation queries.

Reports use the test queries, which have no part in the choice. Two choices are made: of best
accuracy, as papers do, and nearest to ICL, which is the most that can be said for a learner.
"""

from __future__ import annotations

import polars as pl

from iclgd.statistics.families import family, value

# What is best, of rows of agreement tables (ICL and a learner ``b``).
SCORES = {"accuracy": pl.col("accuracy_b"), "nearest": -pl.col("tv")}


def chosen(rows: pl.DataFrame, by: list[str], learner: str, score: pl.Expr) -> pl.DataFrame:
    """The rate and epoch with the best mean ``score`` on validation queries, over all draws.

    ``rows`` are query rows with ``split``, ``status`` and ``epoch``; the choice is made per group
    of ``by`` and family of ``learner``. Epoch 0, which is no learning, is left out unless nothing
    else is there. Of equals the last epoch counts, and of these the first name: to be as good
    with less training is no reason to stop. A rate at which any row of that epoch diverged
    is not chosen. Returns the columns ``by``, ``learner`` and ``epoch``.
    """
    return _best(_draw_means(rows, [*by, learner], score), by, learner)


def chosen_by_others(rows: pl.DataFrame, learner: str, score: pl.Expr) -> pl.DataFrame:
    """The same of one run for each draw, chosen by the other draws: ``draw, learner, epoch``.

    How much the choice hangs on its draws is so part of what differs between draws, and no draw
    has a part in its own choice. A single draw chooses for itself.
    """
    means = _draw_means(rows, [learner], score)
    draws = means["draw"].unique().sort()
    found = []
    for draw in draws:
        others = means.filter(pl.col("draw") != draw) if len(draws) > 1 else means
        best = _best(others, [], learner)
        found.append(best.select(pl.lit(draw).cast(rows.schema["draw"]).alias("draw"), pl.all()))
    return pl.concat(found)


def border(rows: pl.DataFrame, learner: str, name: str, epoch: int) -> str | None:
    """Which end of the epochs or rates tried a choice lies at, of the ``rows`` of one family.

    ``last epoch``, ``lowest rate``, ``highest rate``, or two of them; None inside.
    """
    own = rows.filter(pl.col(learner) == name)
    found = ["last epoch"] if 0 < epoch == own["epoch"].max() else []
    named = rows.select(learner, value(learner)).unique().filter(pl.col("value") != "")
    rates = {one: float(rate) for one, rate in named.rows()}
    if len(rates) > 1:
        lowest, highest = min(rates.values()), max(rates.values())
        found += ["lowest rate"] * (rates[name] == lowest)
        found += ["highest rate"] * (rates[name] == highest)
    return ", ".join(found) or None


def _draw_means(rows: pl.DataFrame, by: list[str], score: pl.Expr) -> pl.DataFrame:
    """``by, epoch, draw, score, sound`` of the validation queries."""
    return (
        rows.filter(pl.col("split") == "validation")
        .group_by(*by, "epoch", "draw")
        .agg(score.mean().alias("score"), (pl.col("status") == "ok").all().alias("sound"))
    )


def _best(means: pl.DataFrame, by: list[str], learner: str) -> pl.DataFrame:
    overall = (
        means.group_by(*by, learner, "epoch")
        # Sorted, so that the sum does not depend on the order of rows.
        .agg(pl.col("score").sort_by("draw").mean(), pl.col("sound").all())
        .filter("sound")
        .with_columns(family(learner), (pl.col("epoch") == 0).alias("untouched"))
    )
    order = ["untouched", pl.col("score").round(12).neg(), pl.col("epoch").neg(), learner]
    best = overall.sort(order).group_by(*by, "family", maintain_order=True)
    return best.first().select(*by, learner, "epoch")
