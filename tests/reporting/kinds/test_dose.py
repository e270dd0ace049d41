"""Dose and response: what falls, what is blind, and which models belong together."""

import polars as pl
import pytest

from iclgd.io.cli import InputError
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.reporting.kinds import dose


def bands(values: dict[tuple[str, str, int], float], metric: str = "js") -> pl.DataFrame:
    """Estimates over all draws by (model, reading, epoch)."""
    keys = {"task": "t", "design": "n", "shots": 8, "metric": metric, "low": None, "high": None}
    keys |= {"draw": None, "rate": 1.0, "at_end": False}
    rows = [
        {"model": model, "reading": reading, "epoch": epoch, "estimate": value, "draws": 5, **keys}
        for (model, reading, epoch), value in values.items()
    ]
    schema = {"shots": RUN_COLUMNS["shots"], "draw": pl.Int32}
    return pl.DataFrame(rows, schema_overrides=schema)


LAYERS = {"base": 2, "soft@0.3": 2, "soft@1": 2}
NATURES = {"base": None, "soft@0.3": "another kernel", "soft@1": "another kernel"}
VALUES = {
    ("base", "untuned", 1): 0.4,
    ("base", "untuned", 2): 0.0,
    ("base", "untuned", 3): 0.1,
    ("base", "tuned", 2): 0.0,
    ("soft@0.3", "untuned", 2): 0.2,
    ("soft@1", "untuned", 2): 0.5,
    ("soft@0.3", "tuned", 3): 0.1,
    ("soft@1", "tuned", 5): 0.05,
}


def test_a_departure_has_the_construction_at_dose_0_and_steps_of_their_own():
    table = dose.graded(bands(VALUES), LAYERS, NATURES)
    columns = ["departure", "reading", "dose", "epoch", "estimate", "response"]
    assert table.select(columns).rows() == [
        ("soft", "tuned", 0.0, 2, 0.0, "wavers"),
        ("soft", "tuned", 0.3, 3, 0.1, "wavers"),
        ("soft", "tuned", 1.0, 5, 0.05, "wavers"),
        ("soft", "untuned", 0.0, 2, 0.0, "falls"),
        ("soft", "untuned", 0.3, 2, 0.2, "falls"),
        ("soft", "untuned", 1.0, 2, 0.5, "falls"),
        (dose.STEPS, "untuned", -1.0, 1, 0.4, "falls"),
        (dose.STEPS, "untuned", 0.0, 2, 0.0, "falls"),
        (dose.STEPS, "untuned", 1.0, 3, 0.1, "falls"),
    ]
    counted = dose.main(table)
    assert counted.select("departure", "reading").unique().sort("departure").rows() == [
        ("soft", "tuned"),
        (dose.STEPS, "untuned"),
    ]


def test_rows_of_one_draw_have_a_dose_and_no_response():
    alone = [bands(VALUES).with_columns(draw=pl.lit(i, pl.Int32)) for i in range(2)]
    table = dose.graded(pl.concat([bands(VALUES), *alone]), LAYERS, NATURES)
    assert len(table) == 27
    one = table.filter(draw=1)
    assert one["response"].null_count() == len(one) == 9
    assert table.filter(pl.col("draw").is_null())["response"].null_count() == 0
    assert len(dose.main(table)) == 6


def test_a_departure_is_another_gd_or_none():
    entries = [{"layers": 2}, {"softmax": 1}, {"mix": 0.3, "toward": "m"}, {"causal": 1}]
    entries += [{"hard": 0.1}, {"noise": 1}]
    assert [dose.nature(one) for one in entries] == [
        None, "another kernel", "another rate, mostly", *[dose.NOT_GD] * 3,
    ]  # fmt: skip
    table = dose.graded(bands(VALUES), LAYERS, NATURES)
    assert set(table.select("departure", "nature").rows()) == {
        ("soft", "another kernel"),
        (dose.STEPS, "another number of steps"),
    }


def test_what_is_no_agreement_has_no_response():
    table = dose.graded(bands(VALUES, "accuracy_a"), LAYERS, NATURES)
    assert table["response"].null_count() == len(table) == 9


def test_one_construction_is_needed():
    with pytest.raises(InputError, match="one model without departures is needed, found base, two"):
        dose.graded(bands({**VALUES, ("two", "tuned", 2): 0.0}), {**LAYERS, "two": 2}, NATURES)


def test_every_draw_has_its_own_slope_over_the_distance_from_the_construction():
    # Draw 0: .2 a step up to 1. Draw 1: 0, .1, .2 at 0, .3, 1, of mean .433 and .1.
    distances = {
        (dose.STEPS, "untuned", -1.0): (0.1, 0.0),
        (dose.STEPS, "untuned", 0.0): (0.0, 0.0),
        (dose.STEPS, "untuned", 1.0): (0.1, 0.4),
        ("soft", "tuned", 0.0): (0.0, 0.0),
        ("soft", "tuned", 0.3): (0.06, 0.1),
        ("soft", "tuned", 1.0): (0.2, 0.2),
        ("soft", "untuned", 1.0): (9.0, 9.0),  # not the reading that counts
    }
    key = {"task": "t", "design": "n", "shots": 8, "metric": "tv", "nature": None}
    rows = [
        {**key, "departure": one, "reading": reading, "dose": at, "draw": draw, "estimate": value}
        for (one, reading, at), values in distances.items()
        for draw, value in enumerate(values)
    ]
    table = dose.slopes(pl.DataFrame(rows), "base").sort("departure")
    mean = 1.3 / 3
    second = 0.1 / ((mean**2) + (0.3 - mean) ** 2 + (1 - mean) ** 2)
    slopes = {"soft": (0.2, second), dose.STEPS: (0.1, 0.2)}
    for row in table.to_dicts():
        one, other = slopes[row["departure"]]
        assert row["estimate"] == pytest.approx((one + other) / 2)
        assert row["error"] == pytest.approx(abs(one - other) / 2)
        assert (row["model"], row["metric"], row["draws"]) == ("base", "tv_slope", 2)
    assert len(table) == 2


@pytest.mark.parametrize(
    ("places", "values", "sense", "response"),
    [
        ([0, 0.5, 1], [1.0, 0.9, 0.5], 1, "falls"),
        ([1, 0, 0.5], [0.5, 1.0, 0.9], 1, "falls"),  # in any order
        ([0, 0.5, 1], [0.0, 0.1, 0.5], -1, "falls"),
        ([0, 0.5, 1], [1.0, 0.9, 0.9], 1, "falls"),
        ([0, 0.5, 1], [1.0, 0.5, 0.9], 1, "wavers"),
        ([0, 0.5, 1], [0.0, 0.1, 0.5], 1, "wavers"),
        ([0, 0.5, 1], [1.0, 1.0, 1.0 - 1e-7], 1, "blind"),
        ([0, 0.5, 1], [0.0, None, 0.5], -1, "falls"),
        ([-2, -1, 0, 1], [0.1, 0.5, 1.0, 0.9], 1, "falls"),
        ([-2, -1, 0, 1], [0.6, 0.5, 1.0, 0.9], 1, "wavers"),
        ([-1, 0, 1], [0.6, 1.0, 1.0], 1, "blind"),
    ],
)
def test_responses(places, values, sense, response):
    assert dose.response(places, values, sense) == response
