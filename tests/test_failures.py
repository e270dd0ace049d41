"""Messages about failed steps: two lines each, at once and again at the end."""

import logging
import subprocess

import failures
import polars as pl
import pytest
import yaml
from snakemake_interface_logger_plugins.common import LogEvent
from support.workflow import STUDY, copy_project, start

from iclgd.io import cli

pytestmark = pytest.mark.workflow

TRACE = """loading
Traceback (most recent call last):
  File "a.py", line 1, in <module>
    one()
ValueError: one

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 2, in <module>
    two()
    ~~~^^
KeyError: 'two
lines'
"""


@pytest.mark.parametrize(
    ("log", "why"),
    [
        ("gd: 1/10\nerror: rows.csv, line 2: no text\n", "error: rows.csv, line 2: no text"),
        ("usage: a.py [-h]\na.py: error: unknown\n", "a.py: error: unknown"),
        (
            "slurmstepd: error: Detected 1 oom_kill event\n",
            "slurmstepd: error: Detected 1 oom_kill event",
        ),
        # As on Slurm, where a job runs Snakemake within Snakemake.
        (
            "    error: killed (137)\nsrun: error: vm: task 0: Exited\n"
            " it ended without a message\n",
            "error: killed (137)",
        ),
        (TRACE, "error: KeyError: 'two"),
        (TRACE.split("ValueError")[0], "error: a trace that was cut short"),
        ("error: early\n" + TRACE, "error: KeyError: 'two"),
        (TRACE + "error: late\n", "error: late"),
        ("error: \x1b[31mred\u202e\n", "error: \\x1b[31mred\\u202e"),
        ("gd: 1/10\nno error: here\n", None),
        ("", None),
    ],
)
def test_the_cause_is_the_last_line_that_says_one(tmp_path, log, why):
    (tmp_path / "log").write_text(log)
    assert failures.cause([tmp_path / "none", tmp_path / "log"]) == why


def test_of_a_long_log_the_end_is_read_and_of_several_the_first_that_says_why(tmp_path):
    (tmp_path / "long").write_bytes(b"\xff" * 1_000_000 + b"\nerror: long\n")
    (tmp_path / "quiet").write_text("nothing\n")
    (tmp_path / "other").write_text("error: other\n")
    assert failures.cause([tmp_path / name for name in ("quiet", "long", "other")]) == "error: long"


def test_a_silent_end_is_explained():
    assert failures.silent(None, 137).startswith("error: killed (137), most likely for want of")
    assert failures.silent(None, 137).endswith(f": {cli.MORE_MEMORY}")
    assert failures.silent(None, 139) == "error: it ended without a message (exit status 139)"
    assert failures.silent(None, None) == "it ended without a message"
    message = "SLURM-job '7' failed, SLURM status is: 'TIMEOUT'. \n"
    assert failures.silent(message, None) == f"error: {message.strip()}"


def job(folder, number, log=None):
    """Snakemake's event of a failed job, with the content of its log."""
    path = folder / f"{number}.log"
    if log is not None:
        path.write_text(log)
    fields = {"rule_name": "run_gd", "rule_msg": None, "jobid": number, "indent": False}
    return fields | {"output": [f"{number}.parquet"], "log": [str(path)]}


def tell(handler, event, **fields):
    record = logging.makeLogRecord({"event": event, **fields})
    handler.handle(record)


def test_what_a_later_try_made_good_is_not_listed_again(tmp_path, capsys):
    handler = failures.Failures()
    for number in (1, 2):
        tell(handler, LogEvent.JOB_ERROR, **job(tmp_path, number, "error: full\n"))
    first = f"run_gd failed: 1.parquet (log: {tmp_path}/1.log)\n    error: full\n"
    assert capsys.readouterr().err == first + first.replace("1.", "2.")
    tell(handler, LogEvent.JOB_FINISHED, job_id=2)
    handler.close()
    assert capsys.readouterr().err == "\n1 step failed:\n" + first
    handler.close()
    assert capsys.readouterr().err == ""


def test_the_exit_status_of_a_step_that_says_nothing_is_told(tmp_path, capsys):
    handler = failures.Failures()
    try:
        try:
            raise subprocess.CalledProcessError(137, "a step")
        except subprocess.CalledProcessError as error:
            raise RuntimeError("as Snakemake wraps it") from error
    except RuntimeError:
        tell(handler, LogEvent.JOB_ERROR, **job(tmp_path, 1))
    assert "\n    error: killed (137), most likely" in capsys.readouterr().err


def test_of_a_group_on_a_cluster_those_that_say_why_are_named(tmp_path, capsys):
    """Snakemake reports all its jobs as failed: first the group, then one by one."""
    (tmp_path / "slurm.log").write_text("slurmstepd: error: Detected 1 oom_kill event\n")
    aux = {"aux_logs": [str(tmp_path / "slurm.log")]}
    handler = failures.Failures()
    jobs = [job(tmp_path, 1, ""), job(tmp_path, 2, "error: broken\n"), job(tmp_path, 3)]
    tell(handler, LogEvent.GROUP_ERROR, job_error_info=jobs, **aux)
    for one in jobs:
        tell(handler, LogEvent.JOB_ERROR, **{**one, "indent": True})
    message = f"run_gd failed: 2.parquet (log: {tmp_path}/2.log)\n    error: broken\n"
    assert capsys.readouterr().err == message
    tell(handler, LogEvent.GROUP_ERROR, job_error_info=[jobs[0], jobs[2]], **aux)
    message = f"(log: {tmp_path}/slurm.log)\n    slurmstepd: error: Detected 1 oom_kill event\n"
    assert capsys.readouterr().err == "run_gd failed: 1.parquet " + message


# --- with Snakemake -----------------------------------------------------------------------

SAID = """\
prepare_task failed: results/tasks/broken.parquet (log: logs/prepare_task/broken.log)
    error: rows.parquet, row 2: label '7' of task broken is not in its list: 0, 1
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    study = yaml.safe_load(yaml.safe_dump(STUDY))
    labels = {"0": "Zam", "1": "Pol"}
    entry = {"files": "rows.parquet", "prompt": "{text} : {label}\n", "labels": labels}
    study["tasks"]["broken"] = entry
    folder = copy_project(tmp_path_factory.mktemp("failures") / "project", study)
    # Unlike a file of lines it is not read before the job.
    rows = {"text": [f"word {i}" for i in range(18)], "label": [0, 7] * 9}
    pl.DataFrame(rows).write_parquet(folder / "rows.parquet")
    return folder


@pytest.mark.parametrize(
    "quiet", [(), ("--quiet", "rules", "reason", "host"), ("--quiet", "all"), ("--quiet", "rules")]
)
def test_a_failed_step_says_why_whatever_the_quietness(project, quiet):
    done = start(project, *quiet, "--", "results/tasks/broken.parquet", check=False)
    assert done.returncode == 1
    assert done.stderr.count(SAID) == 2 and done.stderr.endswith("\n1 step failed:\n" + SAID)
    assert "CalledProcessError" not in done.stderr and "--entry" not in done.stderr


def test_who_asks_for_commands_sees_the_one_that_failed(project):
    done = start(project, "-p", "--", "results/tasks/broken.parquet", check=False)
    assert (
        done.stderr.count(SAID) == 2 and "python src/prepare_task.py --task broken" in done.stderr
    )
    # Snakemake's own log always has it.
    log = max((project / ".snakemake/log").glob("*.log"))
    assert "CalledProcessError" in log.read_text()
