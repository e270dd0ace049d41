"""`pip install .`: what the package says of itself, and that it carries the whole workflow."""

import email
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
pytestmark = pytest.mark.slow


def run(*command, cwd, **more) -> str:
    environment = {**os.environ, **more}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The package, built as pip does it."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    run(*pip, "--wheel-dir", folder, ROOT, cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def test_the_package_says_what_it_is(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name = next(one for one in archive.namelist() if one.endswith("dist-info/METADATA"))
        said = email.message_from_bytes(archive.read(name))
    assert said["Name"] == PROJECT["name"] == "iclgd"
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert said["Version"] == PROJECT["version"] == citation["version"]
    assert said["License-Expression"] == citation["license"] == "MIT"
    needed = [one for one in said.get_all("Requires-Dist") if "extra ==" not in one]
    named = {re.match(r"[\w-]+", one)[0] for one in needed}
    assert {"snakemake", "torch", "transformers", "datasets", "peft", "polars", "altair"} <= named
    assert said.get_payload().startswith("# Is in-context learning gradient descent?")


def test_the_package_carries_every_file_of_the_workflow_and_no_other_module(wheel):
    files = run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT)
    parts = ("Snakefile", "config.yaml", "config/", "rules/", "envs/", "profiles/", "models/")
    parts += ("src/", "docs/reference/", "docs/methods.md")
    wanted = {path for path in files.splitlines() if path.startswith(parts)}
    assert len(wanted) > 300
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    prefix = "iclgd/workflow/"
    assert {one.removeprefix(prefix) for one in names if one.startswith(prefix)} == wanted
    library = {path.removeprefix("src/") for path in wanted if path.startswith("src/iclgd/")}
    rest = {one for one in names if not one.startswith(prefix) and ".dist-info/" not in one}
    assert rest == library


@pytest.mark.workflow
def test_an_installation_runs_a_study_in_an_empty_folder(wheel, tmp_path):
    """A study that names itself, in a file of that folder; others are found in the installation."""
    installed, folder = tmp_path / "installed", tmp_path / "my study"
    folder.mkdir()
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", installed]
    run(*pip, wheel, cwd=folder)
    command = [sys.executable, installed / "bin/iclgd", "run"]
    text = (installed / "iclgd/workflow/config/minimal.yaml").read_text()
    (folder / "any.yaml").write_text(f"study: mine\n{text}")
    said = run(*command, "any.yaml", cwd=folder, PYTHONPATH=str(installed))
    assert said == (folder / "results/mine/answer.txt").read_text() != ""
    there = sorted(one.name for one in folder.iterdir())
    assert there == [".snakemake", "any.yaml", "logs", "results"]
    planned = run(*command, "any.yaml", "--plan", cwd=folder, PYTHONPATH=str(installed))
    assert "Nothing to be done" in planned
    other = run(*command, "config/minimal.yaml", "--plan", cwd=folder, PYTHONPATH=str(installed))
    assert "build_report" in other and "run_gd" not in other
