"""Snakemake killed at random moments, and two of them in one folder: nothing is lost or mixed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from support.workflow import STUDY, copy_project, digests, snakemake, start, write_study

pytestmark = pytest.mark.workflow

TESTS = Path(__file__).parent
STUDY = yaml.safe_load(yaml.safe_dump(STUDY))
STUDY["figures"] = {"agreement": STUDY["figures"]["agreement"]}
STUDY["learners"]["gd"]["rates"] = [0.01, 0.03]
STUDY["demonstrations"]["n4"]["block"] = 1
del STUDY["models"]["live"]


def test_twenty_kills_lose_nothing(tmp_path):
    whole, killed = (copy_project(tmp_path / name, STUDY) for name in ("whole", "killed"))
    snakemake(whole)
    warm = [sys.executable, "-m", "iclgd.io.preload", sys.executable, TESTS / "support/kills.py"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(killed / "src")}
    done = subprocess.run(
        [*warm, killed, "0", "20"], capture_output=True, text=True, env=environment
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    print("files more, seconds after that, files finished:", found["moments"])
    assert len(found["moments"]) == 20
    assert found["status"] == 0, (killed / "run.txt").read_text()[-3000:]
    assert found["again"] == []  # what was finished once was not touched again
    assert digests(killed) == digests(whole)  # nor is anything left of what was not


HOLD = """
import sys, time
sys.path.insert(0, "rules")
import running
running.begin()
print("begun", flush=True)
time.sleep(600)
"""
STEP = """
import time
from iclgd.io import cli
cli.parser("A step.")
print("begun", flush=True)
time.sleep(600)
"""


@pytest.fixture
def project(tmp_path):
    folder = copy_project(tmp_path / "project", STUDY)
    (folder / ".snakemake").mkdir()
    return folder


def begun(code: str, folder: Path, **environment: str) -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": "src", **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "begun\n"
    return process


def test_a_second_run_says_whose_the_first_is_and_changes_nothing(project):
    target = "results/library.js"
    first = begun(HOLD, project)
    # Whatever Snakemake does to its own locks, this one goes with its owner and not before.
    for look in ("--dry-run", "--unlock"):
        assert start(project, look, target).returncode == 0
    second = start(project, target, check=False)
    assert second.returncode == 1
    refusal = f"another run is going on in {project}: process {first.pid} on "
    assert refusal in second.stdout + second.stderr
    assert not (project / "results").exists() and not (project / "logs").exists()
    first.kill()
    first.wait()
    start(project, target)
    assert (project / target).exists()


def test_steps_end_with_the_run_that_started_them(project):
    run = begun(HOLD, project)
    lock = project / ".snakemake/run.lock"
    owner = lock.read_text()
    step = begun(STEP, project, ICLGD_RUN=f"{lock}\n{owner}")
    alone = begun(STEP, project)
    with pytest.raises(subprocess.TimeoutExpired):
        step.wait(timeout=0.5)
    run.kill()
    assert step.wait(timeout=30) == 1
    assert alone.poll() is None
    alone.kill()
    # A step that comes late, when the next run has begun, belongs to none.
    following = begun(HOLD, project)
    assert lock.read_text() != owner
    late = subprocess.Popen(
        [sys.executable, "-c", STEP],
        cwd=project,
        env={**os.environ, "PYTHONPATH": "src", "ICLGD_RUN": f"{lock}\n{owner}"},
    )
    assert late.wait(timeout=30) == 1
    following.kill()


def test_a_step_killed_by_the_kernel_is_explained(project):
    script = project / "src/bundle_library.py"
    script.write_text("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n")
    done = start(project, "results/library.js", check=False)
    assert done.returncode == 1
    assert "error: killed (137), most likely for want of memory: give" in done.stderr


def test_without_network_all_that_does_not_need_it_finishes(project):
    study = yaml.safe_load((project / "config.yaml").read_text())
    study["models"]["gone"] = {"hub": "org/gone"}
    write_study(project, study)
    targets = [f"results/models/{name}.json" for name in ("gone", "llama-small")]
    done = snakemake(project, *targets, check=False)
    assert done.returncode == 1
    log = (project / "logs/fetch_model/gone.log").read_text()
    assert log.startswith("error: org/gone at main: ") and log.count("\n") == 1
    assert log.strip() in done.stdout + done.stderr
    assert sorted(path.name for path in (project / "results/models").iterdir()) == [
        "llama-small",
        "llama-small.json",
    ]
