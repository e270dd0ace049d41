"""docs/extending.md, carried out as it stands: every block goes where the comment above it says."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest
import yaml
from support.workflow import ROOT, copy_project, digests, planned, rules_of, snakemake
from transformers import AutoConfig, AutoModelForCausalLM

from iclgd.io.cli import InputError
from iclgd.models import architectures, row_check
from iclgd.study.names import base

PAGE = (ROOT / "docs/extending.md").read_text()
STEP = re.compile(r"<!-- (.+?) -->\n```\w+\n(.*?)```", re.S)
EMPTY = {key: {} for key in ("models", "tasks", "demonstrations", "learners", "figures")}
# What must not run again when a metric or a figure is added to a finished study.
COSTLY = ("run_", "prepare_", "fetch_", "sample_", "derive_", "compare_attention")


def carry_out(folder: Path, where: str, block: str) -> None:
    """One step of the page, in a copy of the project."""
    if where == "configuration":
        study = yaml.safe_load((folder / "config.yaml").read_text())
        for key, entries in yaml.safe_load(block).items():
            study[key] |= entries
        (folder / "config.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    elif where.startswith("new "):
        (folder / where.removeprefix("new ")).write_text(block)
    else:
        path, anchor = re.fullmatch(r'in (\S+) after "(.*)"', where).groups()
        lines = (folder / path).read_text().splitlines(keepends=True)
        (place,) = (i for i, line in enumerate(lines) if anchor in line)
        lines.insert(place + 1, block)
        (folder / path).write_text("".join(lines))


def steps_of(heading: str) -> list[tuple[str, str]]:
    """The steps of one section."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return STEP.findall(section)


def python(folder: Path, *module: str) -> str:
    """What a module of the project's library says."""
    command = [sys.executable, "-m", *module]
    environment = {**os.environ, "PYTHONPATH": "src"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with the page's own model, task and learners, run."""
    folder = copy_project(tmp_path_factory.mktemp("extending") / "project", EMPTY)
    for step in steps_of("A model, a task, a learner"):
        carry_out(folder, *step)
    snakemake(folder)
    return folder


@pytest.mark.workflow
def test_a_model_a_task_and_learners(project):
    summary = pl.read_parquet(project / "results/default/summary/compared.parquet")
    assert set(summary["model"]) == {"mine", "mine-random"}
    read = {"reading-again", "training@0.01", "training@0.1", "flow"}
    assert set(summary.filter(a="reading")["b"]) == read
    again = summary.filter(b="training-again")
    assert set(again["a"]) == {"training@0.01", "training@0.1"}
    manifest = json.loads((project / "results/tasks/films.json").read_text())
    assert manifest["left_out"]["leave_out"] == 1
    assert set(manifest["classes"]["test"]) == {"Dul", "Fes"}


@pytest.mark.workflow
def test_a_metric(project):
    for step in steps_of("A metric"):
        carry_out(project, *step)
    jobs = rules_of(planned(project))
    assert {"compare_logits", "summarise_agreement", "plot_agreement"} <= jobs
    assert not [job for job in jobs if job.startswith(COSTLY)]
    snakemake(project)
    summary = pl.read_parquet(project / "results/default/summary/compared.parquet")
    rows = summary.filter(metric="same_token").drop_nulls("low")
    assert len(rows) and rows.select((pl.col("low") >= 0) & (pl.col("high") <= 1)).to_series().all()
    path = "results/default/summary/compared.parquet"
    shown = python(project, "iclgd", "show", path, "--where", "metric = 'same_token'")
    assert "reading-again" in shown
    python(project, "iclgd.reporting.dictionary")
    line = "| same_token | is a's likeliest token b's as well? |"
    assert line in (project / "docs/data.md").read_text()
    line = "| same token | argmax p = argmax q | 0 or 1 |"
    assert line in (project / "docs/methods.md").read_text()
    snakemake(project)


@pytest.mark.workflow
def test_rows_of_optimisers_and_architectures(project):
    """They list every gradient descent anew, as the page says, and --touch takes that back."""
    assert planned(project) == []
    before = digests(project)
    for step in [*steps_of("An optimiser"), *steps_of("An architecture")]:
        carry_out(project, *step)
    assert "run_gd" in rules_of(planned(project))
    snakemake(project, "--touch")
    assert planned(project) == []
    assert digests(project) == before


@pytest.mark.workflow
def test_a_kind_of_figure_and_the_optimisers(project):
    before = (project / "results/default/figures/compared.svg").read_bytes()
    *code, configuration = steps_of("A kind of figure")
    for step in code:
        carry_out(project, *step)
    # The new kind is in the list that findings and report go through; nothing else runs again.
    assert not [job for job in rules_of(planned(project)) if job.startswith((*COSTLY, "plot_"))]
    carry_out(project, *configuration)
    jobs = rules_of(planned(project))
    assert {"plot_sureness", "summarise_sureness", "build_report"} <= jobs
    snakemake(project)
    results = project / "results/default"
    assert (results / "figures/compared.svg").read_bytes() == before
    for ending in ("svg", "png", "pdf", "html", "tex"):
        assert (results / f"figures/sure.{ending}").stat().st_size > 500
    assert "Who is sure?" in (results / "report.html").read_text()
    assert "probability of its answer" in (results / "findings.txt").read_text()
    found = pl.read_parquet(results / "summary/sure.parquet")
    assert found["estimate"].is_between(0, 1).all()
    families = {"reading", "training", "training-adamw", "training-rmsprop"}
    assert {base(name) for name in found["learner"]} == families


@pytest.mark.parametrize("kind", ["granite", "persimmon"])
def test_an_architecture(kind, monkeypatch):
    """The page's rows are right by the models themselves, and a wrong one is told."""
    ((where, block),) = steps_of("An architecture")
    source = (ROOT / "src/iclgd/models/architectures.py").read_text()
    assert where.startswith("in src/iclgd/models/architectures.py") and block.strip() not in source
    anchor = re.search(r'after "(.*)"', where)[1]
    page = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", page)  # dataclasses look their module up
    code = compile(source.replace(anchor, anchor + "\n" + block), "architectures", "exec")
    exec(code, vars(page))
    rows = page.ARCHITECTURES
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    sizes |= {"vocab_size": 50, "intermediate_size": 48, "max_position_embeddings": 64}
    sizes |= dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"), None)
    model = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **sizes)).eval()
    monkeypatch.setitem(architectures.ARCHITECTURES, kind, rows[kind])
    row_check.check(model)
    axes = ("matrix", "heads", "width") if rows[kind].fused else ("width", "heads")
    monkeypatch.setitem(architectures.ARCHITECTURES, kind, replace(rows[kind], axes=axes))
    with pytest.raises(InputError, match=f"the row of {kind!r} in "):
        row_check.check(model)
