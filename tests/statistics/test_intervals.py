"""Tables of estimates: cells, orders, nulls, ranges, macro-F1."""

import numpy as np
import polars as pl
import pytest

from iclgd.metrics.ranges import METRICS
from iclgd.statistics import intervals


def rows(values, **more):
    """Rows of ``values`` [draws, orders, queries]."""
    d, o, q = np.indices(np.shape(values)).reshape(3, -1)
    columns = {"model": ["m"] * len(d), "draw": d, "order": o, "example": q + 100}
    return pl.DataFrame({**columns, "tv": np.ravel(values), **more})


def test_orders_are_averaged_within_their_draw():
    x = np.random.default_rng(0).uniform(size=(3, 2, 8))
    table = intervals.means(rows(x), ["model"], [METRICS["tv"]])
    assert table.columns == ["model", "metric", *intervals.ESTIMATE]
    whole = intervals.means(rows(x.mean(1, keepdims=True)), ["model"], [METRICS["tv"]])
    assert table.row(0) == pytest.approx(whole.row(0))
    assert table.select("draws", "queries").row(0) == (3, 8)


def test_the_order_of_rows_does_not_matter():
    frame = rows(np.random.default_rng(0).uniform(size=(3, 2, 8)))
    shuffled = frame.sample(fraction=1, shuffle=True, seed=1)
    assert intervals.means(frame, ["model"], [METRICS["tv"]]).equals(
        intervals.means(shuffled, ["model"], [METRICS["tv"]])
    )


def test_values_of_one_draw_have_no_interval_though_the_design_has_more():
    frame = rows(np.random.default_rng(0).uniform(size=(2, 1, 8)))
    frame = frame.with_columns(pl.when(pl.col("draw") == 0).then("tv").alias("tv"))
    row = intervals.means(frame, ["model"], [METRICS["tv"]]).row(0, named=True)
    assert (row["draws"], row["queries"], row["low"], row["mde"]) == (1, 8, None, None)
    assert row["estimate"] == pytest.approx(frame["tv"].mean())


def test_a_draw_or_query_that_lost_all_its_cells_is_none():
    frame = rows(np.random.default_rng(0).uniform(size=(5, 1, 8)))
    lost = (pl.col("draw") > 2) | (pl.col("example") == 100)
    some = frame.with_columns(pl.when(~lost).then("tv").alias("tv"))
    table = intervals.means(some, ["model"], [METRICS["tv"]])
    assert table.row(0) == pytest.approx(
        intervals.means(frame.filter(~lost), ["model"], [METRICS["tv"]]).row(0)
    )
    assert table.select("draws", "queries").row(0) == (3, 7)


def test_intervals_stay_where_the_metric_can_be():
    x = np.zeros((5, 1, 10))
    x[0] = 1
    row = intervals.means(rows(x), ["model"], [METRICS["tv"]]).row(0, named=True)
    assert row["low"] == 0 and 0.75 < row["high"] <= 1
    row = intervals.means(rows(x, accuracy=x.ravel()), ["model"], [METRICS["accuracy"]]).row(
        0, named=True
    )
    assert 0 < row["low"] < 0.2 < row["high"] < 1


def test_nothing_left_is_null():
    frame = rows(np.zeros((2, 1, 3))).with_columns(tv=pl.lit(None, pl.Float64))
    row = intervals.means(frame, ["model"], [METRICS["tv"]]).row(0, named=True)
    assert row == {"model": "m", "metric": "tv", **dict.fromkeys(intervals.ESTIMATE)} | {
        "draws": 0,
        "queries": 0,
    }


def labelled(label, predicted):
    columns = {"label": label, "predicted": predicted}
    frame = rows(np.zeros((1, 1, len(label)))).with_columns(
        pl.Series(name, values, pl.Int32) for name, values in columns.items()
    )
    return intervals.macro_f1(frame, ["model"], "predicted", METRICS["macro_f1"])["estimate"][0]


def test_macro_f1_by_hand():
    # Class 0: 2 hits, 3 true, 2 predicted: 4/5. Class 1: 1, 1, 2: 2/3. Class 2: never true.
    assert labelled([0, 0, 0, 1], [0, 0, 1, 1]) == pytest.approx((4 / 5 + 2 / 3) / 2)
    assert labelled([0, 0, 0, 1], [0, 0, 2, 1]) == pytest.approx((4 / 5 + 1 + 0) / 3)
    assert labelled([0, 1, 0, 1], [0, 1, 0, None]) == pytest.approx(1)


def test_macro_f1_of_several_draws_counts_them_together():
    frame = rows(np.zeros((2, 1, 2))).with_columns(
        label=pl.Series([0, 1, 0, 1], dtype=pl.Int32),
        predicted=pl.Series([0, 1, 1, 1], dtype=pl.Int32),
    )
    row = intervals.macro_f1(frame, ["model"], "predicted", METRICS["macro_f1"]).row(0, named=True)
    assert row["estimate"] == pytest.approx((2 / 3 + 4 / 5) / 2)
    assert (row["draws"], row["queries"]) == (2, 2)
    assert row["low"] < row["estimate"] < row["high"]
