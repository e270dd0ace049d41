"""Distances from ICL after each step, at the rate that is nearest there."""

import numpy as np
import polars as pl
import pytest

from iclgd.metrics import registry
from iclgd.statistics import steps


def table(b: str, levels: dict[int, float], validation: dict[int, float] | None = None):
    """Agreement rows at a mean total variation by epoch; the first query validates."""
    rows = []
    for epoch, level in levels.items():
        for draw, query in np.ndindex(3, 5):
            value = (validation or levels)[epoch] if query == 0 else level + 0.01 * (query - 2.5)
            split = "test" if query else "validation"
            rows.append({"draw": draw, "example": query, "epoch": epoch, "tv": value})
            rows[-1] |= {"split": split, "b": b, "status": "ok", "order": 0}
    more = {"model": "m", "task": "t", "design": "n", "shots": 8, "a": "icl"}
    frame = pl.DataFrame(rows).with_columns(pl.lit(v).alias(k) for k, v in more.items())
    rest = [pl.lit(None, kind).alias(n) for n, kind in registry.AGREEMENT.items() if n not in frame]
    return frame.with_columns(rest).select(list(registry.AGREEMENT)).cast(dict(registry.AGREEMENT))


ROLES = {"gd": "gd-kernel", "newton": "newton", "icl-reordered": "icl-reordered"}


def found(*tables) -> list[tuple]:
    columns = ["family", "b", "epoch", "nearest"]
    rows = steps.summarised(tables, ROLES).filter(metric="tv")
    return [(*row, tv) for *row, tv in rows.select(*columns, pl.col("estimate").round(6)).rows()]


def test_each_step_has_the_rate_that_is_nearest_there():
    slow, fast = {0: 0.9, 1: 0.6, 2: 0.4, 3: 0.2}, {0: 0.9, 1: 0.3, 2: 0.5, 3: 0.7}
    assert found(table("gd@1", slow), table("gd@4", fast)) == [
        ("gd", "gd@1", 0, False, 0.9),
        ("gd", "gd@4", 1, False, 0.3),
        ("gd", "gd@1", 2, False, 0.4),
        ("gd", "gd@1", 3, True, 0.2),
    ]


def test_the_choice_is_that_of_validation_queries():
    one = table("gd@1", {0: 0.9, 1: 0.1, 2: 0.3}, {0: 0.0, 1: 0.5, 2: 0.4})
    other = table("gd@2", {0: 0.9, 1: 0.2, 2: 0.2}, {0: 0.0, 1: 0.2, 2: 0.6})
    # Epoch 0 is no step, however near.
    assert found(one, other) == [
        ("gd", "gd@1", 0, False, 0.9),
        ("gd", "gd@2", 1, True, 0.2),
        ("gd", "gd@1", 2, False, 0.3),
    ]


def test_what_has_no_steps_or_diverged_is_left_out():
    alone = table("icl-reordered", {0: 0.1})
    lost = table("gd@9", {0: 0.9, 1: 0.0})
    lost = lost.with_columns(status=pl.when(pl.col("epoch") == 1).then(pl.lit("diverged"))
        .otherwise("status"))  # fmt: skip
    assert found(alone, lost, table("gd@1", {0: 0.9, 1: 0.4})) == [
        ("gd", "gd@1", 0, False, pytest.approx(0.9)),
        ("gd", "gd@1", 1, True, 0.4),
    ]


def test_what_is_beyond_newton_is_paired_at_the_nearest_of_each():
    gd = table("gd@1", {0: 0.9, 1: 0.6, 2: 0.5, 3: 0.55})
    newton = table("newton", {0: 0.9, 1: 0.3, 2: 0.35})
    rows = steps.summarised((gd, newton), ROLES).filter(metric="past_newton")
    (row,) = rows.to_dicts()
    # 0.5 after two steps, 0.3 after one; what a draw or query does to both is no part of it.
    assert (row["family"], row["b"], row["epoch"], row["nearest"]) == ("gd", "gd@1", 2, True)
    assert row["estimate"] == pytest.approx(0.2)
    assert row["high"] - row["low"] < 1e-9
    assert steps.summarised((gd,), ROLES)["metric"].unique().to_list() == ["tv"]


def test_the_foremost_of_each_side_are_compared():
    plus, far = table("plus@1", {0: 0.9, 1: 0.4}), table("newton-far", {0: 0.9, 1: 0.8})
    gd, newton = table("gd@1", {0: 0.9, 1: 0.6}), table("newton", {0: 0.9, 1: 0.3})
    roles = ROLES | {"plus": "gd-kernel", "newton-far": "newton"}
    rows = steps.summarised((gd, plus, newton, far), roles).filter(metric="past_newton")
    assert rows.select("family", "epoch").rows() == [("plus", 1)]
    assert rows["estimate"][0] == pytest.approx(0.1)
