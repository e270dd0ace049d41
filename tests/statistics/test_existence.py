"""Distances from ICL in units of its own: readings, ratios and what is beyond, by hand."""

import numpy as np
import polars as pl
import pytest

from iclgd.io.cli import InputError
from iclgd.metrics import registry
from iclgd.statistics import existence, intervals

ROLES = {"icl": "icl", "icl-reordered": "icl-reordered", "gd": "gd", "oracle": "solver"}
ROLES |= {"distil": "taught", "patch": "taught", "adam": "adam", "newton": "newton"}
ROLES |= {"gd-v-deep": "gd-deep"}


def table(b: str, tv: dict[int, np.ndarray], accuracy: dict[int, float] | None = None):
    """Agreement rows of ICL and ``b``: by epoch total variation [draws, queries], of which the
    first query validates."""
    rows = []
    for epoch, values in tv.items():
        for (draw, query), value in np.ndenumerate(values):
            rows.append({"epoch": epoch, "draw": draw, "example": query, "tv": value})
            rows[-1]["accuracy_b"] = float((accuracy or {}).get(epoch, 0.0))
    more = {"model": "m", "task": "t", "design": "n4", "shots": 4, "a": "icl", "b": b, "order": 0}
    more |= {"status": "ok"}
    frame = pl.DataFrame(rows).with_columns(pl.lit(v).alias(k) for k, v in more.items())
    first = pl.when(pl.col("example") == 0).then(pl.lit("validation")).otherwise(pl.lit("test"))
    frame = frame.with_columns(split=first)
    rest = [pl.lit(None, kind).alias(n) for n, kind in registry.AGREEMENT.items() if n not in frame]
    kinds = {n: kind for n, kind in registry.AGREEMENT.items() if kind is not None}
    return frame.with_columns(rest).select(list(registry.AGREEMENT)).cast(kinds)


def found(*tables) -> dict[tuple[str, str, str], dict]:
    rows = existence.summarised(tables, ROLES)
    return {(r["family"], r["reading"], r["metric"]): r for r in rows.to_dicts()}


def level(value: float) -> np.ndarray:
    """Three draws and four queries of a mean over test queries."""
    return value + np.array([[0, -0.03, 0, 0.03], [0, 0, 0.06, -0.06], [0, 0.03, -0.03, 0]])


OWN = table("icl-reordered", {0: level(0.1)})
GD = table("gd", {0: level(0.9), 5: level(0.4), 50: level(0.6)}, {0: 0.1, 5: 0.3, 50: 0.8})


def test_readings_and_units_by_hand():
    rows = found(GD, OWN, table("oracle", {0: level(0.7)}))
    assert {key[:2] for key in rows} == {
        ("gd", "nearest"), ("gd", "accuracy"), ("gd", "untouched"),
        ("icl-reordered", "nearest"), ("oracle", "nearest"),
    }  # fmt: skip
    for key, epoch, tv in (
        (("gd", "nearest"), 5, 0.4),
        (("gd", "accuracy"), 50, 0.6),
        (("gd", "untouched"), 0, 0.9),
        (("oracle", "nearest"), 0, 0.7),
    ):
        distance, units = rows[*key, "tv"], rows[*key, "units"]
        assert distance["epoch"] == epoch and distance["estimate"] == pytest.approx(tv)
        assert units["estimate"] == pytest.approx(tv / 0.1)
        assert units["low"] < units["estimate"] < units["high"]
    own = rows["icl-reordered", "nearest", "units"]
    assert (own["estimate"], own["low"], own["high"]) == pytest.approx((1, 1, 1))
    assert not any(metric == "beyond" for *_, metric in rows)  # ICL taught nothing


def test_what_is_beyond_the_nearest_that_icl_taught():
    near, far = table("distil", {0: level(0.9), 9: level(0.15)}), table("patch", {0: level(0.3)})
    rows = found(GD, OWN, far, near)
    assert rows["gd", "nearest", "beyond"]["estimate"] == pytest.approx(0.25)
    assert rows["patch", "nearest", "beyond"]["estimate"] == pytest.approx(0.15)
    itself = rows["distil", "nearest", "beyond"]
    assert (itself["estimate"], itself["epoch"]) == (0, 9)
    foremost = {name for (name, reading, _), row in rows.items() if row["foremost"]}
    assert foremost == {"gd", "distil"}
    assert not rows["gd", "accuracy", "tv"]["foremost"]
    # Of best accuracy there is gradient descent alone.
    assert ("distil", "accuracy", "tv") not in rows


def test_what_other_optimisers_are_beyond_gradient_descent():
    adam, newton = table("adam", {0: level(0.9), 2: level(0.3)}), table("newton", {1: level(0.55)})
    rows = found(GD, OWN, adam, newton, table("oracle", {0: level(0.7)}))
    past = {key[:2]: row["estimate"] for key, row in rows.items() if key[2] == "past_gd"}
    # Gradient descent is nearest at epoch 5, at .4; Adam too has a reading of best accuracy.
    near = {one: past[one, "nearest"] for one in ("adam", "newton")}
    assert near == pytest.approx({"adam": -0.1, "newton": 0.15})
    assert {name for name, _ in past} == {"adam", "newton"}
    # The foremost of all that descends is Adam; Newton's method moves no weights of the model.
    assert [name for (name, _, metric), row in rows.items() if row["foremost"] and metric == "tv"
            ] == ["adam"]  # fmt: skip
    # Of one matrix it is no such thing, however near.
    part = table("gd-v-deep", {0: level(0.9), 2: level(0.2)})
    assert found(GD, OWN, adam, part)["adam", "nearest", "past_gd"]["estimate"] == pytest.approx(
        -0.1
    )
    alone = found(adam, OWN)
    assert not any(metric == "past_gd" for *_, metric in alone)  # there is no gradient descent


def test_each_draw_stands_at_the_epoch_that_the_others_choose():
    # On validation draws 0 and 1 are nearest at epoch 5, draw 2 by more at epoch 50.
    early, late = level(0.4), level(0.4)
    late[:, 0] = [0.5, 0.5, 0.1]
    late[:, 1:] += 0.2
    rows = found(table("gd", {0: level(0.9), 5: early, 50: late}), OWN)
    # Of all draws epoch 50 has .37; without draw 2 it is 5.
    row = rows["gd", "nearest", "tv"]
    assert row["epoch"] == 50
    assert row["estimate"] == pytest.approx((0.6 + 0.6 + 0.4) / 3)


def test_icl_that_no_order_changes_is_no_unit():
    rows = found(GD, table("icl-reordered", {0: level(0) * 0}))
    assert not any(metric == "units" for *_, metric in rows)
    assert rows["gd", "nearest", "excess"]["estimate"] == rows["gd", "nearest", "tv"]["estimate"]
    rows = found(GD)
    assert {metric for *_, metric in rows} == {"tv"}
    rows = found(OWN, table("oracle", {0: level(0.7)}))
    assert {metric for *_, metric in rows} == {"tv", "units", "excess"}
    assert rows["oracle", "nearest", "excess"]["estimate"] == pytest.approx(0.6)


def test_what_diverged_has_no_reading():
    lost = GD.with_columns(b=pl.lit("gd@9"), status=pl.lit("diverged"), tv=pl.lit(None, pl.Float64))
    rows = found(lost, OWN, GD.with_columns(b=pl.lit("gd@1")))
    assert rows["gd", "nearest", "tv"]["b"] == "gd@1"
    with pytest.raises(InputError, match="no tables"):
        existence.summarised([GD.clear()], ROLES)


def test_ratios_take_what_a_cell_does_to_both_out_of_the_error():
    x = np.random.default_rng(0).uniform(0.5, 1, (6, 20))
    d, q = np.indices(x.shape).reshape(2, -1)
    frame = pl.DataFrame({"m": "m", "draw": d, "example": q, "a": 3 * x.ravel(), "b": x.ravel()})
    row = intervals.ratios(frame, ["m"], "a", "b", existence.UNITS).row(0, named=True)
    assert row["estimate"] == pytest.approx(3) and row["error"] == pytest.approx(0, abs=1e-12)
    other = frame.with_columns(b=pl.lit(0.75))
    row = intervals.ratios(other, ["m"], "a", "b", existence.UNITS).row(0, named=True)
    plain = intervals.means(other, ["m"], [existence.UNITS.__class__("a", (0, 9), 0)])
    assert row["error"] == pytest.approx(plain["error"][0] / 0.75)
