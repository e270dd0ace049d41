"""Dose and response: what falls, what is blind, and which models belong together."""

import polars as pl
import pytest

from iclgd.io.cli import InputError
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.reporting.kinds import dose


def bands(values: dict[tuple[str, int], float], metric: str = "js") -> pl.DataFrame:
    """Estimates by (model, epoch)."""
    keys = {"task": "t", "design": "n", "shots": 8, "metric": metric, "low": None, "high": None}
    rows = [
        {"model": model, "epoch": epoch, "estimate": value, "draws": 5, **keys}
        for (model, epoch), value in values.items()
    ]
    return pl.DataFrame(rows, schema_overrides={name: RUN_COLUMNS[name] for name in ("shots",)})


LAYERS = {"base": 2, "soft@0.3": 2, "soft@1": 2}
NATURES = {"base": None, "soft@0.3": "another kernel", "soft@1": "another kernel"}
VALUES = {
    ("base", 1): 0.4,
    ("base", 2): 0.0,
    ("base", 3): 0.1,
    ("soft@0.3", 1): 9.0,
    ("soft@0.3", 2): 0.2,
    ("soft@1", 2): 0.5,
}


def test_a_departure_has_the_construction_at_dose_0_and_steps_of_their_own():
    table = dose.graded(bands(VALUES), LAYERS, NATURES)
    rows = table.select("departure", "dose", "estimate", "response").rows()
    assert rows == [
        ("soft", 0.0, 0.0, "falls"),
        ("soft", 0.3, 0.2, "falls"),
        ("soft", 1.0, 0.5, "falls"),
        (dose.STEPS, -1.0, 0.4, "falls"),
        (dose.STEPS, 0.0, 0.0, "falls"),
        (dose.STEPS, 1.0, 0.1, "falls"),
    ]


def test_a_departure_is_another_gd_or_none():
    entries = [{"layers": 2}, {"softmax": 1}, {"mix": 0.3, "toward": "m"}, {"causal": 1}]
    assert [dose.nature(one) for one in entries] == [
        None, "another kernel", "another rate, mostly", dose.NOT_GD,
    ]  # fmt: skip
    table = dose.graded(bands(VALUES), LAYERS, NATURES)
    assert set(table.select("departure", "nature").rows()) == {
        ("soft", "another kernel"),
        (dose.STEPS, "another number of steps"),
    }


def test_what_is_no_agreement_has_no_response():
    table = dose.graded(bands(VALUES, "accuracy_a"), LAYERS, NATURES)
    assert table["response"].null_count() == len(table) == 6


def test_one_construction_is_needed():
    with pytest.raises(InputError, match="one model without departures is needed, found base, two"):
        dose.graded(bands({**VALUES, ("two", 2): 0.0}), {**LAYERS, "two": 2}, NATURES)


def test_every_draw_has_its_own_slope_over_the_distance_from_the_construction():
    # Draw 0: .2 a step up to 1. Draw 1: 0, .1, .2 at 0, .3, 1, of mean .433 and .1.
    distances = {
        ("base", 1): (0.1, 0.0),
        ("base", 2): (0.0, 0.0),
        ("base", 3): (0.1, 0.4),
        ("soft@0.3", 2): (0.06, 0.1),
        ("soft@1", 2): (0.2, 0.2),
        ("soft@1", 1): (9.0, 9.0),  # as many steps as layers count
    }
    key = {"task": "t", "design": "n", "shots": 8}
    rows = [
        {**key, "model": model, "epoch": epoch, "draw": draw, "metric": "tv", "value": value}
        for (model, epoch), values in distances.items()
        for draw, value in enumerate(values)
    ]
    table = dose.slopes(pl.DataFrame(rows), LAYERS, NATURES).sort("departure")
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
