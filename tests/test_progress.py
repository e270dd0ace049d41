"""The line of progress and the plan, from events as Snakemake logs them."""

import io
import logging
from types import SimpleNamespace

import progress
import pytest
from snakemake_interface_logger_plugins.common import LogEvent


class Clock:
    def __init__(self):
        self.time = 0.0

    def __call__(self):
        return self.time


class Terminal(io.StringIO):
    def isatty(self):
        return True


def job(number, rule="run_gd", **wildcards):
    name = SimpleNamespace(name=rule)
    return SimpleNamespace(jobid=number, rule=name, wildcards_dict=wildcards)


def event(which, **more):
    record = logging.makeLogRecord({"msg": "said"})
    return vars(record).update(event=which, **more) or record


@pytest.fixture
def clock():
    return Clock()


def shown(clock, seconds, cores=1, stream=None):
    jobs = {number: (job(number, task=f"t{number}"), cost) for number, cost in enumerate(seconds)}
    return progress.Progress(jobs, cores, stream or io.StringIO(), clock)


def test_time_left_begins_with_what_is_expected_and_follows_what_was_found(clock):
    one = shown(clock, [600, 600, 600, 600], cores=2)
    assert one.left() == pytest.approx(1200)
    for number in (0, 1):
        one.emit(event(LogEvent.JOB_STARTED, jobs=[number]))
    clock.time = 1200.0  # twice as long as was expected, side by side
    for number in (0, 1):
        one.emit(event(LogEvent.JOB_FINISHED, job_id=number))
    assert 1000 < one.left() < 1200
    assert one.line() == "2 of 4 steps, 20 min, about 19 min left"


def test_what_runs_is_named_and_counts_for_nine_tenths_at_most(clock):
    one = shown(clock, [100, 100, 100, 100])
    one.emit(event(LogEvent.JOB_STARTED, jobs=[0, 1, 2]))
    clock.time = 1000.0
    text = one.line()
    assert text.startswith("0 of 4 steps, 17 min, about ")
    assert text.endswith("left: run_gd t0; run_gd t1 and 1 more")
    assert one.left() == pytest.approx((400 - 270) * (1000 + 120) / (270 + 120))


def test_a_log_has_a_line_a_minute_at_most_and_the_last(clock):
    stream = io.StringIO()
    one = shown(clock, [1] * 10, stream=stream)
    for number in range(10):
        clock.time += 25.0
        one.emit(event(LogEvent.JOB_STARTED, jobs=[number]))
        one.emit(event(LogEvent.JOB_FINISHED, job_id=number))
    lines = stream.getvalue().splitlines()
    assert [line.split(",")[0] for line in lines] == [
        *(f"{count} of 10 steps" for count in (3, 6, 9, 10)),
    ]
    assert lines[-1] == "10 of 10 steps, 4 min"


def test_a_step_that_failed_is_not_done(clock):
    one = shown(clock, [10, 10])
    one.emit(event(LogEvent.JOB_STARTED, jobs=[0]))
    one.emit(event(LogEvent.JOB_ERROR, jobid=0))
    assert one.line().startswith("0 of 2 steps, 0 s, about 20 s left") and not one.running


def test_groups_of_jobs_on_a_cluster_do_no_harm(clock):
    one = shown(clock, [10, 10])
    one.emit(event(LogEvent.JOB_STARTED, jobs=["a-group"]))
    assert one.line() == "0 of 2 steps, 0 s, about 20 s left"
    one.emit(event(LogEvent.JOB_FINISHED, job_id=1))
    assert one.line().startswith("1 of 2 steps")


def test_on_a_terminal_the_line_is_gone_before_another_is_written(clock):
    stream = Terminal()
    one = shown(clock, [10], stream=stream)
    one.emit(logging.makeLogRecord({"msg": "something else"}))
    assert stream.getvalue() == progress.CLEAR
    one.start()
    one.ended.wait(1.3)
    assert "0 of 1 steps, 0 s" in stream.getvalue()
    one.close()
    assert stream.getvalue().endswith(progress.CLEAR)


def test_the_plan_of_a_dry_run_is_its_last_line():
    costs = SimpleNamespace(
        seconds=lambda rule, at: 600.0,
        megabytes=lambda rule, at: at["mb"],
        megabytes_written=lambda rule, at: 150.0,
        unknown=lambda _: ["m"],
    )
    jobs, stream = [job(number, mb=1000 * number) for number in range(4)], io.StringIO()
    one = progress.Plan(lambda: jobs, costs, 2, [(20, 3), (6, 3), (20, 3)], stream)
    one.emit(event(LogEvent.RUN_INFO))
    one.emit(event(LogEvent.RUN_INFO))
    assert stream.getvalue() == ""
    one.close()
    one.close()
    assert stream.getvalue() == (
        "Planned: 4 steps, about 20 min on 2 cores without a GPU, 5.0 GB of memory,"
        " 0.6 GB of disk; not counted is the size of m\n"
        "Each of 3 primary tests can detect an excess of 0.07 (20 draws) to 0.12 (6 draws) above"
        " the smallest effect of interest, if draws vary as with SmolLM2\n"
    )


def test_a_run_has_no_plan():
    stream = io.StringIO()
    one = progress.Plan(lambda: (), None, 2, [], stream)
    one.emit(event(LogEvent.RUN_INFO))
    one.close()
    assert stream.getvalue() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (89, "89 s"), (600, "10 min"), (5400, "1.5 h")]
)
def test_durations(seconds, text):
    assert progress.duration(seconds) == text
