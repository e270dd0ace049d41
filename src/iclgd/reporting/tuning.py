"""ICL of several models against the GD of one, at the rate and epoch nearest to each of them.

A model that departs from a construction in its attention to other lines learns by GD what the
construction learns, to the last bit, since GD is asked the query alone (a test has that). So its
ICL is compared with the GD of the construction.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import polars as pl

from iclgd.io.cli import InputError
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics import order_sensitivity, pairing, registry
from iclgd.statistics import choice, intervals
from iclgd.study import names

RUN = list(RUN_COLUMNS)
DISTANCE = "tv"
Place = tuple  # a model, task, design and number of shots: the values of RUN


class Nearest(NamedTuple):
    """A learner of a grid and its epoch; ``at_end``: its rate or epoch is an end of the grid."""

    learner: str
    epoch: int
    at_end: bool


def rate(learner: str) -> float | None:
    """The rate of ``learner@rate``; None if the name has none."""
    return float(names.value(learner)) if names.value(learner) else None


def learner_of_rate(pairs: list[tuple[str, str]], own: float | None) -> str:
    """Of the pairs (ICL, GD at a rate) the GD at the rate ``own``.

    Raises InputError unless all are one ICL and the rates of one GD, among them this one.
    """
    if len({(a, names.base(b)) for a, b in pairs}) > 1:
        raise InputError(f"--agreement: one pair of learners is needed, found {pairs}")
    learners = [b for _, b in pairs]
    if len(learners) == 1:
        return learners[0]
    there = [b for b in learners if own is not None and rate(b) == own]
    if not there:
        raise InputError(
            f"{names.base(learners[0])}: its rates lack that of the construction, {own}"
        )
    return there[0]


def by_run(tables: Iterable[pl.DataFrame]) -> dict[tuple, pl.DataFrame]:
    """Blocks of logits put together, by (``RUN``, learner)."""
    blocks: dict[tuple, list[pl.DataFrame]] = {}
    for table in tables:
        blocks.setdefault(table.select(*RUN, "learner").row(0), []).append(table)
    return {key: pl.concat(parts) for key, parts in blocks.items()}


def sides(
    logits: dict[tuple, pl.DataFrame], pairs: list[tuple[str, str]], root: str
) -> dict[Place, tuple[pl.DataFrame, dict[str, pl.DataFrame]]]:
    """ICL of every run, and GD of the model ``root`` by learner, as if it were the run's.

    Raises InputError where a table is missing.
    """
    found, icl = {}, pairs[0][0]
    for (*place, learner), table in logits.items():
        if learner != icl:
            continue
        gd = {}
        for _, b in pairs:
            if (key := (root, *place[1:], b)) not in logits:
                raise InputError(f"--logits: those of {root}, {b} are missing")
            gd[b] = logits[key].with_columns(model=pl.lit(place[0]))
        found[tuple(place)] = table, gd
    return found


def distances(icl: pl.DataFrame, gd: dict[str, pl.DataFrame]) -> pl.DataFrame:
    """Total variation of ICL and every learner on validation queries, as `nearest` wants it."""

    def measured(ok: pl.DataFrame) -> pl.DataFrame:
        return pl.DataFrame({DISTANCE: pairing.total_variation(ok)}).cast(pl.Float64)

    validation = (table.filter(pl.col("split") == "validation") for table in gd.values())
    found = [_compared(icl, table, measured) for table in validation]
    return pl.concat(found)


def rows(icl: pl.DataFrame, gd: pl.DataFrame, epochs: Iterable[int]) -> pl.DataFrame:
    """Every metric of ICL and one learner at some epochs, on test queries.

    The columns of ``registry.AGREEMENT`` that `estimates` reads.
    """
    test = gd.filter(pl.col("epoch").is_in(list(epochs)), pl.col("split") == "test")
    return _compared(icl, test, lambda ok: pairing.metrics(ok)[0])


def _compared(
    icl: pl.DataFrame, gd: pl.DataFrame, measure: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    """Keys and what is measured of every pair that did not diverge; null where one did."""
    pairs = pairing.paired(icl, gd)
    keys = [*RUN, "draw", "order", "epoch", "example", "split"]
    sound = (pl.col("status") == "ok") & (pl.col("status_a") == "ok")
    ok, lost = pairs.filter(sound), pairs.filter(~sound)
    parts = [lost.select(keys).with_columns(status=pl.lit("diverged"))]
    if not ok.is_empty():
        both = [ok.select(*keys, "status"), measure(ok)]
        parts.append(pl.concat(both, how="horizontal"))
    return pl.concat(parts, how="diagonal").with_columns(b=pl.lit(gd["learner"][0]))


def nearest(grid: pl.DataFrame) -> Nearest:
    """The learner and epoch of a run's grid that are nearest to ICL on validation queries.

    ``grid``: rows with ``RUN, b, epoch, split, status`` and ``tv``. Epoch 0 is no learning: no end
    of the grid, and not chosen. Raises InputError if every rate diverged at every epoch.
    """
    chosen = choice.chosen(grid, RUN, "b", choice.SCORES["nearest"])
    if chosen.is_empty():
        raise InputError("GD diverged at every rate and epoch")
    _, learner, epoch = chosen.row(0)[len(RUN) - 1 :]
    rates = sorted({rate(b) or 0.0 for b in grid["b"].unique()})
    epochs = sorted(set(grid["epoch"]) - {0})
    ends = (rate(learner) or 0.0) in (rates[0], rates[-1]) and len(rates) > 1
    return Nearest(learner, epoch, ends or epoch in (epochs[0], epochs[-1]))


def estimates(rows: pl.DataFrame, icl: pl.DataFrame, gd: pl.DataFrame) -> pl.DataFrame:
    """Every metric of agreement rows over test queries, in the form of ``intervals.means``.

    By ``RUN`` and ``epoch``; beside the metrics of agreement ``sen_a`` and ``sen_b``, of both
    learners. ``draw`` is null there; of total variation every draw has rows with its number as
    well: its ``estimate``, of so many ``queries``, without an interval.
    """
    by = [*RUN, "epoch"]
    rows = rows.filter(pl.col("split") == "test")
    found = [intervals.means(rows, by, registry.METRICS.values())]
    epochs = rows.select("epoch").unique()
    for table, metric in zip((icl, gd), order_sensitivity.SEN_OF.values(), strict=True):
        test = table.filter(pl.col("split") == "test")
        if table is icl:  # the same at every epoch of GD
            sens = _sens(test, metric.name).drop("epoch").join(epochs, how="cross")
        else:
            sens = _sens(test.join(epochs, on="epoch", how="semi"), metric.name)
        found.append(intervals.means(sens, by, [metric]))
    alone = (
        rows.drop_nulls(DISTANCE)
        .group_by(*by, "draw")
        .agg(
            pl.col(DISTANCE).mean().alias("estimate"),
            pl.col("example").n_unique().cast(pl.Int32).alias("queries"),
        )
        .with_columns(metric=pl.lit(DISTANCE))
    )
    return pl.concat([*found, alone], how="diagonal")


def _sens(table: pl.DataFrame, name: str) -> pl.DataFrame:
    """Sen of every query of every draw and epoch, in the column ``name``."""
    sens = []
    for _, group in table.group_by("epoch", "draw", maintain_order=True):
        if answers := order_sensitivity.read(group):
            first = group.select(*RUN, "epoch", "draw").head(1)
            own = {"example": answers.examples, name: order_sensitivity.sen(answers)}
            sens.append(first.join(pl.DataFrame(own), how="cross"))
    schema = {n: table.schema[n] for n in (*RUN, "epoch", "draw", "example")}
    return pl.concat(sens) if sens else pl.DataFrame(schema={**schema, name: pl.Float64})
