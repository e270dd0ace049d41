"""Bad configurations are refused before any job, with key, value and the nearest name."""

import copy
from pathlib import Path

import catalogue
import pytest
import yaml

ROOT = Path(__file__).parents[1]
DEFAULT = yaml.safe_load((ROOT / "config.yaml").read_text())


def changed(path: str, value):
    """The default configuration with one value replaced (or added)."""
    config = copy.deepcopy(DEFAULT)
    *parents, last = path.split("/")
    place = config
    for key in parents:
        place = place[int(key) if isinstance(place, list) else key]
    place[int(last) if isinstance(place, list) else last] = value
    return config


def test_the_shipped_configurations_are_valid():
    paths = [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml"))]
    assert len(paths) >= 4
    for path in paths:
        catalogue.check(yaml.safe_load(path.read_text()), ROOT)


BAD = {
    "learners/gd/epocs": (3, "learners.gd: unknown key 'epocs' (did you mean 'epochs'?)"),
    "learners/gd/rates": (
        ["1e-4"],
        "learners.gd.rates.0: '1e-4' is text, number is needed; write 0.0001",
    ),
    "learners/gd/optimiser": (
        "sdg",
        "learners.gd.optimiser: 'sdg' is not valid (did you mean 'sgd'?)",
    ),
    "learners/gd/epochs": (0, "learners.gd.epochs: 0: it is less than the minimum of 1"),
    "learners/gd/rate": (
        0.1,
        "learners.gd: exactly one of rate, rates is needed, found rate, rates",
    ),
    "learners/gd/train": (
        {"layers": [1]},
        "learners.gd.train: both 'layers' and 'matrices' are needed",
    ),
    "learners/icl/rate": (0.1, "learners.icl: key 'rate' has no meaning here"),
    "learners/icl-reordered/reference": ("icll", "'icll' is no learner (did you mean 'icl'?)"),
    "learners/x": ({}, "learners.x: key 'method' (icl, gd or bayes) or 'reference' is missing"),
    "models/llama-small": ({"path": "models/none"}, "'models/none' is no model folder"),
    "models/two": (
        {"path": "a", "hub": "b"},
        "models.two: exactly one of path, hub, pretrain is needed",
    ),
    "models/a b": ({"hub": "b"}, "the name 'a b' must be letters, digits"),
    "models/gptj/dtype": (
        "fp32",
        "models.gptj.dtype: 'fp32' is not valid (did you mean 'float32'?)",
    ),
    "models/llama-live/revisions": (["step7"], "models.llama-live.revisions: 'step7' is not saved"),
    "tasks/topic2/prompt": ("{text} :", "must hold {label} exactly once"),
    "tasks/mine": (
        {"files": "data/none.jsonl", "prompt": "{text} {label}", "labels": {"0": "a", "1": "b"}},
        "tasks.mine.files: 'data/none.jsonl' does not exist",
    ),
    "tasks/bare": (
        {"files": "README.md", "prompt": "{text} {label}"},
        "tasks.bare: key 'labels' is missing",
    ),
    "demonstrations/n1/orders": (2, "demonstrations.n1.orders: 2 orders, but 1 shots have 1"),
    "demonstrations/n8/orders": ("all", "demonstrations.n8.orders: 'all' means 8! orders"),
    "demonstrations/n8/shots": (5000, "design 'n8' shows 5000 demonstrations, task "),
    "figures/agreement/models": (
        ["llama-larg"],
        "'llama-larg' is not in the catalogue (did you mean 'llama-large'?)",
    ),
    "figures/agreement/pairs": (
        [["icl", "dg"]],
        "figures.agreement.pairs: 'dg' is not in the catalogue",
    ),
    "figures/shots/pairs": (
        [["gd", "icl-reordered"]],
        "figures.shots.pairs: 'icl-reordered' is a reference of 'icl', not of 'gd'",
    ),
    "figures/agreement/kind": (
        "agrement",
        "figures.agreement.kind: 'agrement' is not valid (did you mean 'agreement'?)",
    ),
    "learners/bayes": (
        {"method": "bayes", "rate": 0.1},
        "learners.bayes: key 'rate' has no meaning here",
    ),
    "tasks/topic2/generate/length": (5, "tasks.topic2.generate: key 'length' has no meaning"),
    "figures/agreement/learners": (["icl"], "key 'learners' has no meaning for kind 'agreement'"),
    "figures/new": ({"kind": "order", "models": ["gptj"]}, "figures.new: key 'tasks' is missing"),
    "figurs": ({}, "top level: unknown key 'figurs' (did you mean 'figures'?)"),
}


@pytest.mark.parametrize("path", BAD)
def test_a_bad_value_is_named(path):
    value, message = BAD[path]
    with pytest.raises(catalogue.ConfigError) as caught:
        catalogue.check(changed(path, value), ROOT)
    assert message in str(caught.value)


def test_a_layer_outside_the_model_is_named():
    config = changed("learners/gd-v-deep/train", {"layers": [17], "matrices": ["v"]})
    with pytest.raises(catalogue.ConfigError, match=r"17 is outside model 'llama-large'"):
        catalogue.check(config, ROOT)


def test_lists_expand_to_names_with_values():
    entry = {"method": "gd", "rates": [1.0e-3, 0.1]}
    assert catalogue.expand("gd", entry) == ["gd@0.001", "gd@0.1"]
    assert catalogue.expand_all(["gd", "icl"], {"gd": entry, "icl": {}}) == [
        "gd@0.001",
        "gd@0.1",
        "icl",
    ]
    assert catalogue.learner_entry({"learners": {"gd": entry}}, "gd@0.001") == {"rate": 0.001}


def test_a_block_of_draws_leaves_earlier_blocks_alone():
    assert catalogue.blocks({"draws": 5}) == ["0-4"]
    assert catalogue.blocks({"draws": 12}) == ["0-4", "5-9", "10-11"]
    assert catalogue.blocks({"draws": 4, "block": 2}) == ["0-1", "2-3"]


def test_labels_for_readers_never_reach_a_job():
    entry = catalogue.model_entry(
        {"models": {"m": {"path": "p", "label": "L", "revisions": ["a"]}}}, "m@a"
    )
    assert entry == {"path": "p", "revision": "a"}


def test_the_bayesian_reader_reads_its_own_language_only():
    config = changed("learners/bayes", {"method": "bayes"})
    config["figures"]["agreement"]["pairs"] = [["icl", "bayes"]]
    with pytest.raises(catalogue.ConfigError, match="'bayes' reads tasks of kind 'ginc' only"):
        catalogue.check(config, ROOT)
