"""`iclgd study` and `iclgd run`: a file that can be read and run again, and an answer."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.workflow import copy_project, snakemake

SRC = Path(__file__).parents[1] / "src"


def ask(folder, *arguments, status=0) -> str:
    return iclgd(folder, "study", *arguments, status=status)


def iclgd(folder, *arguments, status=0) -> str:
    """What the command prints in a folder that is not the workflow's; of an error its line."""
    environment = {**os.environ, "PYTHONPATH": str(SRC)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    command = [sys.executable, "-m", "iclgd", *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == status, done.stdout + done.stderr[-3000:]
    return done.stdout if status == 0 else done.stderr


def test_a_plan_is_a_file_and_another_study_does_not_replace_it(tmp_path):
    given = ["--model", "smollm2", "--task", "sst2", "--cores", "2", "--plan"]
    said = ask(tmp_path, *given)
    text = (tmp_path / "smollm2-staicc-sst2.yaml").read_text()
    assert said.startswith("smollm2-staicc-sst2.yaml: ") and "minutes on 2 cores" in said
    assert text.startswith("# iclgd study --model smollm2 --task sst2")
    assert yaml.safe_load(text)["figures"]["equivalence"]["of"] == ["agreement"]
    assert ask(tmp_path, *given) == said
    error = ask(tmp_path, *given, "--shots", "8", status=1)
    assert "is another study: choose another --name" in error
    assert (tmp_path / "smollm2-staicc-sst2.yaml").read_text() == text


@pytest.mark.parametrize(
    ("arguments", "problem", "status"),
    [
        (["--model", "smolm2", "--task", "sst2"], "did you mean 'smollm2'", 1),
        (["--model", "smollm2", "--task", "nothing.csv"], "is no file", 1),
        (["--model", "smollm2", "--task", "sst2", "--shots", "1"], "from 2 is needed", 2),
        (["--model", "smollm2", "--task", "sst2", "--words", "0"], "VALUE=WORD is needed", 2),
    ],
)
def test_what_does_not_fit_is_one_line_and_leaves_no_file(tmp_path, arguments, problem, status):
    error = ask(tmp_path, *arguments, "--plan", status=status)
    assert problem in error.splitlines()[-1] and "Traceback" not in error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.workflow
def test_one_command_ends_with_an_answer_of_one_screen(tmp_path):
    said = ask(tmp_path, "--model", "gptj", "--task", "topic4", "--minutes", "1", "--cores", "2")
    assert said.startswith("gptj-topic4.yaml: ") and "That is the least: " in said
    text = (tmp_path / "results/gptj-topic4/answer.txt").read_text()
    answer = text.splitlines()
    assert said.endswith(text) and len(answer) <= 15
    assert answer[0] == "Is in-context learning gradient descent?"
    assert "GPT-J shape" in "".join(answer[1:4])
    assert (tmp_path / "results/gptj-topic4/report.html").exists()


@pytest.mark.workflow
def test_the_least_configuration_ends_with_an_answer(tmp_path):
    folder = copy_project(tmp_path / "project", {})
    shutil.copy(SRC.parent / "config/minimal.yaml", folder)
    done = snakemake(folder, "--configfile", "minimal.yaml")
    assert done.stdout == (folder / "results/minimal/answer.txt").read_text()
    assert re.search(r"4 topics, 4 · whole model +\w+", done.stdout)
    assert (folder / "results/minimal/report.html").exists()


def test_a_study_that_is_not_there_is_named(tmp_path):
    assert "none.yaml: no such file" in iclgd(tmp_path, "run", "none.yaml", status=1)
