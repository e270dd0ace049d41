"""Starts of Python whose imports are done: half of a dry run, and a third of a plot, is imports.

A process of its own imports what takes long and forks for every start, in that start's folder,
environment and output. What was not imported there is read anew, as are a workflow and a study.

    python -P tests/support/starts.py MODULE ...  # requests, one JSON a line, until its input ends
"""

from __future__ import annotations

import functools
import importlib
import json
import os
import runpy
import subprocess
import sys
import tempfile
from pathlib import Path

SNAKEMAKE = ("pandas", "snakemake.cli")
PLOTS = ("altair", "vl_convert")  # not polars, whose threads a fork would not have


def snakemake(folder: Path, *arguments: str, env: dict) -> subprocess.CompletedProcess:
    return python(SNAKEMAKE, "-m", "snakemake", *arguments, cwd=folder, env=env)


def python(modules: tuple[str, ...], *command: str, cwd: Path, env: dict):
    """What ``python COMMAND`` (a script or ``-m MODULE``) does; these modules are there already."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        request = {"folder": str(cwd), "command": [*map(str, command)], "environment": env}
        request["outputs"] = [f"/proc/{os.getpid()}/fd/{one.fileno()}" for one in (out, err)]
        server = _server(modules)
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        texts = [one.seek(0) or one.read() for one in (out, err)]
    return subprocess.CompletedProcess(command, status, *texts)


@functools.cache
def _server(modules: tuple[str, ...]) -> subprocess.Popen:
    """One for this process, with which it ends. Folders of modules are for its starts to say."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-P", __file__, *modules]
    return subprocess.Popen(command, env=environment, **pipes)


def _wait_for_a_start() -> dict:
    """Fork for every request; returns it in the fork."""
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            return json.loads(line)
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
    os._exit(0)


def _run(folder: str, command: list[str], environment: dict, outputs: list[str]) -> None:
    """Be the process that ``python COMMAND`` would be."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # read TMPDIR anew
    module, sys.argv = command[0] == "-m", command[command[0] == "-m" :]
    first = os.getcwd() if module else os.path.dirname(sys.argv[0])
    sys.path[:0] = [first, *filter(None, environment.get("PYTHONPATH", "").split(":"))]
    if module:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
    else:
        runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    for name in sys.argv[1:]:
        importlib.import_module(name)
    if "snakemake.cli" in sys.modules:
        sys.modules["snakemake.cli"].get_argument_parser()  # imports its plugins
    _run(**_wait_for_a_start())
