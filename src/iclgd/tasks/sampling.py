"""Which demonstrations are shown, and in which orders."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable

import numpy as np
import polars as pl

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.tasks import controls
from iclgd.tasks.task_tables import generator


def draw(task: pl.DataFrame, shots: int, number: int) -> list[int]:
    """Examples of draw ``number``, class-balanced as far as ``shots`` allows.

    Classes take turns in a random order; a class that runs out of rows is passed over.
    A draw with more shots begins with the draw with fewer, so that comparisons over the
    number of shots are paired. Raises InputError if the task has fewer rows than shots.
    """
    name = parquet.only(task, "task")
    train = task.filter(pl.col("split") == "train").sort("example")
    if shots > len(train):
        raise InputError(
            f"task {name}: {shots} shots requested, but there are only {len(train)} training rows"
        )
    rng = generator(name, "draw", number)
    pools = [
        list(rng.permutation(rows["example"].to_numpy()))
        for _, rows in train.group_by("label", maintain_order=True)
    ]
    turns = itertools.cycle([pools[i] for i in rng.permutation(len(pools))])
    chosen: list[int] = []
    while len(chosen) < shots:
        pool = next(turns)
        if pool:
            chosen.append(int(pool.pop()))
    return chosen


def draw_conflicting(task: pl.DataFrame, shots: int, number: int) -> list[int]:
    """Examples of draw ``number`` of `controls.conflicting_labels`: inputs, each with two labels.

    Half as many inputs as ``shots`` are drawn as by `draw`, and each is followed by its twin of
    the same text. Raises InputError if ``shots`` is odd or a text has no twin.
    """
    name = parquet.only(task, "task")
    if shots % 2:
        raise InputError(f"task {name}: {shots} shots, but each input is shown twice")
    train = task.filter(pl.col("split") == "train").sort("example")
    pairs = train.group_by("text", maintain_order=True).agg("example", "label")
    if any(len(set(labels)) < 2 for labels in pairs["label"]):
        raise InputError(f"task {name}: a text of a training row has one label only")
    twins = dict(pair[:2] for pair in pairs["example"])
    inputs = draw(train.filter(pl.col("example").is_in(list(twins))), shots // 2, number)
    return [one for example in inputs for one in (example, twins[example])]


def flipped(chosen: list[int], task: pl.DataFrame, share: float) -> list[int]:
    """A draw of ``task`` in which a ``share`` of the rows are twins of `controls.flipped_labels`.

    They are the first ones of the draw, which is in random order: with a larger share, these are
    flipped as well. Of N rows it is N times the share, rounded (a half to the even number).
    """
    twins, beyond = round(share * len(chosen)), controls.numbered_from(task)
    return [one + beyond * (place < twins) for place, one in enumerate(chosen)]


def orders(rng: np.random.Generator, shots: int, count: int | str) -> list[tuple[int, ...]]:
    """``count`` different random orders of 0 ... shots - 1, or ``all`` of them.

    All of them are in random order, too: ICL is compared with itself under the next one, which
    would be its neighbour in the order of a dictionary. Raises InputError if there are fewer than
    ``count``.
    """
    if count == "all":
        every = list(itertools.permutations(range(shots)))
        return [every[i] for i in rng.permutation(len(every))]
    if count > math.factorial(shots):
        raise InputError(
            f"{count} orders requested, but {shots} shots have {math.factorial(shots)}"
        )
    found: dict[tuple[int, ...], None] = {}
    while len(found) < count:
        found[tuple(int(i) for i in rng.permutation(shots))] = None
    return list(found)


def demonstrations(
    task: pl.DataFrame,
    design: str,
    shots: int,
    count: int | str,
    draws: Iterable[int],
    drawn: bool = False,
    conflict: bool = False,
    like: pl.DataFrame | None = None,
    wrong: float = 0.0,
) -> pl.DataFrame:
    """The demonstrations table (``DEMONSTRATIONS``) of some draws.

    ``drawn``: each draw has another random binding of the classes to the task's label words, the
    same in every design. ``conflict``: each input is shown with two labels (`draw_conflicting`).
    ``like``: the task that ``task`` has its rows of; then draws, orders and bindings are those of
    that one, classes balanced by the labels there, so that only labels differ. ``wrong``: the share
    of rows that are shown by their twin (`flipped`).
    """
    shown, own = parquet.only(task, "task"), task if like is None else like
    name, classes = parquet.only(own, "task"), own["label"].n_unique()
    rows = []
    for number in draws:
        chosen = (draw_conflicting if conflict else draw)(own, shots, number)
        chosen = flipped(chosen, own, wrong)
        rng = generator(name, design, number, "orders")
        binding = (
            generator(name, number, "binding").permutation(classes).tolist() if drawn else None
        )
        for order, places in enumerate(orders(rng, shots, count)):
            rows += [
                (shown, design, number, order, i, chosen[p], binding) for i, p in enumerate(places)
            ]
    return pl.DataFrame(rows, schema=DEMONSTRATIONS, orient="row")
