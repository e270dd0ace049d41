"""`iclgd show`: its output for tables, manifests and folders, also bad ones."""

import json
import os
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.sparsity import SPARSITY
from iclgd.reporting import show

ROOT = Path(__file__).parents[2]


def printed(path: Path, rows: int = 3, where: str | None = None, width: int = 120) -> list[str]:
    """What is printed, its lines without runs of blanks."""
    console = Console(width=width, highlight=False)
    with console.capture() as capture:
        console.print(*show.show(path, rows, where), sep="\n")
    assert max(map(len, capture.get().splitlines())) <= width
    return [" ".join(line.split()) for line in capture.get().splitlines()]


def sparsity(path: Path, model: str = "m") -> Path:
    rows = {"model": model, "layer": [0, 0, 1, 1], "head": [0, 1, 0, 1], "matrix": "q"}
    rows |= {"threshold": 1e-3, "share": [0.25, None, 0.5, 0.75], "share_rms": 0.0}
    parquet.write(pl.DataFrame(rows), path, SPARSITY)
    return path


def test_a_table_is_explained_by_its_path(tmp_path):
    lines = printed(sparsity(tmp_path / "results/sparsity/m.parquet"))
    assert "How many weights are small, one row per head, matrix and threshold." in lines
    assert "model m" in lines
    assert any(line.startswith("4 rows, 7 columns, ") for line in lines)
    expected = "share float64 1 0.25 to 0.75, mean 0.5, sd 0.25 share of entries below it"
    assert expected in lines
    assert "layer int32 0 0 to 1, 2 values layer, from 0" in lines
    assert "column row 0 row 1 row 2" in lines and "share 0.25 null 0.5" in lines


def test_elsewhere_it_is_known_by_its_columns(tmp_path):
    lines = printed(sparsity(tmp_path / "x.parquet"))
    assert "How many weights are small, one row per head, matrix and threshold." in lines
    pl.DataFrame({"mine": [1.5], "parts": [[1, 2, 3]]}).write_parquet(tmp_path / "y.parquet")
    lines = printed(tmp_path / "y.parquet")
    assert "mine float64 0 1.5" in lines
    assert "parts list(int64) 0 lists of 3" in lines
    assert "parts [1, 2, … 3 in all]" in lines


def test_rows_and_where(tmp_path):
    path = sparsity(tmp_path / "x.parquet")
    lines = printed(path, rows=9, where="share >= 0.5 AND head = 1")
    assert any(line.endswith("; 1 rows where share >= 0.5 AND head = 1") for line in lines)
    assert "column row 0" in lines and "share 0.75" in lines
    assert "column row 3" in printed(path, rows=9)
    assert not any(line.startswith("column row") for line in printed(path, rows=0))
    with pytest.raises(InputError, match=r"--where color = 1: .*color"):
        printed(path, where="color = 1")


def test_texts_of_a_data_set_do_not_steer_the_terminal(tmp_path):
    task = tiny_task().with_columns(text=pl.lit("\x1b[31m[bold]evil[/bold]\n\u202e"))
    parquet.write(task, tmp_path / "results/tasks/[red]\x1b[2J.parquet")
    text = "\n".join(printed(tmp_path / "results/tasks/[red]\x1b[2J.parquet"))
    assert "\x1b" not in text and "\u202e" not in text
    assert r"\x1b[31m[bold]evil[/bold]\n\u202e" in text and r"task [red]\x1b[2J" in text


def test_every_type_of_column_is_shown(tmp_path):
    frame = pl.DataFrame(
        {
            "flag": [True, False, None],
            "nothing": pl.Series([None] * 3, dtype=pl.Float64),
            "struct": [{"a": 1}] * 3,
            "when": pl.Series([0, 1, 2]).cast(pl.Datetime),
            "bytes": [b"\x00"] * 3,
        }
    )
    frame.write_parquet(tmp_path / "x.parquet")
    lines = printed(tmp_path / "x.parquet")
    assert "flag boolean 1 true in 50 %" in lines and "nothing float64 3 none" in lines
    frame.clear().write_parquet(tmp_path / "x.parquet")
    assert any(line.startswith("0 rows, 5 columns") for line in printed(tmp_path / "x.parquet"))


def test_a_manifest(tmp_path):
    path = tmp_path / "results/models/m.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"model": "m", "layers": 2, "probes": {"a": 0.5}, "x\x1b": "\x1b"}))
    lines = printed(path)
    assert "A model's manifest; its weights are in the folder of the same name." in lines
    assert "layers 2 number of layers" in lines
    assert r"x\x1b \x1b" in lines


def test_a_folder_by_file_or_by_kind(tmp_path, monkeypatch):
    for model in ("m", "n"):
        sparsity(tmp_path / f"results/sparsity/{model}.parquet", model)
    sparsity(tmp_path / "results/sparsity/.o.parquet.0123abcd.partial/o.parquet")
    (tmp_path / "results/models").mkdir()
    (tmp_path / "results/models/m.json").write_text("{}")
    (tmp_path / "results/other.json").write_text("{}")
    lines = printed(tmp_path / "results")
    assert any(line.endswith("results: 3 artifacts") for line in lines)
    assert any(line.startswith("sparsity/n.parquet 4 ") for line in lines)
    assert any(line.startswith("models/m.json 2 bytes a model") for line in lines)
    monkeypatch.setattr(show, "MANY", 2)
    lines = printed(tmp_path / "results")
    assert any(line.startswith("results/sparsity/{model}.parquet 2 8 ") for line in lines)


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("none.parquet", None, "none.parquet does not exist"),
        ("half.parquet", b"PAR1 and no more", "half.parquet: not a whole table"),
        ("x.json", b"{", "x.json: not a whole JSON file"),
        ("deep.json", b"[" * 100_000, "deep.json: not a whole JSON file"),
        ("bytes.json", b"\xff", "bytes.json: not a whole JSON file"),
        ("list.json", b"[]", "list.json: not a manifest"),
        ("x.svg", b"<svg/>", "x.svg: neither a table"),
        ("empty.csv", b"", "empty.csv: no CSV table"),
        ("", None, "no artifact in this folder"),
    ],
)
def test_what_cannot_be_shown_is_one_line(name, content, error, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=error) as caught:
        printed(tmp_path / name)
    assert "\n" not in str(caught.value)


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess:
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "COLUMNS": "70", **environment}
    given = [sys.executable, "-m", "iclgd", "show", *arguments]
    return subprocess.run(given, capture_output=True, text=True, env=env)


def test_the_command(tmp_path):
    path = sparsity(tmp_path / "x.parquet")
    done = command(str(path), "--rows", "1", "--where", "head = 1")
    assert done.returncode == 0, done.stderr
    assert "2 rows where head = 1" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 70
    failed = command(str(tmp_path / "none.parquet"))
    assert failed.returncode == 1 and failed.stdout == ""
    assert failed.stderr == f"error: {tmp_path}/none.parquet does not exist\n"
    assert command(str(path), "--rows", "-1").returncode == 2


def test_it_starts_without_torch(tmp_path):
    loaded = "import sys, iclgd.reporting.show as s; assert s.pl; print('torch' in sys.modules)"
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, env=env)
    assert done.stdout == "False\n", done.stderr
