"""The workflow on a real Slurm cluster: the same bytes, and nothing lost to what clusters do."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cluster
import pytest
import yaml
from support.workflow import STUDY, copy_project, digests, snakemake

RATES = [0.01, 0.03, 0.1]
PLACE = "results/logits/llama-small/topic2/n4"
LOGITS = [f"{PLACE}/gd@{rate}/0-1.parquet" for rate in RATES]
# Written into run_gd: the first attempt at every rate notes that it started, and hangs.
HANG = """
import time
from pathlib import Path
with open("started", "a") as file:
    file.write(args.name + "\\n")
first = Path("started").read_text().split().count(args.name) == 1
while first and not Path("go").exists():
    time.sleep(0.1)
"""


@pytest.fixture(scope="module", autouse=True)
def slurm():
    """A cluster of one node."""
    if problem := cluster.obstacle():
        pytest.skip(problem)
    with cluster.running():
        yield


@pytest.fixture(scope="module")
def study():
    """A part of the tiny study, with every rule that a cluster runs."""
    study = yaml.safe_load(yaml.safe_dump(STUDY))
    study["learners"]["gd"]["rates"] = RATES
    wanted = ("agreement", "checkpoints", "sparsity")
    study["figures"] = {name: study["figures"][name] for name in wanted}
    study["figures"]["agreement"]["pairs"] = [["icl", f"gd@{RATES[0]}"], ["icl", "icl-reordered"]]
    return study


@pytest.fixture(scope="module")
def local(study, tmp_path_factory):
    """Hash of every artifact as this machine makes it without a cluster, all LOGITS included."""
    folder = copy_project(tmp_path_factory.mktemp("local") / "project", study)
    snakemake(folder, "all", *LOGITS)
    return digests(folder)


@contextlib.contextmanager
def on_slurm(folder: Path, *arguments: str):
    """Run ``snakemake --profile slurm`` until the block ends; its output is in a file."""
    command = ["snakemake", "--profile", "slurm", *arguments]
    # Tests cannot wait for the 40 seconds that the executor leaves to a cluster.
    command += ["--slurm-init-seconds-before-status-checks", "1"]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path}
    with (folder / "output").open("a") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=output
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def output(folder: Path) -> str:
    return (folder / "output").read_text()


def succeeds(folder: Path, process: subprocess.Popen) -> None:
    assert process.wait(timeout=600) == 0, output(folder)[-5000:]


def started(folder: Path) -> list[str]:
    """Learners whose jobs started, one for each time that they did."""
    file = folder / "started"
    return file.read_text().split() if file.exists() else []


def until(condition, folder: Path) -> None:
    """Wait for what must come, within five minutes."""
    end = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < end, output(folder)[-5000:]
        time.sleep(0.2)


def job_of(learner: str) -> str:
    """Id of the job that Slurm runs for a learner."""
    return next(job["JobID"] for job in cluster.jobs() if f"_{learner}_" in job["Comment"])


@pytest.fixture
def hanging(study, tmp_path):
    """The project, with GD jobs that hang in their first attempt until the file ``go`` is there."""
    folder = copy_project(tmp_path / "project", study)
    script = folder / "src/run_gd.py"
    before, after = script.read_text().split("cli.torch_step()\n")
    script.write_text(f"{before}cli.torch_step()\n{HANG}{after}")
    return folder


def test_a_study_on_slurm_gives_the_same_bytes(study, local, tmp_path):
    folder = copy_project(tmp_path / "project", study)
    with on_slurm(folder) as process:
        succeeds(folder, process)
    assert digests(folder) == {path: local[path] for path in local if path not in LOGITS[1:]}
    jobs = cluster.jobs("all")
    comments = [job["Comment"].removeprefix("rule_") for job in jobs]
    names = [comment.split("_wildcards_")[0] for comment in comments]
    requested = {(n, j["Partition"], j["tres-per-job"]) for n, j in zip(names, jobs, strict=True)}
    assert {one for one in requested if not one[0].startswith(("compare", "summarise"))} == {
        ("run_icl", "gpu", "gres:gpu:1"),
        ("run_gd", "gpu", "gres:gpu:1"),
        ("pretrain_model", "main", "N/A"),
        ("extract_sparsity", "main", "N/A"),
        ("measure_drift", "main", "N/A"),
    }
    # Eight jobs that need a node of their own; comparisons and summaries share submissions.
    assert len(jobs) <= 8 + 2
    assert {job["State"] for job in jobs} == {"COMPLETED"}


def test_a_rerun_waits_for_the_jobs_of_a_killed_snakemake(hanging, local):
    with on_slurm(hanging, *LOGITS) as process:
        # Three jobs, two cards.
        until(lambda: len(started(hanging)) == cluster.GPUS, hanging)
        until(lambda: len(cluster.jobs()) == len(RATES), hanging)
        process.send_signal(signal.SIGKILL)
        process.wait()
    states = sorted(job["State"] for job in cluster.jobs())
    assert states == ["PENDING", "RUNNING", "RUNNING"]
    with on_slurm(hanging, *LOGITS) as process:
        until(lambda: "Waiting for 3 Slurm jobs of an earlier run" in output(hanging), hanging)
        assert len(cluster.jobs()) == len(RATES)
        (hanging / "go").touch()
        succeeds(hanging, process)
    assert sorted(started(hanging)) == [f"gd@{rate}" for rate in RATES]
    made = digests(hanging)
    assert made.items() <= local.items()
    assert set(LOGITS) <= set(made)


def test_jobs_that_are_cancelled_warned_or_out_of_time_are_tried_again(hanging, local):
    profile = hanging / "slurm/config.yaml"
    text = profile.read_text()
    limit = '?f"(240 + 15 * {weights}) * attempt"'
    before, run_gd = text.split("\n  run_gd:\n")
    assert limit in run_gd
    shortened = run_gd.replace(limit, "1 * attempt", 1)
    profile.write_text(f"{before}\n  run_gd:\n{shortened}")
    with on_slurm(hanging, *LOGITS) as process:
        until(lambda: len(started(hanging)) == cluster.GPUS, hanging)
        cancelled, late = started(hanging)
        cluster.run("scancel", job_of(cancelled))
        (warned,) = {f"gd@{rate}" for rate in RATES} - {cancelled, late}
        until(lambda: warned in started(hanging), hanging)
        # What `sbatch --signal=TERM@seconds` sends ahead of the limit.
        cluster.run("scancel", "--signal=TERM", "--full", job_of(warned))
        succeeds(hanging, process)
    assert sorted(started(hanging)) == sorted(2 * [cancelled, warned, late])
    for state in ("CANCELLED", "FAILED", "TIMEOUT"):
        assert f"SLURM status is: '{state}'" in output(hanging)
    limits = [j["TimeLimit"] for j in cluster.jobs("all") if f"_{late}_" in j["Comment"]]
    assert limits[-2:] == ["1:00", "2:00"]
    # No part of a table is left under any name.
    made = digests(hanging)
    assert made.items() <= local.items()
    assert set(LOGITS) <= set(made)
