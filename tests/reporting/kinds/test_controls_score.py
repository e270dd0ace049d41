"""Where agreement lies between its controls and ICL's agreement with itself."""

import polars as pl
import pytest

from iclgd.reporting.kinds import controls
from iclgd.statistics import summaries


def row(model, task, b, metric, estimate, chosen=True):
    """A row of an agreement summary with a band of 0.1 to both sides."""
    return {
        **{"model": model, "task": task, "design": "n4", "shots": 4, "a": "icl", "b": b},
        **{"epoch": 0 if b.startswith("icl") else 5, "metric": metric, "estimate": estimate},
        **{"low": estimate - 0.1, "high": estimate + 0.1, "draws": 5, "diverged": 0.0},
        "chosen": chosen,
    }


def test_the_place_between_floor_and_ceiling_by_hand():
    summary = pl.DataFrame(
        [
            row("m", "t", "gd@1", "ocs", 0.6),
            row("m", "t", "gd@2", "ocs", 0.9, chosen=False),
            row("m", "t", "icl-reordered", "ocs", 0.8),
            row("m-random", "t", "gd@1", "ocs", 0.3),
            row("m", "t-labels", "gd@1", "ocs", 0.4),
            row("m", "t", "gd@1", "tv", 0.5),
            row("m", "t", "icl-reordered", "tv", 0.2),
            row("m-random", "t", "gd@1", "tv", 0.1),
        ]
    )
    found = controls.lanes(summary, {"m-random": ["m", "random"], "t-labels": ["t", "labels"]})
    assert set(found["model"]) == {"m"}
    assert set(found["task"]) == {"t"}
    ocs = found.filter(pl.col("metric") == "ocs", pl.col("kind") == "pair").row(0, named=True)
    assert (ocs["floor"], ocs["ceiling"]) == (0.4, 0.8)
    assert ocs["normalised"] == pytest.approx(0.5)  # (0.6 - 0.4) / (0.8 - 0.4)
    assert ocs["normalised_low"] == pytest.approx(0.25)
    # Total variation is turned round: agreement .5 for the pair, .9 for the control, .8 for ICL.
    turned = found.filter(pl.col("metric") == "similarity", pl.col("kind") == "pair")
    turned = turned.row(0, named=True)
    assert (turned["low"], turned["estimate"]) == (pytest.approx(0.4), pytest.approx(0.5))
    assert (turned["floor"], turned["ceiling"]) == (pytest.approx(0.9), pytest.approx(0.8))
    assert turned["normalised"] is None  # a control agrees better than ICL with itself
    assert found.filter(pl.col("kind") == "control")["control"].to_list() == [
        *("m-random", "m-random", "t-labels")
    ]


def test_without_controls_there_is_no_place():
    summary = pl.DataFrame([row("m", "t", "gd@1", "ocs", 0.6)])
    found = controls.lanes(summary, {})
    assert found["normalised"].to_list() == [None]
    assert found["floor"].to_list() == [None]


def test_floor_and_ceiling_have_the_places_0_and_1():
    score = pl.Series("score", [0.2, 0.5, 0.9])
    place = pl.select(summaries.between(pl.lit(score), pl.lit(0.2), pl.lit(0.9))).to_series()
    assert place.to_list() == pytest.approx([0, 3 / 7, 1])
