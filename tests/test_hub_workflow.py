"""A study of two models of the hub, of which one is not there yet: the other goes on."""

import shutil

import polars as pl
import pytest
from support.fake_hub import LOOPBACK, TOKEN, FakeHub, environment
from support.models import tiny_model, tiny_tokenizer
from support.workflow import copy_project, planned, snakemake

from iclgd.tasks import synthetic, task_tables

pytestmark = pytest.mark.workflow

# Rows in the words of the tiny tokenizer.
MADE = synthetic.make_task(task_tables.generator("films", "rows"), "topics", 40, 2)
DATA = {"kind": "datasets"}


def study() -> dict:
    """ICL of two models, each in a figure of its own, on one task of the hub."""
    source = {"dataset": "org/films", "train": "train", "test": "test"}
    task = {"hub": source, "prompt": "{text} : {label}\n", "queries": 8}
    task["labels"] = {str(row["label"]): row["label_text"] for row in MADE}
    return {
        "models": {name: {"hub": f"org/{name}"} for name in ("here", "late")},
        "tasks": {"films": task},
        "demonstrations": {"n2": {"shots": 2, "draws": 2, "orders": 2}},
        "learners": {"icl": {"method": "icl"}, "again": {"reference": "icl", "shift": "order"}},
        "figures": {
            name: {
                "kind": "agreement",
                "models": [name],
                "tasks": ["films"],
                "demonstrations": ["n2"],
                "pairs": [["icl", "again"]],
            }
            for name in ("here", "late")
        },
    }


def rows(part: list[dict]) -> bytes:
    lines = ["text,label", *(f"{row['text']},{row['label']}" for row in part)]
    return "\n".join(lines).encode()


def test_a_model_that_is_missing_is_told_and_fetched_once_it_is_there(tmp_path, monkeypatch):
    model = tmp_path / "model"
    tiny_model("llama", "float32").save_pretrained(model)
    tiny_tokenizer().save_pretrained(model)
    project = copy_project(tmp_path / "project", study())
    shutil.copy(LOOPBACK / "sitecustomize.py", project / "src")
    here, late = (project / f"results/default/summary/{name}.parquet" for name in ("here", "late"))
    with FakeHub() as hub:
        for name, value in environment(hub, tmp_path).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("HF_HUB_OFFLINE")
        hub.push("org/films", {"train.csv": rows(MADE[:24]), "test.csv": rows(MADE[24:])}, **DATA)
        hub.push("org/here", model)
        done = snakemake(project, "--keep-going", check=False)
        assert done.returncode == 1
        assert done.stderr.count("error: org/late at main: 404 Client Error. Repository Not") == 2
        logs = "".join(path.read_text() for path in (project / "logs").rglob("*.log"))
        assert "org/late" in logs and TOKEN not in logs + done.stdout + done.stderr
        assert set(pl.read_parquet(here)["model"]) == {"here"}
        assert not late.exists()
        assert not [path for path in (project / "results/models").iterdir() if "late" in path.name]

        hub.push("org/late", model)
        hub.seen.clear()
        snakemake(project)
        asked = [path for _, path, _ in hub.seen if not path.startswith("/cdn/")]
        assert asked and all("/org/late" in path for path in asked)
        assert set(pl.read_parquet(late)["model"]) == {"late"}
        assert planned(project) == []
    assert not (tmp_path / "foreign").exists()
