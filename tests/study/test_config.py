"""Entries are typed, each key in one place, and all problems are reported at once."""

import ast
import dataclasses
from pathlib import Path

import pytest
import yaml

from iclgd.io import imports
from iclgd.learners import optimisers, settings
from iclgd.models import pretraining
from iclgd.study import checks, config, jobs
from iclgd.tasks import synthetic

ROOT = Path(__file__).parents[2]


def study(**entries) -> dict:
    empty = {"models": {}, "tasks": {}, "demonstrations": {}, "learners": {}, "figures": {}}
    return {**empty, **entries}


def descent_keys() -> list[str]:
    """The keys of a learner's descent: its fields, and the settings of the optimisers."""
    own = [field.name for field in dataclasses.fields(settings.Learner)]
    return [name for name in own if name != "settings"] + optimisers.known_settings()


def test_a_learner_has_the_keys_of_its_descent():
    assert set(config.Descent.model_fields) == set(descent_keys())


def test_a_job_is_told_every_setting_that_a_learner_can_have():
    fields = descent_keys()
    assert sorted(fields) == sorted(config.Descent.model_fields)
    entry = {"method": "gd", "label": "L", "orders": 1, **dict.fromkeys(fields, 1)}
    settings_of = jobs.learner({"learners": {"gd": entry}}, "gd")
    assert sorted(settings_of) == sorted(fields)


@pytest.mark.parametrize(
    ("entry", "step"),
    [
        (config.Pretrain, pretraining.Recipe),
        (config.Mixture, synthetic.Mixture),
    ],
)
def test_an_entry_has_the_keys_of_what_its_step_makes_of_it(entry, step):
    assert set(entry.model_fields) == {field.name for field in dataclasses.fields(step)}


READ_ELSEWHERE = {  # by the study itself, or by another step
    config.Model: {"revisions", "layers", "label", "pretrain", "of", "control", "constructed"},
    config.Task: {"of", "control", "texts", "share", "label", "bindings"},
    config.Construct: {"toward"},  # --toward
    config.Generate: set(),
    config.HubData: set(),
    config.Train: set(),
    config.Lora: set(),
}


@pytest.mark.parametrize(
    ("entry", "script"),
    [
        (config.Model, "fetch_model"),
        (config.Task, "prepare_task"),
        (config.Generate, "prepare_task"),
        (config.HubData, "prepare_task"),
        (config.Construct, "construct_model"),
        (config.Train, "run_gd"),
        (config.Lora, "run_gd"),
    ],
)
def test_every_key_is_read_by_its_step(entry, script):
    """As a key of a map, or as an argument of a function."""
    paths = [ROOT / f"src/{script}.py"]
    paths += [ROOT / "src" / path for path in imports.closure(paths[0])]
    read = set()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant):
                read.add(node.value)
            elif isinstance(node, ast.arg):
                read.add(node.arg)
    assert set(entry.model_fields) - READ_ELSEWHERE[entry] - read == set()


def test_the_end_of_pretraining_is_where_the_step_puts_it():
    assert pretraining.Recipe.decay == checks.DECAY


def test_all_problems_are_told_at_once():
    found = config.problems(
        study(
            models={"m": {"hub": "a/b", "dtyp": "float32"}},
            learners={"gd": {"rates": ["1e-2", -1], "train": {"lora": {"rank": 0}}}},
        )
    )
    assert sorted(found) == [
        "config: learners.gd.rates.0: '1e-2' is text, number is needed; write 0.01 without quotes",
        "config: learners.gd.rates.1: -1: it is not greater than 0",
        "config: learners.gd.train.lora.rank: 0: it is less than the minimum of 1",
        "config: learners.gd.train.lora: key 'matrices' is missing",
        "config: models.m: unknown key 'dtyp' (did you mean 'dtype'?)",
    ]


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"tasks": {"t": {"files": {"tran": "a"}}}}, "tasks.t.files: unknown key 'tran' (did you"),
        ({"tasks": {"t": {"files": 4}}}, "tasks.t.files: 4: it is not of type 'string'"),
        ({"models": {"m": {"construct": {"layer": 1}}}}, "construct: unknown key 'layer' (did"),
        ({"models": {"m": {"remote_code": "yes"}}}, "remote_code: 'yes' is text, boolean is"),
        ({"demonstrations": {"n": {"shots": 2.0, "draws": 1}}}, "shots: 2.0: it is not of type"),
        ({"demonstrations": {"n": {"shots": 2, "draws": 1, "orders": "al"}}}, "'al' is text, int"),
        ({"learners": {"x": {"rates": []}}}, "learners.x.rates: []: it should be non-empty"),
        ({"learners": {"x": {"rates": [1, 1]}}}, "it has non-unique elements"),
        ({"figures": {"f": {"kind": "agrement"}}}, "'agrement' is not valid (did you mean 'agree"),
        ({"figures": {"f": {"kind": "size", "pairs": [["a"]]}}}, "two are needed"),
        ({"study": "a b"}, "config: study: the name 'a b' must be letters"),
    ],
)
def test_a_problem_names_its_place(entries, message):
    found = config.problems(study(**entries))
    assert any(message in line for line in found), found


def test_values_stay_as_written():
    path = ROOT / "config.yaml"
    before, entries = (yaml.safe_load(path.read_text()) for _ in range(2))
    assert config.problems(entries) == []
    assert entries == before


def test_a_default_that_is_not_written_reaches_no_job():
    entry = {"method": "gd", "rate": 0.1}
    assert jobs.as_json(jobs.learner({"learners": {"gd": entry}}, "gd")) == '{"rate": 0.1}'


@pytest.mark.parametrize(
    ("train", "kind"),
    [
        ({"layers": [1], "matrices": ["v"]}, "agreement"),
        ({"lora": {"rank": 2, "matrices": ["q"]}}, "agreement"),
        (None, "attention"),
        (None, "sparsity"),
        (None, "agreement"),
    ],
)
def test_an_architecture_without_a_row_is_refused_before_any_job(train, kind, tmp_path):
    """Of local models and those that are pretrained here; a hub model's step tells later."""
    (tmp_path / "falcon").mkdir()
    (tmp_path / "falcon/config.json").write_text('{"model_type": "falcon", "num_layers": 2}')
    learner = {"method": "gd", "rate": 0.1} | ({"train": train} if train else {})
    entries = yaml.safe_load((ROOT / "tests/study.yaml").read_text())
    entries["models"] = {
        "bird": {"path": "falcon"},
        "far": {"hub": "owner/name"},
        "bird-random": {"of": "bird", "control": "random"},
    }
    entries["learners"] = {"icl": {"method": "icl"}, "some": learner}
    figure = {"kind": kind, "models": ["far", "bird-random"]}
    if kind != "sparsity":
        figure |= {"tasks": ["topic2"], "demonstrations": ["n4"]}
        figure |= (
            {"learners": ["icl", "some"]} if kind == "attention" else {"pairs": [["icl", "some"]]}
        )
    found = checks.problems({**entries, "figures": {"one": figure}}, tmp_path)
    if train is None and kind == "agreement":
        assert found == []
        return
    (line,) = found
    place = "learners.some.train" if train else "figures.one.models"
    assert line.startswith(
        f"config: {place}: model 'bird-random': the projections of architecture 'falcon' are not "
        "known by name (known: llama, "
    )
    assert line.endswith("or add a row to src/iclgd/models/architectures.py")
