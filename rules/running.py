"""One run at a time in a folder, and no step that outlives it.

Snakemake's own lock stays when its owner is killed and does not name the owner. This one is
held by the kernel and disappears with the process, however that ends.
"""

import fcntl
import os
import socket
import sys
import time
from datetime import datetime

PATH = os.path.join(".snakemake", "run.lock")
PATIENCE = 10  # seconds in which steps of a run that was killed notice that, and end
RUN = "ICLGD_RUN"  # read by the steps that this run starts on its own machine: iclgd.io.cli


class RunningError(Exception):
    """Another run is going on; the message says whose."""


def begin():
    """Hold the lock of this folder until the process ends. Raises RunningError."""
    lock = os.open(PATH, os.O_RDWR | os.O_CREAT, 0o666)
    for _ in range(10 * PATIENCE):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            time.sleep(0.1)
        except OSError as error:
            print(f"no locks here ({error.strerror}): start no second run", file=sys.stderr)
            return
    else:
        owner = os.pread(lock, 1000, 0).decode()
        raise RunningError(f"another run is going on in {os.getcwd()}: {owner}; wait for its end")
    now = datetime.now().astimezone().isoformat(" ", "seconds")
    owner = f"process {os.getpid()} on {socket.gethostname()}, since {now}"
    os.truncate(lock, 0)
    os.pwrite(lock, owner.encode(), 0)
    os.environ[RUN] = f"{os.path.abspath(PATH)}\n{owner}"
