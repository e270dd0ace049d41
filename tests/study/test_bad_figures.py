"""What does not go together in a configuration is refused before any job, by name."""

import pytest
from support.configurations import ROOT, changed

from iclgd.study import checks
from iclgd.study.config import ConfigError

RUNS = {"tasks": ["pairs"], "demonstrations": ["n1"]}


@pytest.mark.parametrize(
    ("figure", "message"),
    [
        # One demonstration has one order.
        (
            {"kind": "agreement", "models": ["gptj"], "pairs": [["icl", "icl-reordered"]]},
            "x: nothing",
        ),
        # Of controls references are not shown.
        (
            {
                "kind": "controls",
                "models": ["llama-large-random"],
                "pairs": [["icl", "icl-redrawn"]],
            },
            "x: nothing is left to compare: references need designs with 'orders: 2'",
        ),
        ({"kind": "agreement", "models": ["gptj"], "pairs": [["icl", "gd"]]}, None),
    ],
)
def test_a_figure_with_nothing_to_compare_is_named(figure, message):
    config = changed("figures/x", {**figure, **RUNS})
    config["figures"] = {"x": config["figures"]["x"]}
    if message is None:
        checks.check(config, ROOT)
        config["figures"]["verdict"] = {"kind": "equivalence", "of": ["x"]}
        message = "figures.verdict.of: no design there has 'orders: 2' or more"
    with pytest.raises(ConfigError, match=message):
        checks.check(config, ROOT)


def test_an_odd_number_of_demonstrations_with_two_labels_each_is_named():
    config = changed("tasks/topic4-labels/control", "conflict")
    config["demonstrations"]["n4-few"]["shots"] = 3
    message = (
        r"design 'n4-few' shows 3 demonstrations, which is odd: task 'topic4-labels' \('control: "
        r"conflict'\) shows each input twice"
    )
    with pytest.raises(ConfigError, match=message):
        checks.check(config, ROOT)


def test_designs_of_one_figure_begin_at_one_draw():
    """Else draws of one number, with the same demonstrations, would be few or none."""
    config = changed("demonstrations/n8/first", 20)
    figure = {"kind": "shots", "models": ["gptj"], "tasks": ["topic4"]}
    figure |= {"demonstrations": ["n4", "n8"], "pairs": [["icl", "gd"]]}
    config["figures"] = {"x": figure}
    with pytest.raises(
        ConfigError, match=r"x\.demonstrations: draws of one number .* 'first' 0, 20"
    ):
        checks.check(config, ROOT)
    figure["demonstrations"] = ["n8"]
    checks.check(config, ROOT)


def test_what_enters_the_unembedding_means_nothing_in_a_construction():
    config = changed("learners/gd/label", "GD")
    figure = {"kind": "agreement", "models": ["construction"], "tasks": ["topic4"]}
    config["figures"] = {
        "x": {**figure, "demonstrations": ["n4"], "pairs": [["icl", "newton-last"]]}
    }
    with pytest.raises(ConfigError, match="'newton-last' reads what enters the unembedding, which"):
        checks.check(config, ROOT)


def test_a_layer_outside_the_model_is_named():
    config = changed("learners/gd-v/train", {"layers": [17], "matrices": ["v"]})
    with pytest.raises(ConfigError, match=r"17 is outside model 'llama-large'"):
        checks.check(config, ROOT)


@pytest.mark.parametrize(
    ("learner", "figure", "message"),
    [
        ({"method": "vector", "at": [7]}, {}, r"learners.x.at: 7 is outside model 'llama-large'"),
        (
            {"method": "kernel", "kernel": "exp", "rate": 1.0, "layer": 9},
            {},
            r"learners.x.layer: 9 is outside model 'llama-large'",
        ),
        (
            {"method": "kernel", "kernel": "exp", "rate": 1.0, "loss": "squared"},
            {},
            "'x' has 'loss: squared' or 'precondition', which need a construction",
        ),
        (
            {"method": "vector"},
            {"models": ["construction"]},
            "'x' needs the states of tokens, which construction 'construction' has not",
        ),
        (
            {"method": "distil", "rate": 0.1, "match": "attention"},
            {"models": ["construction"]},
            "'x' needs the states of tokens",
        ),
        ({"method": "tangent", "rate": 1}, {}, "key 'rate' has no meaning here"),
        (
            {"method": "patch"},
            {"kind": "updates", "pairs": [["gd-once", "x"]]},
            r"a learner of method patch is needed, then one of gd, not \['gd-once', 'x'\]",
        ),
        ({"method": "tangent", "train": {"reach": 1}}, {}, "'reach' is for learners of method gd"),
        (
            {"method": "gd", "rate": 1, "train": {"reach": 1}},
            {"kind": "attention", "learners": ["icl", "x"]},
            "'x' trains another matrix in each draw",
        ),
        (
            {"method": "gd", "rate": 1, "train": {"lora": {"rank": 2, "matrices": ["v"]}}},
            {"kind": "updates", "pairs": [["patches", "x"]]},
            "'x' trains no matrix that 'patches' is sure to patch",
        ),
        ({"method": "patch"}, {"kind": "steps", "pairs": [["icl", "x"]]}, "no learner there takes"),
        (
            {"method": "patch"},
            {"kind": "existence", "pairs": [["icl", "x"], ["gd-once", "x"]]},
            "ICL must stand first in each, found gd-once, icl",
        ),
        (
            {"method": "patch"},
            {"kind": "dose", "pairs": [["icl", "x"]], "models": ["construction"]},
            "one learner of method gd is needed",
        ),
    ],
)
def test_learners_and_figures_that_cannot_go_together_are_named(learner, figure, message):
    config = changed("learners/x", learner)
    config["figures"] = {"existence": {**config["figures"]["existence"], **figure}}
    if "pairs" not in figure:
        config["figures"]["existence"]["pairs"] = [["icl", "x"], ["icl", "icl-reordered"]]
    with pytest.raises(ConfigError, match=message):
        checks.check(config, ROOT)


FLIPPED = {"of": "topic4", "control": "flipped", "share": 0.5}
DOSE = {
    "kind": "label_dose",
    "models": ["llama-large"],
    "tasks": ["topic4", "flipped"],
    "demonstrations": ["n4"],
    "learners": ["icl", "gd-short"],
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, None),
        ({"tasks": ["flipped"]}, "one task with right labels is needed, found none"),
        ({"tasks": ["topic4", "pairs", "flipped"]}, "is needed, found topic4, pairs"),
        ({"tasks": ["topic4", "topic4-labels"]}, "'topic4-labels' is not 'control: flipped' or"),
        ({"tasks": ["pairs", "flipped"]}, r"'flipped' is not .* of 'pairs'"),
        ({"tasks": ["topic4", "flipped", "again"]}, "'again' shows the same labels as 'flipped'"),
        ({"tasks": ["topic4", "none", "flipped"]}, "'none' shows the same labels as 'topic4'"),
        ({"tasks": ["topic4", "words"]}, "no task has 'control: flipped', so there is no dose"),
        ({"learners": ["icl"]}, "one ICL is needed, and others beside it, found icl"),
        ({"learners": ["gd-short", "vote"]}, "others beside it, found none"),
        ({"learners": ["icl", "patches"]}, "'patches' learns from rows that are not shown"),
        ({"learners": ["icl", "icl-reordered"]}, "'icl-reordered' has no answers of its own"),
        ({"learners": ["icl", "icl-imagined"]}, "has each of them with two labels"),
        ({"tasks": ["topic4", "flipped", "nearly"]}, "two shares are the same number of wrong"),
        ({"kind": "reach"}, "task 'flipped' has other texts with two labels"),
    ],
)
def test_a_label_dose_is_of_one_task_with_one_icl(change, message):
    config = changed("figures/dosed", {**DOSE, **change})
    config["tasks"] |= {"flipped": FLIPPED, "again": dict(FLIPPED)}
    config["tasks"] |= {"none": {**FLIPPED, "share": 0.0}}
    config["tasks"] |= {"nearly": {**FLIPPED, "share": 0.45}}
    config["tasks"] |= {"words": {"of": "topic4", "control": "abstract"}}
    if message is None:
        return checks.check(config, ROOT)
    with pytest.raises(ConfigError, match=message):
        checks.check(config, ROOT)


@pytest.mark.parametrize(
    ("task", "more", "message"),
    [
        (
            {"hub": {"dataset": "a/b", "train": "x", "test": "y"}},
            {},
            "it is of no made-up language",
        ),
        ({"generate": {"kind": "topics", "rows": 99, "mixed": 0.5}}, {}, r"two topics \('mixed'\)"),
        ({"generate": {"kind": "ginc", "rows": 99}}, {"imagined": 1}, "an input of ginc tells of"),
        ({"of": "pairs", "control": "labels"}, {}, "no document shows what 'control: labels' does"),
    ],
)
def test_the_bayesian_reader_reads_its_own_languages_only(task, more, message):
    config = changed("learners/bayes", {"method": "bayes", **more})
    entry = {"prompt": "{text} {label}\n", "labels": {"0": "a", "1": "b"}, "queries": 16}
    entry = task if "of" in task else entry | task
    config["tasks"]["other"] = entry
    config["figures"] = {"agreement": config["figures"]["agreement"] | {"tasks": ["other"]}}
    config["figures"]["agreement"]["pairs"] = [["icl", "bayes"]]
    with pytest.raises(ConfigError, match=f"'bayes' cannot read task 'other': .*{message}"):
        checks.check(config, ROOT)


def test_the_bayesian_reader_knows_abstract_words_as_other_tags():
    config = changed("learners/bayes", {"method": "bayes"})
    config["tasks"]["other"] = {"of": "topic4", "control": "abstract"}
    config["figures"] = {"agreement": config["figures"]["agreement"] | {"tasks": ["other"]}}
    config["figures"]["agreement"]["pairs"] = [["icl", "bayes"]]
    checks.check(config, ROOT)


def test_icl_imagines_no_inputs_that_tell_of_labels():
    config = changed("tasks/topic4/generate", {"kind": "ginc", "rows": 99})
    config["figures"] = {"agreement": config["figures"]["agreement"]}
    config["figures"]["agreement"]["pairs"] = [["icl", "icl-imagined"]]
    said = "'icl-imagined' imagines inputs of task 'topic4', which tell of what makes the labels"
    with pytest.raises(ConfigError, match=said):
        checks.check(config, ROOT)


def test_abstract_words_beside_an_instruction_that_names_labels_are_refused():
    news = {"prompt": "{text} {label}\n", "labels": {"0": "World", "1": "Sports"}}
    news |= {"instruction": "Is it World or Sports?\n", "files": "config/minimal.yaml"}
    config = changed("tasks/news", news)
    config["tasks"]["words"] = {"of": "news", "control": "abstract"}
    with pytest.raises(ConfigError, match="the instruction of 'news' names the label 'World'"):
        checks.check(config, ROOT)


@pytest.mark.parametrize("kind", ["topics", "pairs"])
def test_the_bayesian_reader_imagines_in_the_language_of_topics(kind):
    config = changed("learners/bayes", {"method": "bayes", "imagined": 1})
    config["tasks"]["topic4"]["generate"] = {"kind": kind, "rows": 528}
    config["figures"] = {"agreement": config["figures"]["agreement"]}
    config["figures"]["agreement"]["pairs"] = [["icl", "bayes"]]
    checks.check(config, ROOT)
