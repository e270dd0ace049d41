"""What a run plans, where a study's results lie, and what is refused before any job."""

import re
from pathlib import Path

import pytest
import yaml
from support.workflow import STUDY, copy_project, snakemake, write_study

from iclgd.study import shared

pytestmark = pytest.mark.workflow
PAGE = "src/iclgd/reporting/page/page.js"
PLAN = (Path(__file__).parent / "study.plan").read_text().splitlines()


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("studies") / "project", STUDY)


def planned(folder, *arguments) -> list[str]:
    """Every job that would run, with all its outputs."""
    text = snakemake(folder, "--dry-run", *arguments).stdout
    jobs = re.findall(r"^(?:local)?rule (\w+):\n(?:    input: .*\n)?    output: (.*)", text, re.M)
    return sorted(f"{rule}: {outputs}" for rule, outputs in jobs)


def refused(folder, *arguments) -> str:
    done = snakemake(folder, "--dry-run", *arguments, check=False)
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_tiny_study_plans_these_jobs(project):
    assert planned(project) == PLAN


def test_examples_wait_for_the_agreement_tables_that_they_read_by_a_pattern(project):
    text = snakemake(project, "--dry-run", "results/default/summary/examples.parquet").stdout
    inputs = re.search(r"^rule collect_examples:\n    input: (.*)", text, re.M)[1].split(", ")
    pairs = {f"icl--{name}.parquet" for name in ("gd@0.01", "flow", "oracle", "icl-reordered")}
    assert {f"results/agreement/llama-small/topic2/n4/{pair}" for pair in pairs} <= set(inputs)


@pytest.mark.parametrize("way", ["file", "key", "--config"])
def test_another_study_writes_into_its_own_folder(project, way):
    study = {**STUDY, "study": "mine"} if way == "key" else STUDY
    (project / "mine.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    arguments = ["--configfile", "mine.yaml"]
    if way == "--config":
        arguments = ["--config", "study=mine"]
    jobs = planned(project, *arguments)
    assert jobs == [job.replace("results/default/", "results/mine/") for job in PLAN]


def test_a_name_that_means_something_else_in_another_study_is_refused(project):
    other = yaml.safe_load(yaml.safe_dump(STUDY))
    other["learners"]["gd"]["epochs"] = 9
    shared.record(str(project / "results/other/study.json"), other)
    try:
        message = refused(project)
        assert 'learners.gd@0.01: {"epochs": 3} here, {"epochs": 9} in study \'other\'' in message
        assert "rename one, or remove results/other/study.json" in message
    finally:
        (project / "results/other/study.json").unlink()


@pytest.mark.parametrize(
    ("target", "right"),
    [
        ("results/logits/llama-small/topic2/n4/gd@1e-2/0-1.parquet", "gd@0.01"),
        ("results/models/soft@1.0.json", "soft@1"),
        ("results/models/live@step40.json", "live@step4"),
    ],
)
def test_a_target_with_another_spelling_is_named_with_the_right_one(project, target, right):
    assert f"is not in the configuration (did you mean {right!r}?)" in refused(project, target)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("src/plot_size.py", "config: src/plot_size.py is missing, which"),
        ("src/run_gd.py", "src/run_gd.py is missing, which src/run_gd.py is or imports"),
        (PAGE, f"{PAGE} is missing, which build_report reads"),
    ],
)
def test_a_step_is_never_left_out_for_a_missing_file(project, file, message):
    """Snakemake would leave it out without a word where its output is there."""
    content = (project / file).read_bytes()
    (project / file).unlink()
    try:
        assert message in refused(project)
    finally:
        (project / file).write_bytes(content)


def test_a_study_without_figures_is_refused(project):
    write_study(project, {key: {} for key in STUDY})
    try:
        assert "config: figures: there is no figure" in refused(project)
    finally:
        write_study(project, STUDY)
