"""The inputs of a study's figures, without Snakemake."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace as Wildcards

import pytest
import yaml

from iclgd.io.figures import Figure as FigureArgument
from iclgd.study import paths, shared
from iclgd.study.config import ConfigError
from iclgd.study.study import Study

ROOT = Path(__file__).parents[2]
TINY = yaml.safe_load((ROOT / "tests/study.yaml").read_text())
SHIPPED = [ROOT / "config.yaml", *sorted((ROOT / "config").glob("*.yaml"))]


def tiny(**changes) -> Study:
    return Study(json.loads(json.dumps({**TINY, **changes})), "tiny", ROOT)


def test_a_figure_knows_its_pairs_and_files():
    figure = tiny().figures["agreement"]
    run = ("llama-small", "topic2", "n4")
    pairs = [("icl", "gd@0.01"), ("icl", "icl-reordered"), ("icl", "flow"), ("gd@0.01", "gd-again")]
    pairs += [("icl", other) for other in ("oracle", "neighbours", "icl-random", "bayes")]
    assert figure.pairs == [(*run, *pair) for pair in pairs]
    learners = ["icl", "gd@0.01", "flow", "oracle", "neighbours", "icl-random", "bayes"]
    assert figure.logits() == [
        f"results/logits/llama-small/topic2/n4/{learner}/0-1.parquet" for learner in learners
    ]
    assert figure.agreement()[1].endswith("n4/icl--icl-reordered.parquet")


def test_what_is_told_of_a_figure_is_what_its_steps_take():
    study = tiny()
    arguments = {
        name: json.loads(study.figure_json(Wildcards(figure=name))) for name in study.figures
    }
    figures = {name: FigureArgument(**one) for name, one in arguments.items()}
    assert figures["controls"].controls["small-random"] == ["llama-small", "random"]
    assert figures["agreement"].chance == {"topic2": 0.5}
    assert figures["equivalence"].roles["icl-reordered"] == "icl-reordered"
    assert figures["attention"].learners == ["icl", "gd-kv@0.3"]
    reference = json.loads(study.statistic_json(("reference",))(Wildcards(figure="equivalence")))
    assert reference["reference"] == "icl-reordered" and "title" not in reference


def test_primary_figures_that_hold_only_controls_declare_no_primary_test():
    controls = {**TINY["figures"]["agreement"], "models": ["small-random"]}
    figures = {"agreement": TINY["figures"]["agreement"], "of_controls": controls}
    both = {"kind": "equivalence", "of": [*figures]}

    def primary(**more):
        study = tiny(figures={**figures, "both": {**both, **more}})
        told = study.statistic_json(("primary",))(Wildcards(figure="both"))
        return FigureArgument(**json.loads(told)).primary

    assert primary(primary=["of_controls"]) == []
    assert primary() == primary(primary=["agreement"]) != []


def test_protocols_are_what_entries_say_whatever_the_names():
    learners = {**TINY["learners"], "b1": TINY["learners"]["gd"] | {"batch": 1, "momentum": 0.5}}
    learners["b4"] = learners["gd"] | {"batch": 4}
    pairs = [["icl", "icl-reordered"], *(["icl", one] for one in ("b1", "b4", "flow", "gd-kv"))]
    entry = {**TINY["figures"]["sensitivity"], "pairs": pairs, "smallest_effect": 0.1}
    study = tiny(learners=learners, figures={"f": entry})
    told = FigureArgument(**json.loads(study.figure_json(Wildcards(figure="f"))))
    usual = {"optimiser": "sgd", "loss": "label"}
    assert told.protocols == {
        "b1@0.01": {**usual, "rate": 0.01, "batch": 1, "momentum": 0.5},
        "b4@0.01": {**usual, "rate": 0.01, "batch": None},
        "flow": {**usual, "rate": 0.1, "batch": None, "optimiser": "monotone"},
        "gd-kv@0.3": {
            **usual,
            **{"rate": 0.3, "batch": 1, "loss": "all", "causal": "block"},
            "train": {"layers": "all", "matrices": ["k", "v"]},
        },
    }
    summarised = json.loads(study.statistic_json(("smallest_effect",))(Wildcards(figure="f")))
    assert summarised["smallest_effect"] == 0.1 and "protocols" not in summarised


def test_a_figure_of_sensitivity_needs_icl_reordered_and_gradient_descent():
    def refused(**changes) -> str:
        with pytest.raises(ConfigError) as error:
            tiny(figures={"f": TINY["figures"]["sensitivity"] | changes})
        return str(error.value)

    noise = (
        "config: figures.f.pairs: design 'n4' has no pair of ICL and its reference with 'shift: "
    )
    noise += "order', which is ICL's own noise: name it, and give the design 'orders: 2' or more"
    assert refused(pairs=[["icl", "gd"]]) == noise
    none = "config: figures.f.pairs: no pair is of ICL and a learner of method gd"
    assert refused(pairs=[["icl", "icl-reordered"]]) == none
    other = [["icl", "icl-reordered"], ["icl", "gd"], ["icl-random", "gd"]]
    assert "one ICL is needed, found icl, icl-random" in refused(pairs=other)
    one_order = {**TINY["demonstrations"], "n4": {**TINY["demonstrations"]["n4"], "orders": 1}}
    with pytest.raises(ConfigError, match="design 'n4' has no pair of ICL and its reference"):
        tiny(demonstrations=one_order, figures={"f": TINY["figures"]["sensitivity"]})


def test_a_renamed_learner_keeps_its_role():
    entries = {"prompted": {"method": "icl"}, "tuned": TINY["learners"]["gd"]}
    entries["again"] = {"reference": "prompted", "shift": "order"}
    figure = {**TINY["figures"]["agreement"], "pairs": [["prompted", "tuned"]]}
    figure["pairs"].append(["prompted", "again"])
    found = tiny(learners=entries, figures={"f": figure}).figures["f"].roles()
    assert (found["prompted"], found["tuned"], found["again"]) == ("icl", "gd", "icl-reordered")


def test_what_is_of_a_study_lies_in_its_folder():
    one, other = tiny(), tiny(study="other")
    assert one.paths.report == "results/tiny/report.html"
    ours = {*one.all_figures(None), *one.summaries(None), one.paths.claims, one.paths.findings}
    ours.add(one.paths.quantities)
    theirs = {*other.all_figures(None), *other.summaries(None), other.paths.claims}
    assert not ours & theirs
    assert other.paths.summary("x") == "results/other/summary/x.parquet"
    with pytest.raises(ConfigError, match="results/models is a folder of all studies"):
        tiny(study="models")
    with pytest.raises(ConfigError, match=r"the name of this study, 'a b', must be .*--config stu"):
        Study(json.loads(json.dumps(TINY)), "a b", ROOT)


def test_every_path_of_the_scheme_is_written_by_one_rule():
    text = "\n".join(path.read_text() for path in (ROOT / "rules").glob("*.smk"))
    outputs = re.findall(r"    output:\n((?: {8,}.*\n)+)", text)
    written = re.findall(r"paths\.([A-Z_]+)", "".join(outputs))
    scheme = [name for name, one in vars(paths).items() if str(one).startswith("results/")]
    assert sorted(set(written)) == sorted(scheme)


def test_shipped_studies_can_share_one_folder(tmp_path):
    for path in SHIPPED:
        shared.record(f"{tmp_path}/{path.stem}/study.json", yaml.safe_load(path.read_text()))
    for path in SHIPPED:
        config = yaml.safe_load(path.read_text())
        assert shared.problems(config, path.stem, tmp_path) == []


@pytest.mark.parametrize(
    ("part", "name", "change", "changed"),
    [
        ("figures", "agreement", {"title": "another"}, set()),
        ("models", "llama-small", {"label": "another"}, set()),
        ("learners", "gd", {"label": "another"}, set()),
        ("learners", "flow", {"epochs": 7}, {"agreement", "equivalence"}),
        ("figures", "agreement", {"tasks": ["ginc"]}, {"agreement", "equivalence"}),
        ("figures", "equivalence", {"smallest_effect": 0.1}, {"equivalence"}),
    ],
)
def test_a_figure_is_another_one_if_what_it_needs_is(part, name, change, changed):
    """Its own entry, those that it names, and those of the figures that it is of."""
    entry = {**TINY[part][name], **change}
    before, after = tiny(), tiny(**{part: {**TINY[part], name: entry}})
    differ = {
        one
        for one in ("agreement", "equivalence", "order", "sparsity")
        if shared.meaning(before.config, one) != shared.meaning(after.config, one)
    }
    assert differ == changed
    told = json.loads(after.configurations_json(None))
    assert list(told) == list(after.figures)
    assert all(re.fullmatch("[0-9a-f]{12}", one) for one in told.values())
    figures = json.loads(after.study_json(None))["figures"]
    assert {one: entry["configuration"] for one, entry in figures.items()} == told


def test_a_name_with_two_meanings_is_told_with_both(tmp_path):
    shared.record(f"{tmp_path}/one/study.json", TINY)
    assert shared.problems(TINY, "two", tmp_path) == []
    changed = json.loads(json.dumps(TINY))
    changed["learners"]["gd"] |= {"epochs": 7, "label": "GD", "rates": [0.01, 0.5]}
    changed["models"]["live"]["pretrain"]["steps"] = 5
    changed["learners"]["unused"] = {"method": "gd", "rate": 2}
    found = shared.problems(changed, "two", tmp_path)
    places = [line.split(":")[1].strip() for line in found]
    assert places == ["models.live@step0", "models.live@step4", "learners.gd@0.01"]
    difference = 'learners.gd@0.01: {"epochs": 7} here, {"epochs": 3} in study \'one\''
    assert difference in found[-1] and f"remove {tmp_path}/one/study.json" in found[-1]
    assert shared.problems(changed, "one", tmp_path) == []
    (tmp_path / "one/study.json").write_text("[]")
    assert "is no record of a study" in shared.problems(changed, "two", tmp_path)[0]


def test_a_configuration_is_checked_in_well_under_a_second():
    code = "import sys, yaml; from iclgd.study.study import Study; "
    code += "Study(yaml.safe_load(open('config.yaml'))); "
    code += "print({'torch', 'polars', 'transformers', 'snakemake'} & set(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={"PYTHONPATH": "src"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "set()\n"
