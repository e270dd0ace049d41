"""Jobs on one machine share its cards: each has its own, and none waits without need."""

import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
import yaml
from support.workflow import STUDY, copy_project, start

from iclgd.io import gpus

SRC = Path(__file__).parents[2] / "src"
CLAIM = "from iclgd.io import gpus; gpus.claim(); print(gpus.visible(), flush=True); input()"
# In place of run_icl: claim a card, note when and which, and make the output.
STEP = """
import os, sys, time
from pathlib import Path
from iclgd.io import gpus
gpus.claim()
output = Path(sys.argv[sys.argv.index("--output") + 1])
begin = time.time()
time.sleep(2)
with open("used", "a") as file:
    file.write(f"{os.environ.get(gpus.VISIBLE)},{begin},{time.time()}\\n")
output.touch()
"""


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine with so many gpus, as far as ``nvidia-smi`` tells; locks of its own."""

    def machine(count: int) -> None:
        tool = tmp_path / "bin/nvidia-smi"
        tool.parent.mkdir()
        lines = "".join(f"echo GPU-{number}\n" for number in range(count))
        tool.write_text(f"#!/bin/sh\n{lines or 'exit 9'}\n")
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")

    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return machine


@pytest.fixture
def claimants():
    """Starts processes that claim a card and hold it; those left are killed at the end."""
    started = []

    def start() -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(SRC)}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        command = [sys.executable, "-c", CLAIM]
        started.append(subprocess.Popen(command, env=environment, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.communicate()


def test_processes_claim_different_cards_until_they_end(machine, claimants):
    machine(2)
    first, second = claimants(), claimants()
    held = first.stdout.readline(), second.stdout.readline()
    assert sorted(held) == ["['GPU-0']\n", "['GPU-1']\n"]
    third = claimants()
    assert third.stderr.readline() == "waiting for one of 2 GPUs\n"
    second.kill()
    assert third.stdout.readline() == held[1]


def test_two_jobs_never_hold_the_only_card(machine, claimants):
    machine(1)
    first = claimants()
    assert first.stdout.readline() == "['GPU-0']\n"
    second = claimants()
    assert second.stderr.readline() == "waiting for one of 1 GPUs\n"
    first.communicate("\n")
    assert second.stdout.readline() == "['GPU-0']\n"


@pytest.mark.parametrize(
    ("named", "held"),
    [("3", ["['3']\n"] * 2), ("5,7", ["['5']\n", "['7']\n"]), ("", ["[]\n"] * 2)],
)
def test_what_slurm_or_the_user_named_is_respected(machine, claimants, monkeypatch, named, held):
    machine(2)
    monkeypatch.setenv(gpus.VISIBLE, named)
    assert sorted(claimants().stdout.readline() for _ in range(2)) == held


def test_a_machine_without_cards_has_nothing_to_claim(machine, claimants):
    machine(0)
    assert [claimants().stdout.readline() for _ in range(2)] == ["[]\n"] * 2


def test_cuda_sees_no_card_behind_an_invalid_name(monkeypatch):
    monkeypatch.setenv(gpus.VISIBLE, "1,-1,2")
    assert gpus.visible() == ["1"]


@pytest.mark.workflow
@pytest.mark.parametrize(
    ("count", "arguments", "side_by_side"),
    [(0, [], 3), (1, [], 1), (2, [], 2), (2, ["--resources", "gpu=1"], 1)],
)
def test_as_many_jobs_run_as_there_are_cards(machine, tmp_path, count, arguments, side_by_side):
    machine(count)
    study = yaml.safe_load(yaml.safe_dump(STUDY))
    study["demonstrations"]["n4"] |= {"draws": 3, "block": 1}
    folder = copy_project(tmp_path / "project", study)
    (folder / "src/run_icl.py").write_text(STEP)
    place = "results/logits/llama-small/topic2/n4/icl"
    targets = [f"{place}/{draw}-{draw}.parquet" for draw in range(3)]
    start(folder, *targets, "--cores", "3", *arguments)
    columns = ("card", "begin", "end")
    used = pl.read_csv(folder / "used", has_header=False, new_columns=columns)
    assert len(used) == 3
    known = [f"GPU-{number}" for number in range(count)] or ["None"]
    assert set(used["card"]) <= set(known)
    running = [
        used.filter((pl.col("begin") <= begin) & (pl.col("end") > begin)) for begin in used["begin"]
    ]
    assert max(map(len, running)) == side_by_side
    if count:
        assert all(now["card"].is_unique().all() for now in running)
