"""Slurm jobs outlive a killed Snakemake; the next run waits for the earlier jobs of its folder."""

import subprocess
import time

from snakemake.logging import logger


def earlier_jobs():
    """Ids of the jobs of an earlier run in this folder that Slurm still holds or runs."""
    command = ["squeue", "--noheader", f"--user={os.getuid()}", "--format=%i|%k|%Z"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"squeue: {' '.join(done.stderr.split())}")
    jobs = [line.split("|", 2) for line in done.stdout.splitlines()]
    return [
        number
        for number, comment, folder in jobs
        # The executor's comment is the name of a rule or a group.
        if comment.startswith("rule_") and os.path.realpath(folder) == os.getcwd()
    ]


def wait_for_earlier_jobs():
    """Wait until no earlier job is left, then start over, so that their outputs are reused."""
    earlier = earlier_jobs()
    if not earlier:
        return
    logger.warning(
        f"Waiting for {len(earlier)} Slurm jobs of an earlier run in this folder"
        f" (to end them: scancel {' '.join(earlier)})"
    )
    while earlier_jobs():
        time.sleep(5)
    os.chdir(workflow.rundir)  # in which the command line was typed
    os.execv(sys.executable, [sys.executable, "-m", "snakemake", *sys.argv[1:]])
