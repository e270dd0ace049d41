"""Names: a role from the entry, a label for readers, and nothing read off the name."""

import polars as pl
import pytest
from support.roles import ROLES

from iclgd.io.cli import InputError
from iclgd.reporting import names, style
from iclgd.reporting.names import Names
from iclgd.study import roles

NAMES = Names(ROLES)


def test_every_role_of_a_learner_has_a_look():
    assert set(style.ROLES) == {*roles.LEARNERS, "zs"}
    assert NAMES.role(names.ZERO_SHOT) == "zs"


def test_a_name_means_what_its_entry_says():
    misleading = Names({"icl": "gd", "gd": "icl"})
    assert (misleading.role("icl@0.1"), misleading.role("gd")) == ("gd", "icl")
    assert misleading.is_reference("gd") and not misleading.is_reference("icl@0.1")
    assert misleading.label("icl@0.1") == "GD, whole model, rate 0.1"
    assert misleading.families(["icl", "gd"]) == ["gd", "icl"]
    with pytest.raises(InputError, match="learner 'other' has no role"):
        misleading.role("other@1")


def test_roles_stand_beside_the_learners_of_a_table():
    frame = pl.DataFrame({"a": ["icl", "icl"], "b": ["gd@0.1", None], "model": ["m", "m"]})
    found = NAMES.with_roles(frame)
    assert found.columns == ["a", "b", "model", "a_role", "b_role"]
    assert found.select("a_role", "b_role").rows() == [("icl", "gd"), ("icl", None)]
    empty = NAMES.with_roles(frame.clear())
    assert empty.schema["b_role"] == pl.String and empty.is_empty()


def test_families_come_in_the_order_of_their_roles():
    learners = ["adam@1", "gd-v-deep@1", "gd@1", "gd@2", "icl", "gd-v-middle@1"]
    assert NAMES.families(learners) == ["icl", "gd", "gd-v-middle", "gd-v-deep", "adam"]


def test_families_of_one_role_share_the_colour_and_differ_in_dashes():
    styles = NAMES.styles(["sgd-1@0.1", "sgd-2@0.1", "sgd-4@0.1"])
    assert len({one["color"] for one in styles.values()}) == 1
    assert len({tuple(one["dash"]) for one in styles.values()}) == 3


def test_a_label_is_that_of_the_name_of_its_entry_or_of_its_role():
    known = {"gd": "gd", "one": "sgd", "two": "sgd", "part": "gd-other", "m": "model"}
    assert Names(known, {"gd@0.01": "best"}).label("gd@0.01") == "best"
    assert Names(known, {"gd": "descent"}).label("gd@0.01") == "descent, rate 0.01"
    assert Names(known).label("gd@1e-05") == "GD, whole model, rate 1e-5"
    assert [Names(known).label(one) for one in ("one", "part@1")] == ["SGD (one)", "part, rate 1"]
    assert Names(known, {"m": "Pythia"}).label("m@step1000") == "Pythia step1000"
    assert Names(known).label("m@0.5") == "m 0.5"
    assert Names(known).label("mine") == "mine"
    assert Names(known, {"part": "GD, W_V, deep"}).short("part@0.1") == "W_V, deep"
    assert Names().label(names.ZERO_SHOT) == "no demonstrations (ZS)"


def test_constructions_are_warm():
    colours = Names({"made": "construction", "m": "model"}).model_colours(["m", "made@0.5"])
    assert colours["made@0.5"] in style.RATES and colours["m"] in style.MODELS


def test_rate():
    assert names.rate("gd@1e-05") == 1e-5
    assert names.rate("icl") is None
    assert names.rate("gd@live") is None
