"""Estimates over draws: bands, and a choice that does not see the test queries."""

import polars as pl
import pytest

from iclgd.metrics.metric import ANY, Metric
from iclgd.metrics.ranges import METRICS
from iclgd.statistics import families, summaries

FREE = Metric("free", ANY, 0)


def unnamed(frame):
    """Bands of each model's values, which are of a quantity that has no ends."""
    named = frame.with_columns(metric=pl.lit("free"))
    return summaries.bands(named, ["model", "metric"], [FREE]).drop("metric")


def test_band_is_the_t_interval():
    # Mean 2, deviation 1, t(0.975, 2) = 4.302653: half = 4.302653 / sqrt(3).
    frame = pl.DataFrame({"model": ["m"] * 3, "value": [1.0, 2.0, 3.0]})
    row = unnamed(frame).row(0, named=True)
    half = 4.302652729911275 / 3**0.5
    assert (row["estimate"], row["draws"]) == (2, 3)
    assert (row["low"], row["high"]) == pytest.approx((2 - half, 2 + half))
    assert (row["error"], row["df"]) == pytest.approx((1 / 3**0.5, 2))


def shares(*values, name="share", **given):
    frame = pl.DataFrame({"metric": [name] * len(values), "value": [*map(float, values)]})
    return summaries.bands(frame, ["metric"], METRICS.values(), **given).row(0, named=True)


def test_a_share_has_wilsons_interval_with_the_effective_number_of_draws():
    # Mean .8, deviation sqrt(.04 / 3) = .11547, error .057735: n = .16 / (1 / 300) = 48, and t(3)
    # is 3.182446, so the centre is (.8 + t^2 / 96) / (1 + t^2 / 48) = .747729 and half the width
    # t sqrt(.16 / 48 + t^2 / 9216) / (1 + t^2 / 48) = .174957.
    row = shares(0.7, 0.7, 0.9, 0.9)
    assert (row["estimate"], row["draws"], row["df"]) == (pytest.approx(0.8), 4, 3)
    t = 3.182446305284263
    centre = (0.8 + t**2 / 96) / (1 + t**2 / 48)
    half = t * (0.16 / 48 + t**2 / 9216) ** 0.5 / (1 + t**2 / 48)
    assert (row["low"], row["high"]) == pytest.approx((centre - half, centre + half))
    assert (centre, half) == pytest.approx((0.747729, 0.174957), abs=1e-6)


def test_a_correlation_has_it_between_minus_one_and_one():
    wide, narrow = shares(0.4, 0.4, 0.8, 0.8, name="mantel_r"), shares(0.7, 0.7, 0.9, 0.9)
    assert wide["low"] == pytest.approx(2 * narrow["low"] - 1)
    assert wide["high"] == pytest.approx(2 * narrow["high"] - 1)


@pytest.mark.parametrize(
    ("values", "name", "ends"),
    [
        # Four seeds that are all right: Wilson's interval of 4 of 4, 4 / (4 + 1.96^2) to 1.
        ((1, 1, 1, 1), "accuracy_2way", (4 / (4 + 1.959964**2), 1)),
        ((0, 0, 0, 0), "accuracy_2way", (0, 1.959964**2 / (4 + 1.959964**2))),
        ((0, 0, 0, 0), "last demonstration", (0, 0)),  # no proportion: nothing to explain
        ((1e-9, 0, 0, 0), "tv", (0, None)),
    ],
)
def test_what_does_not_vary(values, name, ends):
    row = shares(*values, name=name)
    assert row["low"] == pytest.approx(ends[0], abs=1e-6)
    assert 0 <= row["low"] <= row["estimate"] <= row["high"] <= 1
    assert ends[1] is None or row["high"] == pytest.approx(ends[1])


def test_differences_and_half_bounded_quantities_are_cut():
    row = shares(-0.9, 0.9, 0.9, name="accuracy_2way", difference=True)
    assert (row["low"], row["high"]) == (-1, 1)
    row = shares(0.0, 0.0, 3.0, name="sen")
    assert (row["low"], row["high"]) == (0, pytest.approx(1 + 4.302653, abs=1e-5))
    row = shares(0.0, 0.0, 3.0, name="sen", difference=True)
    assert row["low"] == pytest.approx(1 - 4.302653, abs=1e-5)


def test_nulls_are_left_out_and_one_draw_has_no_band():
    frame = pl.DataFrame({"model": ["m", "m", "n"], "value": [1.0, None, None]})
    rows = unnamed(frame).rows()
    assert rows == [("m", 1.0, *[None] * 4, 1), ("n", *[None] * 5, 0)]


def test_draw_means():
    rows = pl.DataFrame({"draw": [0, 0, 1, 1], "accuracy": [1.0, 0.0, 1.0, None]})
    means = summaries.draw_means(rows, ["draw"], ["accuracy"])
    assert means.rows() == [(0, "accuracy", 0.5), (1, "accuracy", 1.0)]


def test_names_are_taken_apart_at_their_value():
    frame = pl.DataFrame({"name": ["gd@0.001", "icl", "m@step1", None, "gd@0.001"]})
    parts = frame.select(families.family("name"), families.value("name"))
    assert parts["family"].to_list() == ["gd", "icl", "m", None, "gd"]
    assert parts["value"].to_list() == ["0.001", "", "step1", None, "0.001"]
    empty = frame.clear().cast({"name": pl.String})
    assert empty.select(families.family("name")).is_empty()
