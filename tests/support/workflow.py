"""A copy of the project with another configuration, and what Snakemake does or would do in it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from support import starts

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "rules", "src", "profiles", "slurm", "envs", "models", "docs/methods.md")
STUDY = yaml.safe_load((ROOT / "tests/study.yaml").read_text())


def snakemake(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run Snakemake in a copy of the project; ``check`` asserts success with its output.

    As in ``make run``, a warm process stands by for the torch steps.
    """
    if "--dry-run" in arguments:
        return start(folder, *arguments, check=check)
    warm = [sys.executable, "-m", "iclgd.io.preload"]
    command = [*warm, sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, env=environment(folder)
    )
    return checked(done) if check else done


def start(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """As `snakemake`, sooner, for dry runs and for steps without torch."""
    done = starts.snakemake(folder, "--cores", "2", *arguments, env=environment(folder))
    return checked(done) if check else done


def environment(folder: Path) -> dict[str, str]:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "src")}


def checked(done: subprocess.CompletedProcess) -> subprocess.CompletedProcess:
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done


def copy_project(folder: Path, study: dict) -> Path:
    """The parts of the project that a run needs, with another configuration."""
    folder.mkdir()
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / part).parent.mkdir(exist_ok=True)
            shutil.copy2(source, folder / part)
    write_study(folder, study)
    return folder


def finished_study(folder: Path) -> Path:
    """A project in ``folder`` in which the tiny study has run with two cores; nobody changes it.

    The process that comes first runs it, the others wait: it takes as long as many tests. What the
    run said is in said.txt.
    """
    said = folder / "finished/said.txt"
    with open(folder / "finished.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not said.exists():
            shutil.rmtree(said.parent, ignore_errors=True)
            said.write_text(snakemake(copy_project(said.parent, STUDY)).stdout)
    return said.parent


def copy_finished(finished: Path, folder: Path, study: dict) -> Path:
    """A copy of a project that has run, of which a study may need some results again."""
    shutil.copytree(finished, folder, symlinks=True)
    if study != STUDY:
        write_study(folder, study)
    return folder


def write_study(folder: Path, study: dict) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(study, sort_keys=False))


def planned(folder: Path) -> list[str]:
    """Jobs that would run, as ``rule`` and first output, sorted, without rule all."""
    text = snakemake(folder, "--dry-run").stdout
    jobs = re.findall(
        r"^(?:local)?rule (\w+):\n(?:    input: .*\n)?    output: ([^,\n]+)", text, re.M
    )
    return sorted(
        f"{rule} {output.removeprefix('results/').removeprefix('default/')}"
        for rule, output in jobs
        if rule != "all"
    )


def digests(folder: Path) -> dict[str, str]:
    """Hash of every artifact below results/ by its path."""
    paths = sorted(p for p in (folder / "results").rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def edit(path: Path) -> None:
    """Change a script's bytes but not what it does."""
    path.write_text(path.read_text() + "\n# edited\n")


def rules_of(jobs: list[str]) -> set[str]:
    return {job.split()[0] for job in jobs}
