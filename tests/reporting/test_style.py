"""Style: names to meanings, colours, numbers."""

import pytest

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
