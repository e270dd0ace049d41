"""Rows of local files are checked before any job, and without polars."""

import json
import subprocess
import sys

import pytest
from support.configurations import ROOT, changed

from iclgd.study import checks, sizes, taskfiles
from iclgd.study.config import ConfigError

ROWS = [{"text": f"film {i}", "mood": i % 2} for i in range(12)]


def check_files(folder, files: dict[str, str], **changes):
    """Check the default study with one more task, of ``files`` (names and what they hold)."""
    for name, content in files.items():
        (folder / name).write_text(content)
    paths = [str(folder / name) for name in files]
    entry = {
        "files": paths[0] if len(files) == 1 else dict(zip(SPLITS, paths, strict=True)),
        "prompt": "{text}: {label}\n",
        "labels": {"0": "bad", "1": "good"},
        "label_field": "mood",
    }
    checks.check(changed("tasks/films", {**entry, **changes}), ROOT)


SPLITS = ("train", "test")
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)
CSV = "text,mood\n" + "".join(f"{row['text']},{row['mood']}\n" for row in ROWS)


@pytest.mark.parametrize(
    ("files", "changes", "message"),
    [
        ({"a.csv": CSV}, {"prompt": "{texts}: {label}\n"}, "a.csv, line 2: no field 'texts'; it"),
        ({"a.csv": CSV}, {"label_field": "label"}, "a.csv, line 2: no field 'label'; it has text,"),
        (
            {"a.csv": CSV},
            {"labels": {"0": "a", "2": "b"}},
            "line 3: label '1' of task films",
        ),
        ({"a.csv": CSV.replace("film 3", '"film 3')}, {}, "a.csv, line 5: the quote that opens"),
        ({"a.csv": CSV.replace(",", ";")}, {}, "line 1: the columns are separated by semicolons"),
        ({"a.csv": CSV[:10]}, {}, "a.csv: there are no rows in it"),
        ({"a.txt": CSV}, {}, "a.txt: one of .jsonl, .json, .csv, .parquet, .pickle,"),
        ({"a.jsonl": LINES, "b.jsonl": LINES[:30]}, {}, "films: no row of test has the label '1'"),
        ({"a.jsonl": LINES[:30], "b.jsonl": LINES}, {}, "films: no row of train has the label '1'"),
        ({"a.json": LINES[:30]}, {}, "task films: no row has the label word 'good'"),
        ({"a.json": json.dumps([*ROWS, 1])}, {}, "a.json, row 13: not a JSON object"),
        ({"a.parquet": ""}, {"leave_out": [0]}, "leave_out: '0' is one of the labels"),
        ({"a.json": LINES}, {"leave_out": [0.5]}, "films.leave_out.0: 0.5: it is not of type"),
        ({"a.json": LINES}, {"labels": {"0": "x", "1": "x"}}, "two labels have the word 'x'"),
    ],
)
def test_rows_of_local_files_are_checked(tmp_path, files, changes, message):
    check_files(tmp_path, {"good.csv": CSV})
    with pytest.raises(ConfigError) as caught:
        check_files(tmp_path, files, **changes)
    assert message in str(caught.value)
    assert str(caught.value).startswith("config: tasks.films")
    assert len(str(caught.value).splitlines()) == 1


def test_generated_tasks_have_no_rows_to_leave_out():
    with pytest.raises(ConfigError, match="'leave_out' has no meaning beside 'generate'"):
        checks.check(changed("tasks/topic4/leave_out", [-1]), ROOT)


def test_of_a_large_file_the_first_rows_are_checked(tmp_path, monkeypatch):
    monkeypatch.setattr(taskfiles, "WHOLE", 100)
    monkeypatch.setattr(taskfiles, "FIRST", 3)
    check_files(tmp_path, {"a.jsonl": LINES + "no JSON", "b.jsonl": LINES})
    check_files(tmp_path, {"a.json": json.dumps([*ROWS, 1])})
    with pytest.raises(ConfigError, match=r"a.jsonl, line 3: not a JSON object"):
        check_files(tmp_path, {"a.jsonl": LINES[:60] + "no JSON" + LINES[60:]})


def test_parquet_is_left_to_the_job_and_polars_unread(tmp_path):
    check_files(tmp_path, {"a.parquet": "no parquet"})
    path = str(ROOT / "src")
    command = [
        sys.executable,
        "-c",
        "import iclgd.study.study, sys; print('polars' in sys.modules)",
    ]
    done = subprocess.run(command, env={"PYTHONPATH": path}, capture_output=True, text=True)
    assert done.stdout == "False\n", done.stderr


def test_the_rows_of_an_array_are_counted_however_it_is_laid_out(tmp_path):
    for indent in (None, 1):
        (tmp_path / "a.json").write_text(json.dumps(ROWS, indent=indent))
        assert sizes.most_rows({"files": "a.json"}, tmp_path) == 12
    (tmp_path / "a.csv").write_text(CSV)
    assert sizes.most_rows({"files": {"train": "a.csv"}}, tmp_path) == 12
