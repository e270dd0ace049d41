"""Full disks, broken tables, lack of memory, killed writers: a one-line error, no partial files."""

import ast
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from support.models import tiny_model
from support.steps import SRC, run_step
from support.tasks import tiny_task

from iclgd.io import cli, files, parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.task import TASK
from iclgd.metrics import pairing
from iclgd.models import pretraining
from iclgd.reporting.export.figure import save

# --- writers that die ---------------------------------------------------------------------


def write_half(path: Path, number: int, folder: bool) -> None:
    signal.alarm(60)  # should it live on
    with files.whole(path) as temporary:
        if folder:
            temporary.mkdir()
        (temporary / "a" if folder else temporary).write_text("half")
        os.kill(os.getpid(), number)
        signal.pause()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("folder", [False, True])
def test_a_writer_that_is_killed_leaves_the_old_and_no_half(tmp_path, number, folder):
    def write(text: str) -> None:
        with files.whole(path) as temporary:
            if folder:
                temporary.mkdir()
            (temporary / "a" if folder else temporary).write_text(text)

    def content() -> str:
        return (path / "a" if folder else path).read_text()

    path = tmp_path / "artifact"
    write("old")
    process = os.fork()
    if process == 0:
        write_half(path, number, folder)
    assert os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) == -number
    assert content() == "old"
    assert len(list(tmp_path.iterdir())) == 2
    write("new")
    assert content() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_that_fails_leaves_the_old_and_nothing_else(tmp_path):
    path = tmp_path / "artifact"
    path.write_text("old")
    with pytest.raises(KeyError), files.whole(path) as temporary:
        temporary.write_text("half")
        raise KeyError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_writer_leaves_those_alone_whose_name_goes_on(tmp_path):
    with files.whole(tmp_path / "m.5") as other:
        other.mkdir()
        with files.whole(tmp_path / "m") as temporary:
            temporary.write_text("m")
        assert other.is_dir()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m", "m.5"]


def test_what_a_writer_left_that_began_later_goes_too(tmp_path):
    with files.whole(tmp_path / "m") as temporary:
        (tmp_path / ".m.0123abcd.partial").write_text("half")
        temporary.write_text("whole")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_two_writers_of_one_file_do_not_meet(tmp_path):
    path = tmp_path / "artifact"
    with pytest.raises(FileNotFoundError), files.whole(path) as one:
        one.write_text("orphan")
        with files.whole(path) as two:
            assert one != two
            two.write_text("new")
    assert path.read_text() == "new"


# --- full disks ---------------------------------------------------------------------------


@pytest.fixture
def disk(tmp_path):
    """A disk of 64 KiB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder]
    if subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    yield folder
    subprocess.run(["umount", folder], check=True)


def large(rows: int = 40_000) -> pl.DataFrame:
    values = pl.Series([hash((i, 7)) % 1_000_003 for i in range(rows)])
    return pl.DataFrame({"order": pl.int_range(rows, dtype=pl.Int32, eager=True), "loss": values})


def table(path: Path) -> None:
    parquet.write(large(), path)


def parts(path: Path) -> None:
    frame = large(6000)
    with parquet.Parts(path, frame.schema, "kept") as written:
        for run in range(9):
            written.add((run,), frame)


def merged(path: Path) -> None:
    """The parts fit, the table does not fit beside them."""
    frame = large(4500)
    with parquet.Parts(path, frame.schema) as written:
        written.add((0,), frame)


def figure(path: Path) -> None:
    """A thousand points: a text as large takes Vega 15 seconds, since it measures every part."""
    marks = {"mark": "point", "data": {"values": [{"a": i} for i in range(1000)]}}
    save({**marks, "encoding": {"x": {"field": "a", "type": "quantitative"}}}, [path], "t")


def text(path: Path) -> None:
    with files.whole(path) as temporary:
        temporary.write_text("x" * 100_000)


def weights(path: Path) -> None:
    with files.whole(path) as temporary:
        temporary.mkdir()
        pretraining.save_model(tiny_model("llama", hidden_size=64), temporary)


def library(path: Path) -> None:
    run_step("bundle_library", "--output", path)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("write", "name"),
    [
        (table, "t.parquet"),
        (parts, "t.parquet"),
        (merged, "t.parquet"),
        (figure, "f.svg"),
        (figure, "f.html"),
        (text, "m.json"),
        (weights, "model"),
        (library, "library.js"),
    ],
)
def test_a_full_disk_is_one_line_and_nothing_half_written(disk, write, name):
    path = disk / "results" / name
    with pytest.raises(files.DiskFull) as error:
        write(path)
    assert str(error.value) == f"{path}: no room to write it, the disk is full"
    assert list(path.parent.iterdir()) == []


# --- broken tables ------------------------------------------------------------------------


@pytest.fixture
def stored(tmp_path):
    path = tmp_path / "task.parquet"
    parquet.write(tiny_task(), path, TASK)
    return path


def test_a_table_cut_anywhere_is_refused(stored):
    whole = stored.read_bytes()
    for size in [*range(0, len(whole), len(whole) // 40), len(whole) - 1]:
        stored.write_bytes(whole[:size])
        with pytest.raises(InputError, match=re.escape(f"{stored}: not a whole table")) as error:
            parquet.read(stored, TASK)
        assert "\n" not in str(error.value)


def test_something_else_in_place_of_a_table_is_refused(stored):
    for content in (b"example,text\n1,a\n", b"<html></html>", b"PAR1" * 50, os.urandom(4000)):
        stored.write_bytes(content)
        with pytest.raises(InputError, match=re.escape(f"{stored}: not a whole table")):
            parquet.read(stored, TASK)


def test_a_foreign_table_is_refused(stored):
    frame = pl.read_parquet(stored)
    parquet.write(frame.with_columns(pl.col("label").cast(pl.String)), stored)
    with pytest.raises(InputError, match=r"task.parquet: column 'label' holds String, not Int32"):
        parquet.read(stored, TASK)
    parquet.write(frame.drop("label"), stored)
    with pytest.raises(InputError, match=r"task.parquet: no column 'label'"):
        parquet.read(stored, TASK)


def test_every_table_is_read_in_one_place():
    """But for rows of a data set, which are the user's: readers.read."""
    found = {}
    for path in SRC.rglob("*.py"):
        names = {
            n.attr for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Attribute)
        }
        found[path.name] = names & {"read_parquet", "scan_parquet", "read_parquet_schema"}
    assert {name for name, calls in found.items() if calls} == {"parquet.py", "readers.py"}


@pytest.mark.parametrize("column", RUN_COLUMNS)
def test_logits_of_different_runs_are_not_compared(column):
    columns = {"model": "m", "task": "t", "design": "d", "shots": 2}
    a, b = (
        pl.DataFrame([columns]),
        pl.DataFrame([{**columns, column: 9 if column == "shots" else "x"}]),
    )
    with pytest.raises(InputError, match=f"logits of one {column} are needed"):
        pairing.compare(a, b, "b")


# --- memory -------------------------------------------------------------------------------

HUNGRY = """
import resource, sys
sys.path.insert(0, {src!r})
from iclgd.io import cli
cli.parser("A step.")
import {module}
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + 100_000_000, resource.RLIM_INFINITY))
{code}
"""


@pytest.mark.parametrize(
    ("module", "code"),
    [
        pytest.param("torch", "torch.zeros(10**9)", marks=pytest.mark.slow),
        ("numpy", "numpy.zeros(10**9)"),
        ("sys", "bytearray(10**9)"),
    ],
)
def test_want_of_memory_is_one_line_that_says_what_to_do(module, code):
    step = HUNGRY.format(src=str(SRC), module=module, code=code)
    done = subprocess.run([sys.executable, "-c", step], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("error: out of memory (") and done.stderr.count("\n") == 1
    assert done.stderr.endswith(f"): {cli.MORE_MEMORY}\n")


def test_a_card_out_of_memory_is_said_the_same_way(capsys):
    import torch

    cli._report(torch.OutOfMemoryError, torch.OutOfMemoryError("CUDA out of memory. Tried"), None)
    assert capsys.readouterr().err.startswith("error: out of memory (CUDA out of memory. Tried): ")
