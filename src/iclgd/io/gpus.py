"""The GPUs of this machine: which ones jobs may use, and one claimed for each job."""

from __future__ import annotations

import fcntl
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

VISIBLE = "CUDA_VISIBLE_DEVICES"
_claims: list[int] = []  # open files, whose locks end with this process


def visible() -> list[str]:
    """Names of the GPUs that jobs here may use: those in CUDA_VISIBLE_DEVICES, or else all."""
    if VISIBLE in os.environ:
        names = (name.strip() for name in os.environ[VISIBLE].split(","))
        # What follows an invalid name is invisible to CUDA, too.
        return list(itertools.takewhile(lambda name: name not in ("", "-1"), names))
    if shutil.which("nvidia-smi") is None:
        return []
    command = ["nvidia-smi", "--query-gpu=uuid", "--format=csv,noheader"]
    found = subprocess.run(command, capture_output=True, text=True)
    # It fails on a machine that has the tool but no GPU or driver.
    return found.stdout.split() if found.returncode == 0 else []


def claim() -> None:
    """Take one GPU for as long as this process lives, and name it in CUDA_VISIBLE_DEVICES.

    Waits until one is free. Must come before torch looks for GPUs. Where only one is named,
    by Slurm or by the user, or there is none, there is nothing to take.
    """
    names = visible()
    if not names or os.environ.get(VISIBLE) == names[0]:
        return
    folder = Path(tempfile.gettempdir()) / f"iclgd-cards-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    waiting = False
    while True:
        for name in names:
            file = os.open(folder / name, os.O_CREAT | os.O_RDWR, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                continue
            _claims.append(file)
            os.environ[VISIBLE] = name
            return
        if not waiting:
            print(f"waiting for one of {len(names)} GPUs", file=sys.stderr, flush=True)
            waiting = True
        time.sleep(0.5)
