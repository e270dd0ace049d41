"""Estimates over draws: bands, and a choice that does not see the test queries."""

import polars as pl
import pytest

from iclgd import statistics


def test_band_is_the_t_interval():
    # Mean 2, deviation 1, t(0.975, 2) = 4.302653: half = 4.302653 / sqrt(3).
    frame = pl.DataFrame({"model": ["m"] * 3, "value": [1.0, 2.0, 3.0]})
    row = statistics.bands(frame, ["model"]).row(0, named=True)
    half = 4.302652729911275 / 3**0.5
    assert (row["estimate"], row["draws"]) == (2, 3)
    assert (row["low"], row["high"]) == pytest.approx((2 - half, 2 + half))
    assert (row["error"], row["df"]) == pytest.approx((1 / 3**0.5, 2))


def test_nulls_are_left_out_and_one_draw_has_no_band():
    frame = pl.DataFrame({"model": ["m", "m", "n"], "value": [1.0, None, None]})
    rows = statistics.bands(frame, ["model"]).rows()
    assert rows == [("m", 1.0, *[None] * 4, 1), ("n", *[None] * 5, 0)]


def test_draw_means():
    rows = pl.DataFrame({"draw": [0, 0, 1, 1], "accuracy": [1.0, 0.0, 1.0, None]})
    means = statistics.draw_means(rows, ["draw"], ["accuracy"])
    assert means.rows() == [(0, "accuracy", 0.5), (1, "accuracy", 1.0)]


def choices(*rows):
    schema = ["learner", "epoch", "split", "accuracy", "status"]
    frame = pl.DataFrame(rows, schema=schema, orient="row").with_columns(pl.lit("m").alias("model"))
    return statistics.chosen(frame, ["model"], "learner", "accuracy").sort("learner").rows()


def test_choice_uses_validation_rows_only():
    rows = [
        ("gd@1", 5, "validation", 0.6, "ok"),
        ("gd@1", 5, "test", 0.0, "ok"),
        ("gd@2", 5, "validation", 0.5, "ok"),
        ("gd@2", 5, "test", 1.0, "ok"),
    ]
    assert choices(*rows) == [("m", "gd@1", 5)]


def test_choice_prefers_sound_early_trained_rates():
    rows = [
        ("gd@1", 0, "validation", 0.9, "ok"),  # untouched: no learning
        ("gd@1", 5, "validation", 0.6, "ok"),
        ("gd@1", 9, "validation", 0.6, "ok"),  # as good, but later
        ("gd@2", 5, "validation", 0.8, "ok"),
        ("gd@2", 5, "validation", None, "diverged"),
        ("icl", 0, "validation", 0.3, "ok"),
    ]
    assert choices(*rows) == [("m", "gd@1", 5), ("m", "icl", 0)]


def test_family_is_the_name_without_its_rate():
    assert [statistics.family(name) for name in ("gd@0.001", "icl")] == ["gd", "icl"]
