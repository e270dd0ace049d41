"""`iclgd run`: a study by Snakemake, with a warm process beside it, and its answer at the end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import yaml

from iclgd.io.cli import InputError
from iclgd.study import paths, places
from iclgd.study.study import name_of

QUIET = ("--quiet", "rules", "reason", "host")


def run(file: str | None, cores: int | None = None, plan: bool = False) -> int:
    """The exit status of Snakemake for the study of ``file``, or for the default one.

    ``file``: a configuration of the working directory, or else of the workflow. ``plan``: only
    tell what there is to do. Raises InputError for a file that is not there.
    """
    command = [sys.executable, "-m", "iclgd.io.preload", sys.executable, "-m", "snakemake"]
    command += ["--snakefile", places.own("Snakefile"), "--cores", str(cores or "all")]
    wanted = file or "config.yaml"
    found = next((one for one in (wanted, places.own(wanted)) if Path(one).is_file()), None)
    if found is None:
        raise InputError(f"{wanted}: no such file, here or in the workflow")
    command += ["--configfile", found] if file else []
    command += [*QUIET, "--dry-run"] if plan else QUIET
    status = _wait(command)
    if status == 0 and not plan:
        entries = yaml.safe_load(Path(found).read_text(encoding="utf-8"))
        study = paths.OfStudy(entries.get("study", name_of([found])))
        print(Path(study.answer).read_text(encoding="utf-8"), end="")
    return status


def _wait(command: list[str]) -> int:
    """The exit status of a command that finds this Python's programs first.

    It ends in its own way when this process is told to: Snakemake stops its jobs then.
    """
    programs = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    started = subprocess.Popen(command, env={**os.environ, "PATH": programs})
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's goes to both
    signal.signal(signal.SIGTERM, lambda *_: started.terminate())
    return started.wait()
