"""The workflow from other folders, as a module, with --config, and without targets."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support import starts, workflow
from support.workflow import STUDY, checked, copy_project, digests

from iclgd.study import places

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).parents[1]
STUDY = yaml.safe_load(yaml.safe_dump(STUDY))
STUDY["figures"] = {
    name: {**STUDY["figures"][name], "demonstrations": ["n2"]} for name in ("agreement", "order")
}
STUDY["models"] = {"llama-small": {"path": "models/llama-small"}}
del STUDY["learners"]["bayes"], STUDY["learners"]["icl-random"]
STUDY["figures"]["agreement"]["pairs"] = [["icl", "gd"], ["icl", "icl-reordered"]]


def snakemake(folder: Path, *arguments, check: bool = True) -> subprocess.CompletedProcess:
    """Run Snakemake as a user does who has the environment's programs, and nothing else set.

    What runs no jobs starts sooner.
    """
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    environment.pop("PYTHONPATH", None)
    arguments = ["--cores", "2", *map(str, arguments)]
    if "--dry-run" in arguments or not check:
        done = starts.snakemake(folder, *arguments, env=environment)
    else:
        command = [sys.executable, "-m", "snakemake", *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    return checked(done) if check else done


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A finished small study in a folder whose name has a space.

    A warm process runs its torch steps; those of the tests run without one.
    """
    folder = copy_project(tmp_path_factory.mktemp("elsewhere") / "my project", STUDY)
    workflow.snakemake(folder)
    return folder


@pytest.fixture
def other(tmp_path):
    """Another working directory, with a space, too."""
    folder = tmp_path / "other folder"
    folder.mkdir()
    return folder


def test_from_another_folder_the_bytes_are_the_same(project, other):
    snakefile = project / "Snakefile"
    snakemake(other, "-s", snakefile, "--configfile", project / "config.yaml")
    assert digests(other) == digests(project)
    # The study of the workflow's folder is the default, too.
    done = snakemake(other, "-s", snakefile, "--dry-run")
    assert "Nothing to be done" in done.stdout
    assert sorted(path.name for path in other.iterdir()) == [".snakemake", "logs", "results"]


def test_another_working_directory_gets_the_results(project, other):
    before = digests(project)
    target = "results/models/llama-small.json"
    snakemake(project, "--directory", other, "--", target)
    assert (other / target).read_bytes() == (project / target).read_bytes()
    assert digests(project) == before


def test_a_link_to_the_project_reruns_nothing(project, tmp_path):
    (tmp_path / "link").symlink_to(project)
    for folder, arguments in (
        (tmp_path / "link", ()),
        (tmp_path, ("-s", "link/Snakefile", "--directory", "link")),
    ):
        assert "Nothing to be done" in snakemake(folder, *arguments, "--dry-run").stdout


def test_a_study_and_a_model_of_the_working_directory_come_first(project, other):
    (other / "models").mkdir()
    shutil.copytree(project / "models/gptj", other / "models/llama-small")
    shutil.copy(project / "config.yaml", other)
    target = "results/models/llama-small.json"
    snakemake(other, "-s", project / "Snakefile", "--", target)
    assert '"architecture": "gptj"' in (other / target).read_text()
    found = other / "results/models/llama-small/config.json"
    assert found.resolve() == (other / "models/llama-small/config.json").resolve()


MODULE = """
module icl:
    snakefile: {snakefile!r}
    config: config["icl"]
use rule * from icl as icl_*
rule mine:
    default_target: True
    input: "results/tasks/topic2.parquet", "results/models/llama-small.json"
    output: "mine.txt"
    shell: "ls {{input}} > {{output}}"
"""


def test_another_workflow_uses_this_one_as_a_module(project, other):
    (other / "Snakefile").write_text(MODULE.format(snakefile=str(project / "Snakefile")))
    (other / "all.yaml").write_text(yaml.safe_dump({"icl": STUDY, "mine": 1}))
    snakemake(other, "--configfile", "all.yaml", "--config", "mine=2")
    for path in (other / "mine.txt").read_text().split():
        assert (other / path).read_bytes() == (project / path).read_bytes()


def test_files_of_the_workflow_are_relative_in_its_folder_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    assert places.own("src/run_gd.py") == "src/run_gd.py"
    assert places.model("models/gptj") == Path("models/gptj")
    monkeypatch.chdir(tmp_path)
    assert places.own("src/run_gd.py") == str(ROOT / "src/run_gd.py")
    assert places.model("models/gptj") == ROOT / "models/gptj"
    assert places.model("models/none") == Path("models/none")
    (tmp_path / "models/gptj").mkdir(parents=True)
    assert places.model("models/gptj") == Path("models/gptj")


# --- what is requested ---------------------------------------------------------------------


def test_a_slash_at_the_end_of_a_model_changes_nothing(project, other):
    study = {**STUDY, "models": {"llama-small": {"path": ".//models/llama-small/"}}}
    (other / "config.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    done = snakemake(project, "--configfile", other / "config.yaml", "--dry-run")
    assert "Nothing to be done" in done.stdout and "//" not in done.stdout.split("Building")[1]


def test_numbers_of_the_command_line_are_numbers(project):
    rates = 'learners={"gd": {"rates": [0.02]}}'
    done = snakemake(project, "--dry-run", "--configfile", "config.yaml", "--config", rates)
    assert "results/logits/llama-small/topic2/n2/gd@0.02/0-0.parquet" in done.stdout
    assert "gd@0.01" not in done.stdout
    # So they are in addition to the default study.
    done = snakemake(project, "--dry-run", "--config", "demonstrations={n2: {draws: 2}}")
    assert "results/demonstrations/topic2/n2/0-1.parquet" in done.stdout


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ({**STUDY, "figures": {}}, (), "config: figures: there is no figure"),
        (
            {**STUDY, "figures": {}},
            ("results/study/findings.txt",),
            "config: figures: there is no figure",
        ),
        (
            {key: {} for key in STUDY},
            ("results/study/report.html",),
            "config: figures: there is no figure",
        ),
        ({**STUDY, "figures": None}, (), "config: figures: nothing stands there"),
        ({**STUDY, "models": {}}, (), "'llama-small' is not in the catalogue (known: none)"),
        ({}, (), "config: top level: key 'models' is missing"),
        ({"figures": STUDY["figures"]}, (), "config: top level: key 'models' is missing"),
        (STUDY, ("--config", "learners={gd: ["), "config: --config learners: neither JSON nor"),
        (STUDY, ("--config", "learnrs={}"), "unknown key 'learnrs' (did you mean 'learners'?)"),
    ],
)
def test_what_asks_for_nothing_ends_in_one_line(project, other, text, arguments, message):
    (other / "study.yaml").write_text(yaml.safe_dump(text))
    given = ("--configfile", other / "study.yaml")
    if "--config" not in arguments:
        arguments = ("--", *arguments)
    done = snakemake(project, "--quiet", "all", *given, *arguments, check=False)
    assert done.returncode == 1
    *_, last = done.stderr.splitlines()
    assert message in last and "Traceback" not in done.stderr and "File " not in done.stderr


def test_other_files_than_yaml_and_more_than_one_are_studies(project, other):
    (other / "config.json").write_text(json.dumps(STUDY))
    done = snakemake(project, "--dry-run", "--configfile", other / "config.json")
    assert "Nothing to be done" in done.stdout
    (other / "more.yaml").write_text("learners: {gd: {epochs: 5}}\n")
    both = other / "config.json", other / "more.yaml"
    done = snakemake(project, "--dry-run", "--configfile", *both, check=False)
    assert "in study 'default', and both would write the same files" in done.stderr
    done = snakemake(project, "--dry-run", "--configfile", *both, "--config", "study=default")
    assert "rule run_gd" in done.stdout and "rule run_icl" not in done.stdout
