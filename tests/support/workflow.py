"""A copy of the project with another configuration, and what Snakemake does or would do in it."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PARTS = ("Snakefile", "rules", "src", "profiles", "slurm", "envs", "models", "docs/methods.md")
STUDY = yaml.safe_load((ROOT / "tests/study.yaml").read_text())


def snakemake(folder: Path, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
    """Run Snakemake in a copy of the project; ``check`` asserts success with its output.

    As in ``make run``, a warm process stands by for the torch steps.
    """
    warm = [sys.executable, "-m", "iclgd.io.preload"]
    command = [*warm, sys.executable, "-m", "snakemake", "--cores", "2", *arguments]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "PYTHONPATH": str(folder / "src")}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert not check or done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
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
