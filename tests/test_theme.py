"""The theme: names to meanings, colours, numbers, places."""

import itertools

import polars as pl
import pytest
from summaries import agreement

from iclgd.io.cli import InputError
from iclgd.reporting import style


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("icl", "icl"),
        ("icl-reordered", "icl-reordered"),
        ("icl-redrawn", "icl-redrawn"),
        ("gd@0.01", "gd"),
        ("gd-v-middle@0.1", "gd-middle"),
        ("gd-v-mid@1e-05", "gd-middle"),
        ("gd-v-deep", "gd-deep"),
        ("gd-causal@0.1", "gd-other"),
        ("sgd-1@0.01", "sgd"),
        ("adam@0.001", "adam"),
        ("bayes", "bayes"),
        ("momentum", "other"),
    ],
)
def test_role(name, role):
    assert style.role(name) == role
    assert role in style.ROLES


def test_families_come_in_the_order_of_their_meaning():
    names = ["adam@1", "gd-v-deep@1", "gd@1", "gd@2", "icl", "gd-v-middle@1"]
    assert style.families(names) == ["icl", "gd", "gd-v-middle", "gd-v-deep", "adam"]


def test_families_of_one_role_share_the_colour_and_differ_in_dashes():
    styles = style.styles(["sgd-1@0.1", "sgd-2@0.1", "sgd-4@0.1"])
    assert len({one["color"] for one in styles.values()}) == 1
    assert len({tuple(one["dash"]) for one in styles.values()}) == 3


def test_label_falls_back_from_name_to_family_to_itself():
    assert style.label("gd@0.01", {"gd@0.01": "best"}) == "best"
    assert style.label("gd@0.01", {"gd": "descent"}) == "descent, rate 0.01"
    assert style.label("gd-v-deep@1e-05") == "GD, W_V, deep layer, rate 1e-5"
    assert style.label("sgd-4") == "SGD, batch 4"
    assert style.label("mine") == "mine"
    assert style.short("gd-v-deep@0.1") == "W_V, deep layer"


def test_rate_and_number():
    assert style.rate("gd@1e-05") == 1e-5
    assert style.rate("icl") is None
    assert style.rate("gd@live") is None
    assert [style.number(v) for v in (0, 0.005, 5e-5, 200)] == ["0", "0.005", "5e-5", "200"]


def test_ramp_keeps_its_ends_and_darkens():
    colours = style.ramp(style.RATES, 8)
    assert colours[0] == style.RATES[0] and colours[-1] == style.RATES[-1]
    light = [sum(int(one[i : i + 2], 16) for i in (1, 3, 5)) for one in colours]
    assert light == sorted(light, reverse=True)
    assert style.ramp(style.RATES, 0) == [] and len(style.ramp(style.RATES, 1)) == 1


def test_epoch_ticks():
    assert style.epoch_ticks(200) == [0, 1, 2, 5, 10, 20, 50, 100, 200]
    assert style.epoch_ticks(10000) == [0, 1, 10, 100, 1000, 10000]


def test_apart_moves_only_what_is_too_close():
    assert style.apart([0.0, 5.0], 1, -1, 10) == [0.0, 5.0]
    moved = style.apart([1.0, 5.0, 5.1, 5.2], 1, -1, 10)
    assert moved[0] == 1.0
    assert all(b - a > 1 - 1e-9 for a, b in itertools.pairwise(moved))
    assert style.apart([], 1, 0, 1) == []


def test_models_without_emergent_icl_are_named():
    assert style.unlike({}) == style.unlike({"in_context_learning": None}) == ""
    mixed = {"in_context_learning": "2 topics: acquired (1.00); pairs: not acquired (0.49)"}
    none = {"in_context_learning": "2 topics: not acquired (0.51); pairs: not acquired (0.49)"}
    assert style.unlike(mixed) == ""
    assert style.unlike(none) == "no ICL"
    assert style.unlike({**mixed, "objective": "label"}) == "ICL objective"


def test_a_broken_manifest_is_an_error_that_names_it(tmp_path):
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(InputError, match=r"x\.json"):
        style.manifests([tmp_path / "x.json"])


def test_the_bayesian_reader_is_compared_and_is_no_untouched_model(tmp_path):
    """It has epoch 0 alone, as the untouched model has, but is none."""
    summary = pl.read_parquet(agreement(tmp_path / "s.parquet", gds=["gd"], rates=[1e-3]))
    reader = summary.filter(pl.col("b") == "icl-redrawn").with_columns(b=pl.lit("bayes"))
    both = style.compared(pl.concat([summary, reader]), ["ocs"]).sort("who")
    plain = style.compared(summary, ["ocs"]).sort("who")
    assert both.filter(pl.col("who") != "bayes").equals(plain)
    assert (
        both.filter(pl.col("who") == "bayes")["estimate"].to_list()
        == reader.filter(pl.col("metric") == "ocs")["estimate"].to_list()
    )
