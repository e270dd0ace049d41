"""Costs of jobs: operations by hand, sizes that are not known yet, sums of real studies."""

import json

import pytest

from iclgd.learners import settings
from iclgd.study import costs
from iclgd.study.costs import (
    BASE,
    CONVERGED,
    KEPT,
    PER_TOKEN,
    SPEED,
    STEPS,
    TRIALS,
    USUAL,
    Costs,
)
from iclgd.study.power import SPREAD, detectable

PROMPT = "Review: {text}\nSentiment: {label}\n\n"  # 35 characters
FLOW = {"rate": 0.1, "epochs": 60, "until": 0.01, "record": [0, 60]}
CONFIG = {
    "models": {
        "big": {"hub": "owner/Pythia-1.4B"},
        "small": {"package": {"file": "SmolLM2-135M-Instruct.Q4_1.gguf"}},
        "random": {"of": "small", "control": "random"},
        "unnamed": {"hub": "owner/model-v2"},
        "made": {"construct": {"layers": 2}},
    },
    "tasks": {
        "sst2": {"prompt": PROMPT, "longest": 100, "queries": 64},
        "wrong": {"of": "sst2", "control": "labels"},
        "topic4": {"generate": {"rows": 100}},
    },
    "demonstrations": {
        "n4": {"shots": 4, "draws": 20, "orders": 3},
        "all": {"shots": 2, "orders": "all"},
    },
    "learners": {
        "gd": {"rates": [0.1, 1.0], "epochs": 20, "record": [0, 5, 20], "orders": 1},
        "flow": FLOW,
        "imagined": {"method": "icl", "imagined": 1},
        "flow-v": FLOW | {"train": {"layers": [0.484], "matrices": ["v"]}},
    },
}
AT = {"model": "small", "task": "sst2", "design": "n4", "draws": "5-9"}
TEXT = (len(PROMPT) + USUAL * 100) / PER_TOKEN
ASKED = 2 * 135e6 * TEXT * 64
SHOWN = 2 * 135e6 * TEXT * 4


def operations(rule, **at):
    return (Costs(CONFIG).seconds(rule, AT | at) - STEPS[rule]) * SPEED


def test_an_imagined_example_asks_the_queries_with_each_label():
    found = operations("run_icl", learner="imagined", task="topic4", design="all", draws="0-0")
    asked = 2 * 135e6 * 8 * costs.QUERIES  # two labels, texts of 8 tokens
    assert found == pytest.approx(24 * (2 * 135e6 * 8 * 2 + 2 * asked))


def test_icl_reads_prompts_and_queries_under_every_order():
    assert operations("run_icl", learner="icl") == pytest.approx(5 * 3 * (SHOWN + ASKED))
    every = operations("run_icl", learner="icl", design="all", draws="0-0")
    assert every == pytest.approx(24 * (SHOWN / 2 + ASKED))


def test_gd_is_three_passes_an_epoch_and_an_evaluation_for_each_record_but_the_first():
    found = operations("run_gd", learner="gd@0.1")
    assert found == pytest.approx(5 * (20 * 3 * SHOWN + 2 * ASKED))
    found = operations("run_gd", learner="flow")
    assert found == pytest.approx(5 * 3 * (60 * CONVERGED * 3 * TRIALS * SHOWN + ASKED))


def test_what_lies_below_the_layer_that_trains_is_computed_once():
    whole, middle = (operations("run_gd", learner=one) for one in ("flow", "flow-v"))
    assert middle == pytest.approx(whole * (1 - 0.484))


def test_an_instruction_is_read_with_every_text():
    tasks = {"sst2": CONFIG["tasks"]["sst2"] | {"instruction": "x" * 45}}
    more = Costs(CONFIG | {"tasks": tasks}).seconds("run_gd", AT | {"learner": "gd@1"})
    assert (more - STEPS["run_gd"]) * SPEED == pytest.approx(
        operations("run_gd", learner="gd@1") * (TEXT + 10) / TEXT
    )


def test_controls_cost_what_their_originals_do():
    same = operations("run_gd", learner="gd@1", model="random", task="wrong")
    assert same == operations("run_gd", learner="gd@0.1")


def test_weights_are_those_of_the_manifest_once_there_is_one(tmp_path):
    (tmp_path / "results/models").mkdir(parents=True)
    (tmp_path / "results/models/small.json").write_text(json.dumps({"weights": 250_000_000}))
    there, not_yet = Costs(CONFIG, tmp_path), Costs(CONFIG)
    found = [costs.megabytes("compare_logits", AT) - BASE for costs in (there, not_yet)]
    assert found == pytest.approx([1.2 * 1000, 1.2 * 540])


def test_weights_of_a_folder_are_those_of_its_files(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/model.safetensors").write_bytes(bytes(4_000))
    config = CONFIG | {"models": {"small": {"path": "mine"}}}
    assert Costs(config, tmp_path).megabytes("x", AT) == pytest.approx(BASE + 1.2 * 0.004)


def test_weights_are_read_off_names_and_what_has_none_is_named():
    costs = Costs(CONFIG)
    assert costs.megabytes("x", {"model": "big"}) == pytest.approx(BASE + 1.2 * 5600)
    jobs = [("fetch_model", {"model": name}) for name in CONFIG["models"]]
    assert costs.unknown(jobs) == ["unnamed"]
    assert costs.seconds("fetch_model", {"model": "unnamed"}) == STEPS["fetch_model"]


def test_what_is_written_is_weights_and_kept_tokens():
    known = Costs(CONFIG | {"models": CONFIG["models"] | {"linked": {"path": "folder-1m"}}})
    at = {**AT, "learner": "gd@0.1"}
    assert known.megabytes_written("fetch_model", {"model": "small"}) == pytest.approx(540)
    assert known.megabytes_written("fetch_model", {"model": "linked"}) == 0
    assert known.megabytes_written("compare_logits", at) == 0
    tokens = 5 * 64 * 1024 * KEPT * 1e-6  # of five draws under one order
    assert known.megabytes_written("run_solver", at) == pytest.approx(tokens)
    assert known.megabytes_written("run_icl", at) == pytest.approx(3 * tokens)
    assert known.megabytes_written("run_gd", at) == pytest.approx(3 * tokens)  # epochs 0, 5, 20


def test_more_draws_find_less_and_more_tests_find_more():
    # One test, one-sided at 5 %, found in 80 % of cases: 1.645 + 0.842 standard errors.
    assert detectable(25, 1) == pytest.approx(2.4865 * SPREAD / 5, abs=1e-4)
    assert detectable(100, 1) == pytest.approx(detectable(25, 1) / 2)
    assert detectable(25, 10) == pytest.approx((2.5758 + 0.8416) * SPREAD / 5, abs=1e-4)


@pytest.mark.parametrize("entry", [{}, {"epochs": 60, "record": []}, {"record": [0, 5, 200]}])
def test_recorded_epochs_are_counted_as_the_step_records_them(entry):
    assert costs._recorded(entry) == len(settings.learner({"rate": 0.1, **entry}).recorded())
