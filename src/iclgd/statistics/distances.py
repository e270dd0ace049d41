"""Distances of learners from ICL with all that they are held against, estimated from cells."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics.distances import DISTANCES, ESTIMATED, GAIN
from iclgd.statistics import cells, choice, intervals
from iclgd.statistics.cells import CELL
from iclgd.statistics.families import family

PLACE = [*RUN_COLUMNS, "a"]
AT = ["b", "epoch"]
ENDED = ("converged", "stalled")  # states of a run


@dataclass(frozen=True)
class Run:
    """Agreement tables of one model, task, design and ICL.

    ``reference``: ICL under another order; ``learners``, ``solvers``: all others, which train or
    not; ``replicates``: of learners with themselves on reordered demonstrations, whose ``a`` is
    one of the learners ``b``. Each of them may have no rows.
    """

    reference: pl.DataFrame
    learners: pl.DataFrame
    solvers: pl.DataFrame
    replicates: pl.DataFrame


def estimates(run: Run) -> pl.DataFrame:
    """One row for every family of learners, choice (`choice.SCORES`) and measure (`DISTANCES`).

    ``PLACE, family, b, epoch, choice, measure``; the columns of ``intervals.ESTIMATE``, of the
    distance from ICL; of the other metrics of `ESTIMATED` the estimate by its name, and
    ``_error, _df, _skew, _mde``; ``solver_name``; ``border``: which end of the epochs or rates
    the choice lies at, null inside; ``ended``: share of runs that had ended at the last epoch.
    Measure ``gain`` is the accuracy of ICL minus that of the learner, with nothing beside it.
    """
    solver = _nearest_solver(run.solvers)
    reference = cells.distances(run.reference, [], DISTANCES)
    beside = {
        "z": (cells.distances(_zero_shot(run.learners), [], DISTANCES), CELL),
        "s": (cells.distances(solver, [], DISTANCES), CELL),
        "n": (cells.distances(run.replicates.with_columns(b="a"), AT, DISTANCES), [*CELL, *AT]),
    }
    found = []
    for (name,), rows in run.learners.group_by(family("b"), maintain_order=True):
        for chosen_by, score in choice.SCORES.items():
            best = choice.chosen(rows, PLACE, "b", score)
            if best.is_empty():  # diverged at every rate
                continue
            mine = rows.join(
                choice.chosen_by_others(rows, "b", score), on=["draw", *AT], how="semi"
            )
            own = cells.distances(mine, AT, DISTANCES)
            own = cells.against(own, reference, (best["b"][0], run.reference["b"][0]))
            for letter, (other, on) in beside.items():
                own = cells.beside(own, other, letter, on)
            own = own.join(_unfinished(rows), on=["draw", *AT], how="left").with_columns(
                excess_settled=pl.when("unfinished").then(-pl.col("r_most")).otherwise("excess"),
                untouched="z_least",
                solver="s_least",
                rounding="n_most",
                nearer=pl.col("s_least") - pl.col("most"),
                nearer_most=pl.col("s_most") - pl.col("least"),
            )
            gain = pl.col("accuracy_a") - pl.col("accuracy_b")
            test = mine.filter(pl.col("split") == "test")
            test = test.with_columns(measure=pl.lit("gain"), gain=gain)
            parts = [
                _wide(intervals.means(own, ["measure"], ESTIMATED.values())),
                intervals.means(test, ["measure"], [GAIN]).drop("metric"),
            ]
            named = best.with_columns(
                family=pl.lit(name),
                choice=pl.lit(chosen_by),
                solver_name=pl.lit(None if solver.is_empty() else solver["b"][0], pl.String),
                **_end(rows, *best.select(AT).row(0)),
            )
            found.append(named.join(pl.concat(parts, how="diagonal"), how="cross"))
    return pl.concat(found)


def _wide(estimates: pl.DataFrame) -> pl.DataFrame:
    """One row for each measure: that of the distance, and the others beside it."""
    table = estimates.filter(metric="distance").drop("metric")
    for name in ESTIMATED:
        if name == "distance":
            continue
        parts = ("error", "df", "skew", "mde")
        other = estimates.filter(metric=name).select(
            "measure",
            pl.col("estimate").alias(name),
            *(pl.col(part).alias(f"{name}_{part}") for part in parts),
        )
        table = table.join(other, on="measure", how="left")
    return table


def _unfinished(learners: pl.DataFrame) -> pl.DataFrame:
    """``draw, b, epoch, unfinished``: the last epoch of runs that had not ended there."""
    last = learners.filter(
        pl.col("epoch") == pl.col("epoch").max().over("b"), pl.col("state").is_not_null()
    )
    going = last.filter(~pl.col("state").is_in(ENDED))
    return going.select("draw", *AT, unfinished=True).unique()


def _zero_shot(learners: pl.DataFrame) -> pl.DataFrame:
    """Epoch 0 of a learner that trains; all are the same there."""
    trained = learners.filter(pl.col("epoch").max().over("b") > 0)
    return trained.filter(pl.col("epoch") == 0, pl.col("b") == pl.col("b").min())


def _nearest_solver(solvers: pl.DataFrame) -> pl.DataFrame:
    """Rows of the solver that is nearest to ICL on validation queries; of equals the first."""
    validation = solvers.filter(pl.col("split") == "validation")
    means = validation.group_by("b").agg(score=choice.SCORES["nearest"].mean())
    best = means.sort("score", "b", descending=[True, False]).head(1)
    return solvers.join(best, on="b", how="semi")


def _end(rows: pl.DataFrame, b: str, epoch: int) -> dict[str, pl.Expr]:
    """``border`` and ``ended`` of a family at the chosen rate and epoch."""
    last = rows.filter(pl.col("b") == b, pl.col("epoch") == rows["epoch"].max())
    last = last.filter(pl.col("state").is_not_null())
    ended = last["state"].is_in(ENDED).mean() if len(last) else None
    return {
        "border": pl.lit(choice.border(rows, "b", b, epoch), pl.String),
        "ended": pl.lit(ended, pl.Float64),
    }
