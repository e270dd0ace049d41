"""What a learner is follows from its entry, whatever its name."""

import json
from pathlib import Path

import pytest
import yaml

from iclgd.reporting import style
from iclgd.study import roles

ROOT = Path(__file__).parents[2]
V = {"matrices": ["v"]}


@pytest.mark.parametrize(
    ("entry", "role"),
    [
        ({"method": "icl"}, "icl"),
        ({"method": "bayes"}, "bayes"),
        ({"method": "solver", "solver": "oracle"}, "solver"),
        ({"method": "icl", "model": "other"}, "solver"),
        *(({"method": one, "imagined": 1}, "imagined") for one in ("icl", "bayes")),
        ({"reference": "prompted", "shift": "order"}, "icl-reordered"),
        ({"reference": "prompted", "shift": "draw"}, "icl-redrawn"),
        ({"method": "gd", "rate": 1}, "gd"),
        ({"method": "gd", "rate": 1, "loss": "label", "optimiser": "sgd"}, "gd"),
        ({"method": "gd", "rate": 1, "optimiser": "monotone", "batch": 8}, "gd"),
        ({"method": "gd", "optimiser": "monotone", "train": {"layers": [0.6], **V}}, "gd-middle"),
        ({"method": "gd", "rate": 1, "batch": 4}, "sgd"),
        ({"method": "gd", "rate": 1, "batch": 4, "optimiser": "adam"}, "adam"),
        ({"method": "gd", "train": {"layers": [0.484], **V}}, "gd-middle"),
        ({"method": "gd", "train": {"layers": [0.6], **V}}, "gd-middle"),
        ({"method": "gd", "train": {"layers": [0.968], **V}}, "gd-deep"),
        ({"method": "gd", "train": {"layers": [3], **V}}, "gd-other"),
        ({"method": "gd", "train": {"layers": [0.5, 0.9], **V}}, "gd-other"),
        ({"method": "gd", "train": {"layers": "all", **V}, "batch": 1}, "gd-other"),
        ({"method": "gd", "train": {"layers": [0.5], **V}, "causal": "block"}, "gd-other"),
        ({"method": "gd", "train": {"lora": {"rank": 8, **V}}}, "gd-other"),
        ({"method": "gd", "train": {"parameters": ["a.weight"]}}, "gd-other"),
        ({"method": "gd", "loss": "squared"}, "gd-other"),
        *(({"method": "gd", "optimiser": one}, "gd-other") for one in ("nesterov", "sign")),
        ({"method": "patch", "shuffled": True}, "shuffled"),
        ({"method": "distil", "match": "labels"}, "labelled"),
        *(({"method": method}, "taught") for method in ("distil", "vector", "patch")),
        ({"method": "kernel", "kernel": "exp", "rate": 1}, "gd-kernel"),
        ({"method": "tangent"}, "tangent"),
        ({"method": "tangent", "train": {"layers": [0.5], **V}}, "tangent"),
    ],
)
def test_a_learner(entry, role):
    assert roles.learner(entry) == role
    assert role in roles.LEARNERS


def test_what_repeats_gradient_descent_has_its_role():
    """Not that of ICL in another order: figures would call it that."""
    again = {"reference": "tuned", "shift": "order"}
    deep = {"method": "gd", "train": {"layers": [0.9], **V}}
    assert roles.learner(again, {"tuned": deep}) == "gd-deep"
    assert roles.learner(again, {"tuned": {"method": "icl"}}) == "icl-reordered"
    assert roles.learner(again, {"tuned": {"method": "icl", "imagined": 1}}) == "imagined"
    config = {"models": {}, "tasks": {}, "learners": {"tuned": deep, "again": again}}
    assert roles.of_study(config) == {"tuned": "gd-deep", "again": "gd-deep"}


def test_models_and_tasks():
    entries = ({"of": "m", "control": "random"}, {"construct": {}}, {"pretrain": {}}, {"hub": "x"})
    assert [roles.model(entry) for entry in entries] == [
        "control",
        "construction",
        "pretrained",
        "model",
    ]
    assert [roles.task({"of": "t", "control": "labels"}), roles.task({})] == ["control", "task"]
    taught = ({"control": "labels", "share": 0.1}, {"control": "conflict"})
    taught += ({"control": "flipped", "share": 1.0}, {"control": "abstract"})
    assert {roles.task({"of": "t", **entry}) for entry in taught} == {"task"}


def test_figures_have_a_colour_for_every_role():
    assert set(roles.LEARNERS) <= set(style.ROLES)


@pytest.mark.parametrize(
    "path", ["config.yaml", "tests/study.yaml", "config/paper.yaml", "config/real-gpu.yaml"]
)
def test_names_mean_nothing(path):
    config = yaml.safe_load((ROOT / path).read_text())
    before = list(roles.of_study(config).values())
    for part in ("models", "tasks", "learners"):
        entries = json.loads(json.dumps(config[part]))
        renamed = {name: f"{part}{i}" for i, name in enumerate(entries)}
        for entry in entries.values():
            if "reference" in entry:
                entry["reference"] = renamed[entry["reference"]]
        config[part] = {renamed[name]: entry for name, entry in entries.items()}
    assert list(roles.of_study(config).values()) == before
