"""Starts of Snakemake that import it once: half of what a dry run takes is its imports.

A process of its own imports it and forks for every start, in that start's folder, environment and
output. Each start reads the workflow anew; what runs jobs should start as users do.

    python tests/support/starts.py        # serves requests, one JSON a line, until its input ends
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path


@functools.cache
def _server() -> subprocess.Popen:
    """One for this process, with which it ends. Folders of modules are for its starts to say."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {name: text for name, text in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.Popen([sys.executable, "-P", __file__], env=environment, **pipes)


def snakemake(folder: Path, *arguments: str, env: dict) -> subprocess.CompletedProcess:
    """What ``python -m snakemake`` with these arguments does in a folder."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        request = {"folder": str(folder), "arguments": [*arguments], "environment": env}
        request["outputs"] = [f"/proc/{os.getpid()}/fd/{one.fileno()}" for one in (out, err)]
        server = _server()
        server.stdin.write(json.dumps(request) + "\n")
        server.stdin.flush()
        status = int(server.stdout.readline())
        texts = [one.seek(0) or one.read() for one in (out, err)]
    return subprocess.CompletedProcess(arguments, status, *texts)


def _wait_for_a_start() -> None:
    """Fork for every request; returns in the forks, each as ``python -m snakemake`` begins."""
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            return _become(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
    os._exit(0)


def _become(folder: str, arguments: list[str], environment: dict, outputs: list[str]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for number, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    tempfile.tempdir = None  # read TMPDIR anew
    sys.argv = ["snakemake", *arguments]
    sys.path[:0] = [os.getcwd(), *filter(None, environment.get("PYTHONPATH", "").split(":"))]


if __name__ == "__main__":
    import pandas  # noqa: F401 - Snakemake imports it later, and each fork would
    import snakemake.cli

    snakemake.cli.get_argument_parser()  # imports its plugins
    _wait_for_a_start()
    snakemake.cli.main()
