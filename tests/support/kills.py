"""Run Snakemake in a folder again and again and kill it; prints what it did as JSON.

    python -m iclgd.io.preload python tests/support/kills.py FOLDER SEED KILLS

Snakemake is imported once and forked, so that a start takes less. Only it is killed: what it
has started must end by itself.
"""

import base64
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pandas  # noqa: F401 - Snakemake imports it later, and each fork would
import snakemake.cli

snakemake.cli.get_argument_parser()  # imports its plugins
ENDED = os.WEXITED | os.WNOHANG | os.WNOWAIT


def start() -> int:
    """The process of ``make run``'s command."""
    process = os.fork()
    if process == 0:
        for number in (1, 2):
            os.dup2(os.open("run.txt", os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
        snakemake.cli.main(["--cores", "2", "--quiet", "rules", "reason", "host"])
    return process


def status(process: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def recorded(kind: str) -> set[str]:
    """Outputs of which Snakemake has such a record, for finished or for incomplete ones."""
    folder = Path(".snakemake") / kind
    names = ("".join(p.relative_to(folder).parts) for p in folder.rglob("*") if p.is_file())
    return {base64.urlsafe_b64decode(name.replace("@", "")).decode() for name in names}


def finished() -> dict[str, tuple[int, int]]:
    """Finished outputs: inode and time of the last change, which a second run would change."""
    paths = map(Path, recorded("metadata") - recorded("incomplete"))
    stats = {str(path): path.stat() for path in paths if path.is_file()}
    return {path: (stat.st_ino, stat.st_mtime_ns) for path, stat in stats.items()}


def wait_for_orphans() -> None:
    """Until no other process works in this folder; TimeoutError after a minute."""
    here, end = os.getcwd(), time.monotonic() + 60
    while any(working_in(here, process) for process in Path("/proc").glob("[0-9]*")):
        if time.monotonic() > end:
            raise TimeoutError("a step of a killed run does not end")
        time.sleep(0.1)


def working_in(folder: str, process: Path) -> bool:
    try:
        return process.name != str(os.getpid()) and os.readlink(process / "cwd") == folder
    except OSError:  # it ended, or is somebody else's
        return False


def main(folder: str, seed: str, kills: str) -> None:
    os.chdir(folder)
    chance, done, moments, again = random.Random(seed), {}, [], []
    while len(moments) < int(kills):
        # Some time after its start, or after so many files more are finished.
        files, seconds = chance.choice([0, 0, 1, 1, 2]), chance.uniform(0, 1)
        process = start()
        while len(finished()) < len(done) + files and not os.waitid(os.P_PID, process, ENDED):
            time.sleep(0.05)
        time.sleep(seconds)
        os.kill(process, signal.SIGKILL)
        ended = status(process)
        now = finished()
        again += [path for path in done if now.get(path) != done[path]]
        done = now
        if ended == -signal.SIGKILL:
            moments.append([files, round(seconds, 2), len(done)])
        else:  # it was done before; the next one begins anew
            assert ended == 0
            shutil.rmtree("results")
            shutil.rmtree(".snakemake")
            done = {}
    ended = status(start())
    again += [path for path in done if finished().get(path) != done[path]]
    wait_for_orphans()
    print(json.dumps({"moments": moments, "again": again, "status": ended}))


if __name__ == "__main__":
    main(*sys.argv[1:])
