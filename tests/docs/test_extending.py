"""docs/extending.md, carried out as it stands: every block goes where the comment above it says."""

import json
import re
from pathlib import Path

import polars as pl
import pytest
import yaml
from support.workflow import ROOT, copy_project, planned, rules_of, snakemake

PAGE = (ROOT / "docs/extending.md").read_text()
STEP = re.compile(r"<!-- (.+?) -->\n```\w+\n(.*?)```", re.S)
EMPTY = {key: {} for key in ("models", "tasks", "demonstrations", "learners", "figures")}
# What must not run again when a metric or a figure is added to a finished study.
COSTLY = ("run_", "prepare_", "fetch_", "sample_", "derive_", "compare_attention")

pytestmark = pytest.mark.workflow


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


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with the page's own model, task and learners, run."""
    folder = copy_project(tmp_path_factory.mktemp("extending") / "project", EMPTY)
    words = ["tafo", "neru", "lesi", "zome", "mula", "lufu", "basi", "done", "gese"]
    rows = [(f"{a} {b}", i % 2) for i, a in enumerate(words) for b in words if a != b]
    lines = [f"{text},{label}\n" for text, label in rows]
    (folder / "rows.csv").write_text("text,label\n" + "".join(lines) + "not annotated,-1\n")
    for step in steps_of("A model, a task, a learner"):
        carry_out(folder, *step)
    snakemake(folder)
    return folder


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


def test_a_kind_of_figure_and_an_optimiser(project):
    before = (project / "results/default/figures/compared.svg").read_bytes()
    *code, configuration = steps_of("A kind of figure")
    for step in code:
        carry_out(project, *step)
    # The new kind is in the list that findings and report go through; nothing else runs again.
    assert not [job for job in rules_of(planned(project)) if job.startswith((*COSTLY, "plot_"))]
    for step in [*steps_of("An optimiser"), configuration]:
        carry_out(project, *step)
    assert {"plot_answers", "summarise_accuracy", "build_report"} <= rules_of(planned(project))
    snakemake(project)
    results = project / "results/default"
    assert (results / "figures/compared.svg").read_bytes() == before
    for ending in ("svg", "png", "pdf", "html", "tex"):
        assert (results / f"figures/right.{ending}").stat().st_size > 500
    assert "Who is right?" in (results / "report.html").read_text()
    found = pl.read_parquet(results / "summary/right.accuracy.parquet")
    assert set(found.filter(learner="training-adamw@0.001")["epoch"]) >= {0, 2}


def test_an_architecture():
    """Its projections are LLaMA's: trained alone they change what the plain loop changes."""
    ((where, block),) = steps_of("An architecture")
    source = (ROOT / "src/iclgd/models/architectures.py").read_text()
    assert where.startswith("in src/iclgd/models/architectures.py") and block.strip() not in source
    namespace: dict = {}
    anchor = re.search(r'after "(.*)"', where)[1]
    exec(compile(source.replace(anchor, anchor + "\n" + block), "architectures", "exec"), namespace)
    rows = namespace["ARCHITECTURES"]
    assert rows["granite"] == rows["llama"]
