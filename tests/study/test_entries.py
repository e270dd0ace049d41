"""How entries are read: overrides, folders, lists of values, blocks of draws."""

import pytest
from support.configurations import ROOT

from iclgd.study import jobs, names, pairing, sizes
from iclgd.study.config import ConfigError, override, simplify


def test_settings_of_the_command_line_are_read_as_files_are():
    config = {"learners": {"gd": {"rates": ["0.02"], "epochs": 3}}, "tasks": {"t": {"files": "x"}}}
    settings = ['learners={"gd": {"rates": [0.02, 1e-3], "label": "1"}}', "tasks={t: {queries: 8}}"]
    override(config, settings)
    gd = {"rates": [0.02, 0.001], "epochs": 3, "label": "1"}
    assert config == {"learners": {"gd": gd}, "tasks": {"t": {"files": "x", "queries": 8}}}
    for wrong in ("{", "[1", "{a: b: c}", "9" * 5000):
        with pytest.raises(ConfigError, match=r"^config: --config tasks: neither JSON nor"):
            override(config, [f"tasks={wrong}"])


@pytest.mark.parametrize(
    ("path", "simple"),
    [
        *(
            ("models/a/", "models/a"),
            ("./models//a", "models/a"),
            ("/x/a//", "/x/a"),
            ("a b/", "a b"),
        ),
        *(("models/a", "models/a"), ("a/../b", "a/../b"), ("a/.", "a")),
    ],
)
def test_a_folder_is_spelled_one_way(path, simple):
    config = {"models": {"a": {"path": path}, "b": {"hub": "x//y"}}}
    simplify(config)
    assert config == {"models": {"a": {"path": simple}, "b": {"hub": "x//y"}}}


def test_lists_expand_to_names_with_values():
    entry = {"method": "gd", "rates": [1.0e-3, 0.1]}
    assert names.expand("gd", entry) == ["gd@0.001", "gd@0.1"]
    assert names.expand_all(["gd", "icl"], {"gd": entry, "icl": {}}) == [
        "gd@0.001",
        "gd@0.1",
        "icl",
    ]
    assert jobs.learner({"learners": {"gd": entry}}, "gd@0.001") == {"rate": 0.001}


def test_a_list_of_departures_makes_one_model_of_each():
    entry = {"construct": {"layers": 2, "rate": 1, "softmax": [0.3, 1]}, "label": "L"}
    assert names.expand("soft", entry) == ["soft@0.3", "soft@1"]
    expected = {"construct": {"layers": 2, "rate": 1, "softmax": 0.3}}
    assert jobs.model({"models": {"soft": entry}}, "soft@0.3") == expected
    assert sizes.layer_count(entry, ROOT) == 2


def test_a_block_of_draws_leaves_earlier_blocks_alone():
    assert pairing.blocks({"draws": 5}) == ["0-4"]
    assert pairing.blocks({"draws": 12}) == ["0-4", "5-9", "10-11"]
    assert pairing.blocks({"draws": 4, "block": 2}) == ["0-1", "2-3"]
    assert pairing.blocks({"draws": 6, "first": 20}) == ["20-24", "25-25"]


def test_labels_for_readers_never_reach_a_job():
    entry = jobs.model({"models": {"m": {"path": "p", "label": "L", "revisions": ["a"]}}}, "m@a")
    assert entry == {"path": "p", "revision": "a"}
