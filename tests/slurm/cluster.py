"""A Slurm cluster of one node, this host, for the tests: real daemons, cards that only count.

Debian's packages are installed where they are missing. All files are in one folder, except the
link /etc/slurm/slurm.conf, which job steps need; what was started is stopped by its process id.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

PACKAGES = ("munge", "slurm-client", "slurmctld", "slurmd")
COMMANDS = ("munged", "mungekey", "sbatch", "slurmctld", "slurmd")
CONFIGURATION = Path("/etc/slurm/slurm.conf")
CPUS, GPUS, MEMORY = 4, 2, 16000

SLURM = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
MpiDefault=none
# Without cgroups: processes are found by their parents, memory is not limited.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0
EnforcePartLimits=ALL
KillWait=5
ReturnToService=2
# The node has the resources given below, whatever the host has.
SlurmdParameters=config_overrides
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory={memory} Gres=gpu:{gpus}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE
PartitionName=gpu Nodes=ALL MaxTime=INFINITE
"""


def obstacle() -> str | None:
    """Why no cluster can be started here, or None."""
    if os.geteuid() != 0:
        return "needs root: the daemons of Slurm start jobs as their users"
    if CONFIGURATION.exists():
        return f"{CONFIGURATION} is there: this host belongs to a cluster"
    if not shutil.which("apt-get") and not all(map(shutil.which, COMMANDS)):
        return "Slurm is not installed, and there is no apt-get to install it"
    return None


@contextlib.contextmanager
def running():
    """Start the cluster; stop it at the end of the block."""
    if not all(map(shutil.which, COMMANDS)):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        install = ["apt-get", "install", "-qq", "-y", "--no-install-recommends", *PACKAGES]
        for command in (["apt-get", "update", "-qq"], install):
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
    with tempfile.TemporaryDirectory(prefix="slurm-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        _configure(folder)
        stack.callback(CONFIGURATION.unlink)
        for command in _daemons(folder):
            stack.enter_context(_running(command, folder))
        _until(lambda: run("sinfo", "-h", "-p", "main", "-o", "%T") == "idle", "no node came up")
        stack.callback(cancel_all)
        yield


def _daemons(folder: Path) -> list[list[str]]:
    """The daemons' command lines, in the order of their start."""
    munge = folder / "munge"
    files = [f"--{name}-file={munge}/{name}" for name in ("key", "seed", "pid", "log")]
    munged = ["munged", "--foreground", f"--socket={munge}/socket", *files]
    return [munged, ["slurmctld", "-D"], ["slurmd", "-D"]]


@contextlib.contextmanager
def _running(command: list[str], folder: Path):
    """A daemon in the foreground, until the end of the block."""
    # gres.conf is looked for beside it.
    environment = {**os.environ, "SLURM_CONF": str(folder / "slurm.conf")}
    with (folder / f"{command[0]}.log").open("w") as log:
        daemon = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            _until((folder / "munge/socket").exists, f"{command[0]} did not start")
            yield
        finally:
            daemon.terminate()
            daemon.wait(timeout=30)


def _configure(folder: Path) -> None:
    host = socket.gethostname().split(".")[0]
    folder.chmod(0o755)  # everybody reaches munged through it
    for name in ("munge", "state", "spool"):
        (folder / name).mkdir(mode=0o755)
    run("mungekey", "--create", f"--keyfile={folder}/munge/key")
    values = {"folder": folder, "host": host, "cpus": CPUS, "memory": MEMORY, "gpus": GPUS}
    (folder / "slurm.conf").write_text(SLURM.format(**values))
    # Slurm only requires a card to be a device: these are twins of /dev/null.
    cards = [folder / f"card{number}" for number in range(GPUS)]
    for card in cards:
        os.mknod(card, 0o666 | 0o020000, os.makedev(1, 3))
    names = ",".join(map(str, cards))
    (folder / "gres.conf").write_text(f"NodeName={host} Name=gpu File={names}\n")
    CONFIGURATION.parent.mkdir(parents=True, exist_ok=True)
    CONFIGURATION.unlink(missing_ok=True)  # a link to nowhere, of tests that were killed
    CONFIGURATION.symlink_to(folder / "slurm.conf")


def run(*command: str) -> str:
    """What a command prints, or '' if it fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else ""


def cancel_all() -> None:
    """Cancel every job and wait until none is left."""
    run("scancel", f"--user={os.geteuid()}")
    _until(lambda: not jobs(), "jobs do not end")


def jobs(*states: str) -> list[dict[str, str]]:
    """Jobs that Slurm holds (or remembers, with ``all`` as state), oldest first."""
    names = ("JobID", "Comment", "Partition", "tres-per-job", "TimeLimit", "MinMemory", "State")
    wanted = [f"--states={','.join(states)}"] if states else []
    text = run("squeue", "--noheader", "--sort=i", f"--Format={':|,'.join(names)}:|", *wanted)
    return [dict(zip(names, line[:-1].split("|"), strict=True)) for line in text.splitlines()]


def _until(condition, problem: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise RuntimeError(problem)
        time.sleep(0.2)
