"""What a run has done, what it is doing, and about how long it will take: one line.

On a terminal the line is rewritten in place every second; in a log a line follows a finished step,
at most one a minute. It stands in place of Snakemake's own lines, which count steps, whether they
take a second or an hour. Time left is by expected costs (`iclgd.study.costs`), held against
what the finished steps took.
"""

import logging
import sys
import threading
import time

from snakemake.logging import logger
from snakemake_interface_logger_plugins.common import LogEvent

from iclgd.study.power import detectable

NAMED = "DefaultStreamHandler"  # Snakemake's own, for the screen
REPLACED = (LogEvent.PROGRESS, LogEvent.JOB_FINISHED, LogEvent.JOB_STARTED)
SELECTING = "Select jobs to execute..."
SPARSE = 60  # seconds between two lines of a log
SURE = 120  # seconds of expected work after which a run is known by itself
SHOWN = 2  # steps that are named
CLEAR = "\r\x1b[2K"


def watch(jobs, seconds, cores, stream=sys.stderr):
    """Show the progress of these jobs from now on.

    ``seconds``: of one core, expected of a rule's name and wildcards. ``cores``: at once.
    """
    expected = {job.jobid: (job, seconds(job.rule.name, job.wildcards_dict)) for job in jobs}
    shown = Progress(expected, cores, stream)
    for handler in logger.handlers:
        if handler.name == NAMED:
            handler.addFilter(lambda record: not _replaced(record))
    logger.handlers.insert(0, shown)  # the line is gone before others write theirs
    shown.start()


def plan(jobs, costs, cores, tests, stream=sys.stderr):
    """At the end of a dry run, tell what these jobs will take: time, memory and disk.

    ``tests``: of each primary test its draws, and how many are corrected together (`told`).
    """
    logger.addHandler(Plan(jobs, costs, cores, tests, stream))


class Plan(logging.Handler):
    """``jobs``: gives those of a dry run once it is planned, and none of any other run.

    ``costs``: an `iclgd.study.costs.Costs`.
    """

    def __init__(self, jobs, costs, cores, tests, stream):
        super().__init__()
        self.jobs, self.costs, self.cores, self.tests = jobs, costs, cores, tests
        self.stream, self.text = stream, ""

    def emit(self, record):
        if getattr(record, "event", None) == LogEvent.RUN_INFO:
            known = [(job.rule.name, job.wildcards_dict) for job in self.jobs()]
            if not known:
                return
            seconds = sum(self.costs.seconds(*one) for one in known)
            most = sorted((self.costs.megabytes(*one) for one in known), reverse=True)
            cores = "1 core" if self.cores == 1 else f"{self.cores} cores"
            memory = sum(most[: self.cores]) / 1000
            disk = sum(self.costs.megabytes_written(*one) for one in known) / 1000
            self.text = (
                f"Planned: {len(known)} steps, about {duration(seconds / self.cores)} on {cores}"
                f" without a GPU, {memory:.1f} GB of memory, {disk:.1f} GB of disk"
            )
            if unknown := self.costs.unknown(known):
                self.text += f"; not counted is the size of {', '.join(unknown)}"
            self.text += told(self.tests)

    def close(self):
        if self.text:
            print(self.text, file=self.stream)
            self.text = ""
        super().close()


def told(tests):
    """A line on what primary tests can tell: pairs of their draws and of how many are corrected
    together.
    """
    if not tests:
        return ""
    found = {draws: f"{detectable(draws, count):.2f} ({draws} draws)" for draws, count in tests}
    ends = " to ".join(dict.fromkeys(found[end(found)] for end in (max, min)))
    which = "The primary test" if len(tests) == 1 else f"Each of {len(tests)} primary tests"
    return (
        f"\n{which} can detect an excess of {ends} above the smallest effect of interest, if draws"
        " vary as with SmolLM2"
    )


def _replaced(record):
    return getattr(record, "event", None) in REPLACED or record.msg == SELECTING


class Progress(logging.Handler):
    """Follows Snakemake's log events. ``expected``: jobs and their seconds by number."""

    def __init__(self, expected, cores, stream, now=time.monotonic):
        super().__init__()
        self.expected, self.cores, self.stream, self.now = expected, cores, stream, now
        self.began, self.said = now(), now()
        self.running, self.finished = {}, set()
        self.live = stream.isatty()
        self.ended = threading.Event()

    def start(self):
        """On a terminal, rewrite the line every second."""
        if self.live:
            threading.Thread(target=self._redraw, daemon=True).start()

    def _redraw(self):
        while not self.ended.wait(1):
            with self.lock:
                self._write(CLEAR + self.line())

    def emit(self, record):
        event = getattr(record, "event", None)
        if self.live:
            self._write(CLEAR)
        if event == LogEvent.JOB_STARTED:
            self.running |= {number: self.now() for number in record.jobs}
        elif event in (LogEvent.JOB_FINISHED, LogEvent.JOB_ERROR):
            number = record.job_id if event == LogEvent.JOB_FINISHED else record.jobid
            self.running.pop(number, None)
            if event == LogEvent.JOB_FINISHED:
                self.finished.add(number)
                self._tell()

    def _tell(self):
        """A line of a log, if the last one is long enough ago."""
        last = len(self.finished) == len(self.expected)
        if not self.live and (last or self.now() - self.said >= SPARSE):
            self.said = self.now()
            self._write(self.line() + "\n")

    def line(self):
        """``27 of 221 steps, 12 min, about 70 min left: run_gd smollm2 sst2 n4 gd 0-4``."""
        elapsed = self.now() - self.began
        steps = f"{len(self.finished)} of {len(self.expected)} steps"
        parts = [steps, duration(elapsed)]
        if len(self.finished) < len(self.expected):
            parts.append(f"about {duration(self.left())} left")
        doing = [_named(self.expected[one][0]) for one in self.running if one in self.expected]
        more = f" and {len(doing) - SHOWN} more" if len(doing) > SHOWN else ""
        return ", ".join(parts) + (f": {'; '.join(doing[:SHOWN])}{more}" if doing else "")

    def left(self):
        """Seconds until all is done, if what is left goes as what is done."""
        total = sum(seconds for _, seconds in self.expected.values())
        done = sum(self.expected[one][1] for one in self.finished if one in self.expected)
        for one, since in self.running.items():
            if one in self.expected:  # at most all but a tenth of it is done
                done += min(self.now() - since, 0.9 * self.expected[one][1])
        # At first as fast as expected, with all cores busy.
        pace = (self.now() - self.began + SURE / self.cores) / (done + SURE)
        return (total - done) * pace

    def _write(self, text):
        self.stream.write(text)
        self.stream.flush()

    def close(self):
        self.ended.set()
        if self.live:
            self._write(CLEAR)
        super().close()


def duration(seconds):
    """``40 s``, ``12 min``, ``3.5 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _named(job):
    return " ".join([job.rule.name, *map(str, job.wildcards_dict.values())])
