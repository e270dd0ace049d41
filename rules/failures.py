"""Print why a step failed in two lines, at any setting of Snakemake's --quiet.

Driven by Snakemake's log events: printed when a step fails, and again at the end for all steps
that no later attempt completed. Snakemake's own lines about a failed step go to its log file.
"""

import logging
import re
import signal
import subprocess
import sys

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from iclgd.io import text

# Argparse puts a step's name in front, Slurm its daemon's; srun only repeats that a step failed.
SAID = re.compile(r"(?!srun: )(?:\S+: )?error: .*")
TRACE = "Traceback (most recent call last):"
LAST = 100_000  # bytes of a log that are looked at
# As iclgd.io.cli has it, which is for steps: once imported it sets their number of threads.
MORE_MEMORY = (
    "give the step more (mem_mb of its rule on a cluster), run fewer at once (--cores), or take a "
    "smaller model or design"
)
NAMED = "DefaultStreamHandler"  # Snakemake's own, for the screen


def watch(in_full: bool) -> None:
    """From now on print why a step fails; Snakemake's own lines about it stay if ``in_full``."""
    if any(isinstance(handler, Failures) for handler in logger.handlers):
        return
    for handler in logger.handlers:
        if handler.name == NAMED and not in_full:
            handler.addFilter(lambda record: not _of_a_step(record))
    logger.addHandler(Failures())


class Failures(logging.Handler):
    """Prints failures as they are logged, and once more when logging ends."""

    def __init__(self):
        super().__init__()
        self.failed = {}  # number of a job to its two lines

    def emit(self, record):
        event = getattr(record, "event", None)
        if event == LogEvent.JOB_FINISHED:
            self.failed.pop(record.job_id, None)
        elif event == LogEvent.GROUP_ERROR:
            self._emit_group(record)
        elif event == LogEvent.JOB_ERROR and not record.indent:
            why = cause(record.log)
            if why and record.rule_msg:  # the cluster's reason, printed beside it
                why = f"{why} ({text.plain(' '.join(record.rule_msg.split()))})"
            self._add(record.__dict__, why or silent(record.rule_msg, _status()))

    def _emit_group(self, record):
        """Of a group, whose jobs are reported as failed together, only those that say why."""
        causes = [(one, cause(one["log"])) for one in record.job_error_info]
        if not any(why for _, why in causes):
            why = cause(record.aux_logs) or silent(None, None)
            first = record.job_error_info[0]
            causes = [({**first, "log": [*record.aux_logs, *first["log"]]}, why)]
        for one, why in causes:
            if why:
                self._add(one, why)

    def _add(self, job, why):
        made, log = (", ".join(map(str, job[key][:1])) for key in ("output", "log"))
        lines = f"{job['rule_name']} failed: {made or 'no output'} (log: {log})\n    {why}"
        self.failed[job["jobid"]] = lines
        print(lines, file=sys.stderr, flush=True)

    def close(self):
        if self.failed:
            steps = "1 step" if len(self.failed) == 1 else f"{len(self.failed)} steps"
            lines = "\n".join(self.failed.values())
            print(f"\n{steps} failed:\n{lines}", file=sys.stderr, flush=True)
            self.failed = {}
        super().close()


def cause(logs) -> str | None:
    """The last ``error: ...`` line of the first of ``logs`` that has one, or the end of a trace."""
    for path in logs:
        try:
            with open(path, "rb") as file:
                file.seek(max(file.seek(0, 2) - LAST, 0))
                lines = file.read().decode(errors="replace").splitlines()
        except OSError:
            continue  # it had not come to writing one
        for number, line in reversed(list(enumerate(lines))):
            if SAID.fullmatch(line.strip()):
                return text.plain(line.strip())
            if line.strip() == TRACE:
                # The exception follows the indented lines; more lines of it may follow.
                ends = (after for after in lines[number + 1 :] if after[:1].strip())
                return text.plain(f"error: {next(ends, 'a trace that was cut short')}")
    return None


def silent(reason: str | None, status: int | None) -> str:
    """Why a step may have ended without a message: the cluster's ``reason``, or its exit status."""
    if reason:
        return text.plain(f"error: {' '.join(reason.split())}")
    if status is None:
        # Without "error:", for the run that reads this in the log of a cluster's job.
        return "it ended without a message"
    if status == 128 + signal.SIGKILL:
        return f"error: killed ({status}), most likely for want of memory: {MORE_MEMORY}"
    return f"error: it ended without a message (exit status {status})"


def _status():
    """Exit status of the command whose failure is being handled, where it ran on this machine."""
    error = sys.exc_info()[1]
    while error is not None and not isinstance(error, subprocess.CalledProcessError):
        error = error.__context__
    return error.returncode if error else None


def _of_a_step(record):
    event = getattr(record, "event", None)
    failed = event == LogEvent.ERROR and _status() is not None
    return failed or event in (LogEvent.JOB_ERROR, LogEvent.GROUP_ERROR)
