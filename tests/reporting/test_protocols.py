"""Figures of sensitivity: the headline, words for protocols, contours, colours, the table."""

import itertools
import runpy
import sys
from pathlib import Path

import polars as pl
import pytest
from support.roles import ROLES
from support.steps import figure
from support.summaries_verdicts import PROTOCOLS, sensitivity

from iclgd.reporting.kinds import sensitivity as kind
from iclgd.reporting.names import Names

NAMES = Names(ROLES, {"cb": "CB", "agnews": "AG News"})
CB, AG = "cb", "agnews"


def summary(folder, **more):
    return NAMES.with_roles(pl.read_parquet(sensitivity(folder / "s.parquet", **more)))


def shifted(frame, families=("gd", "sgd-1", "adam"), **values):
    """The closest points of some families with other values."""
    here = pl.col("closest") & pl.col("family").is_in(families)
    return frame.with_columns(
        pl.when(here).then(pl.lit(one)).otherwise(name).alias(name) for name, one in values.items()
    )


AIM = "within .05 of ICL's own noise"


@pytest.mark.parametrize(
    ("near", "more", "expected"),
    [
        ([], {}, f"No protocol of 3 comes {AIM}, in 2 of 2 tasks"),
        ([], {"tasks": (CB,)}, f"No protocol of 3 comes {AIM} in CB"),
        (
            [],
            {"models": ("m", "n"), "tasks": (CB,)},
            f"No protocol of 3 comes {AIM}, in 2 of 2 models",
        ),
        ([(CB, "gd")], {"tasks": (CB,)}, f"1 of 3 protocols comes {AIM} in CB"),
        (
            [(CB, "gd"), (CB, "adam")],
            {},
            f"2 of 3 protocols come {AIM} in CB, none in AG News",
        ),
        (
            [(CB, "gd"), (CB, "adam"), (AG, "gd")],
            {},
            f"2 of 3 protocols come {AIM} in CB, 1 in AG News; 1 for more than one task",
        ),
        (
            [(CB, "adam"), (AG, "gd")],
            {},
            f"1 of 3 protocols comes {AIM} in AG News, 1 in CB; none for more than one task",
        ),
        (
            [(CB, "gd"), (AG, "gd"), (CB, "adam")],
            {"models": ("m", "n")},
            f"2 of 3 protocols come {AIM} somewhere: "
            "1 for more than one task, 2 for more than one model",
        ),
    ],
)
def test_the_headline_says_whether_any_protocol_closes_the_gap(tmp_path, near, more, expected):
    assert kind.headline(summary(tmp_path, near=near, **more), NAMES) == expected


def test_two_tasks_of_one_model_are_no_two_models(tmp_path):
    frame = summary(tmp_path, models=("m", "n"), near=[(CB, "gd"), (AG, "gd")])
    other = (pl.col("model") == "n") & pl.col("reached")
    frame = frame.with_columns(pl.when(other).then(False).otherwise("reached").alias("reached"))
    found = f"1 of 3 protocols comes {AIM} somewhere: 1 for more than one task, none for more than "
    assert kind.headline(frame, NAMES) == found + "one model"


def test_many_tasks_are_counted(tmp_path):
    frame = summary(tmp_path, tasks=(CB, AG, "a", "m"), near=[(CB, "gd"), ("a", "gd")])
    found = f"1 of 3 protocols comes {AIM} in 2 of 4 tasks; 1 for more than one task"
    assert kind.headline(frame, NAMES) == found


def test_the_headline_does_not_take_what_is_open_for_what_is_not(tmp_path):
    frame = shifted(summary(tmp_path), families=("gd",), missed=False)
    found = f"No protocol of 3 surely comes {AIM}, in 2 of 2 tasks (2 of 6 undecided)"
    assert kind.headline(frame, NAMES) == found
    alone = frame.filter(pl.col("family").is_in(["gd", "icl-reordered"]))
    alone = alone.filter(task=CB)
    found = f"The only protocol does not surely come {AIM} in CB (1 of 1 undecided)"
    assert kind.headline(alone, NAMES) == found
    assert kind.headline(frame.clear(), NAMES) == "No protocol of gradient descent was tried"


def test_the_headline_names_the_smallest_effect_of_the_figure(tmp_path):
    frame = summary(tmp_path).with_columns(smallest=pl.lit(0.2))
    assert "within .2 of ICL's own noise" in kind.headline(frame, NAMES)


def test_a_protocol_that_diverges_everywhere_is_one_that_does_not_come_near(tmp_path):
    frame = summary(tmp_path, broken=True)
    assert kind.headline(frame, NAMES) == f"No protocol of 3 comes {AIM}, in 2 of 2 tasks"
    last = [row for row in kind.findings(frame) if row[3] == "adam"]
    assert [row[-1] for row in last] == ["diverged"] * 2 and last[0][4] == "-"


def test_where_the_closest_points_lie(tmp_path):
    found = "Of 6 closest points, 6 lie at the last epoch and 2 at an end of the rates tried."
    assert kind.borders(summary(tmp_path)) == found


def test_the_table_has_a_row_for_every_protocol_and_place(tmp_path):
    head, *rows = kind.findings(summary(tmp_path, near=[(CB, "gd")]))
    assert len(rows) == 6
    (row,) = [dict(zip(head, row, strict=True)) for row in rows if row[1] == CB and "gd@" in row[3]]
    assert row["learner"] == "gd@0.1, epoch 200"
    assert (row["distance"], row["ICL reordered"], row["smallest effect"]) == (
        "0.11",
        "0.1",
        "0.05",
    )
    assert row["excess"] == "0.01 [-0.02, 0.04]" and row["accuracy"] == "0.6 [0.57, 0.63]"
    assert row["ICL's accuracy"] == "0.75" and row["loss (nats)"] == "-"
    assert row["at the end of the grid"] == "last epoch, highest rate"
    assert row["verdict"] == "within reach"


FULL = {"rate": 0.1, "batch": None, "optimiser": "sgd", "loss": "label"}


@pytest.mark.parametrize(
    ("entry", "parts"),
    [
        ({}, ["SGD, full batch", "label tokens"]),
        ({"batch": 1}, ["SGD, batch 1", "label tokens", "4 steps an epoch"]),
        ({"batch": 3}, ["SGD, batch 3", "label tokens", "2 steps an epoch"]),
        ({"optimiser": "adam", "loss": "all"}, ["Adam, full batch", "all tokens"]),
        ({"momentum": 0.9}, ["SGD, full batch", "label tokens", "momentum 0.9"]),
        ({"momentum": 0.0}, ["SGD, full batch", "label tokens"]),
        (
            {"train": {"layers": [0.5], "matrices": ["v"]}, "causal": "block"},
            ["SGD, full batch", "label tokens", "W v, layer 0.5", "layer-causal"],
        ),
        ({"train": {"lora": {"rank": 4, "matrices": ["q"]}}, "loss": "squared"}, None),
        ({"optimiser": "lion"}, ["lion, full batch", "label tokens"]),
    ],
)
def test_a_protocol_is_named_by_its_entry(entry, parts):
    parts = parts or ["SGD, full batch", "squared error", "LoRA of rank 4"]
    assert kind.protocol(FULL | entry, 4) == parts


def test_protocols_that_words_do_not_tell_apart_have_their_labels():
    names = Names(ROLES, {"gd": "Plain", "sgd": "Again"})
    said = kind.protocols(
        {"gd": FULL, "sgd": FULL | {"rate": 1.0}, "adam": FULL | {"batch": 1}}, 4, names
    )
    assert [parts[-1] for parts in said.values()] == ["Plain", "Again", "4 steps an epoch"]


def test_protocols_stand_in_the_order_of_loss_optimiser_and_batch():
    entries = {
        "a": FULL | {"loss": "all"},
        "b": FULL | {"batch": 1},
        "c": FULL | {"optimiser": "adam"},
        "d": FULL | {"batch": 2},
        "e": FULL,
        "f": FULL | {"optimiser": "lion"},
    }
    assert kind.ordered(entries) == ["e", "d", "b", "c", "f", "a"]


def test_outline_of_tiles():
    assert kind.outline(set()) == []
    assert sorted(kind.outline({(0, 0)})) == [
        (0, 0, 0, 1),
        (0, 0, 1, 0),
        (0, 1, 1, 1),
        (1, 0, 1, 1),
    ]
    # Two side by side: their common edge is none, and the long ones are joined.
    two = kind.outline({(2, 1), (3, 1)})
    assert sorted(two) == [(2, 1, 2, 2), (2, 1, 4, 1), (2, 2, 4, 2), (4, 1, 4, 2)]
    # An angle has six corners, and six edges between them.
    assert len(kind.outline({(0, 0), (0, 1), (1, 1)})) == 6
    # Two that touch at a corner keep four each.
    assert len(kind.outline({(0, 0), (1, 1)})) >= 6


def test_labels_are_left_out_where_they_would_touch():
    assert kind.fitting(["0", "1", "2"], [0, 20, 40], 5, [6, 6, 6]) == [0, 1, 2]
    assert kind.fitting(["0", "1", "2"], [0, 8, 16], 5, [6, 6, 6]) == [0, 2]
    assert kind.fitting([], [], 5, []) == []


def test_colours_are_even_in_lightness(tmp_path, monkeypatch):
    """Light is near to ICL, and right: readable in grey, too (lightness L* of CIELAB)."""
    script = Path(__file__).resolve().parents[2] / "src/plot_sensitivity.py"
    path = sensitivity(tmp_path / "s.parquet")
    more = figure("sensitivity", protocols=PROTOCOLS, title="t")
    command = [str(script), "--summary", str(path), *more, "--output", str(tmp_path / "f.svg")]
    monkeypatch.setattr(sys, "argv", command)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    drawn = runpy.run_path(str(script))

    def lightness(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
        y = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
        return 116 * y ** (1 / 3) - 16

    for stops, sign in ((drawn["NEAR"], -1), (drawn["RIGHT"], 1)):
        steps = [sign * (lightness(b) - lightness(a)) for a, b in itertools.pairwise(stops)]
        assert min(steps) > 8 and max(steps) < 2.2 * min(steps)
