"""Rows of any file become a task table, or an error that names file and line."""

import json
import sys
import types

import polars as pl
import pytest

from iclgd import corpus, tables, tasks
from iclgd.cli import InputError

ENTRY = {
    "prompt": "Review: {text}\nMood: {label}\n\n",
    "labels": {"0": "bad", "1": "good"},
    "instruction": "Judge.\n",
}
ROWS = [{"text": f"film {i}", "label": i % 2} for i in range(40)]


def write(path, rows=ROWS):
    """Write ``rows`` in the format that the path's ending says."""
    if path.suffix == ".parquet":
        pl.DataFrame(rows).write_parquet(path)
    elif path.suffix == ".csv":
        pl.DataFrame(rows).write_csv(path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_every_format_gives_the_same_rows(tmp_path, name):
    rendered = tasks.render(tasks.read_rows(write(tmp_path / name)), ENTRY, "films")
    assert rendered[1] == {"text": "Review: film 1\nMood:", "answer": " good", "label": 1}
    assert len(rendered) == 40


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "x", "label": 0}\n{"text":\n', r"a.jsonl, line 2: not a JSON object"),
        ("a.jsonl", "[1, 2]\n", r"a.jsonl, line 1: not a JSON object"),
        ("a.jsonl", '{"text": "x", "label": 0}\n\n', r"a.jsonl, line 2: not a JSON object"),
        ("a.jsonl", '{"text": "x", "label": 2}\n', r"a.jsonl, line 1: label '2' .*films.* 0, 1"),
        ("a.jsonl", '{"txt": "x", "label": 0}\n', r"a.jsonl, line 1: no field 'text'.*txt, label"),
        ("a.jsonl", '{"text": null, "label": 0}\n', r"a.jsonl, line 1: no field 'text'"),
        ("a.jsonl", b'{"text": "x", "label": 0}\n{"text": "\xff"}', r"a.jsonl.*utf-8"),
        ("a.csv", "text,label\nx,0\ny\n", r"a.csv, line 3: 2 fields expected"),
        ("a.csv", "text,label\nx,0\ny,1,z\n", r"a.csv, line 3: 2 fields expected"),
        ("a.csv", 'text,label\n"x\ny",0\nz,5\n', r"a.csv, line 4: label '5'"),
        ("a.parquet", "no parquet", r"a.parquet"),
        ("a.txt", "x", r"a.txt: one of .jsonl"),
    ],
)
def test_malformed_rows_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as error:
        tasks.render(tasks.read_rows(path), ENTRY, "films")
    assert "\n" not in str(error.value)


def test_malformed_parquet_rows_are_named(tmp_path):
    path = write(tmp_path / "a.parquet", [*ROWS[:3], {"text": "x", "label": None}])
    with pytest.raises(InputError, match=r"a.parquet, row 4: no field 'label'"):
        tasks.render(tasks.read_rows(path), ENTRY, "films")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing.csv does not exist"):
        list(tasks.read_rows(tmp_path / "nothing.csv"))


def test_braces_and_white_space_of_the_data_stay_data():
    entry = {**ENTRY, "prompt": "{a} and {b}: {label}\n", "label_field": "kind"}
    rows = [("row 0", {"a": " {b}\n", "b": "{label}", "kind": "1"})]
    (row,) = tasks.render(iter(rows), entry, "films")
    assert row["text"] == "{b} and {label}:"


def rendered(rows=ROWS):
    return tasks.render(((f"row {i}", row) for i, row in enumerate(rows)), ENTRY, "films")


@pytest.mark.parametrize("queries", [8, 20, 500])
@pytest.mark.parametrize("with_test", [True, False])
def test_splits_are_disjoint_by_text_and_of_the_right_size(queries, with_test):
    table = {"train": rendered() + rendered()[:5]}
    if with_test:  # Half of the test rows stand in the training rows too.
        table["test"] = rendered(ROWS[30:] + [{"text": f"new {i}", "label": 1} for i in range(10)])
    splits = tasks.split_queries(table, queries, "films")
    asked = min(queries, 20)
    sizes = {split: len(rows) for split, rows in splits.items()}
    assert sizes["validation"] == asked // 4
    assert sizes["test"] == asked - asked // 4
    texts = [row["text"] for rows in splits.values() for row in rows]
    assert len(set(texts)) == len(texts)
    everything = {row["text"] for rows in table.values() for row in rows}
    if not with_test:
        assert set(texts) == everything and sizes["train"] == 40 - asked
    assert splits == tasks.split_queries(table, queries, "films")
    assert splits["test"] != tasks.split_queries(table, queries, "other")["test"]


def test_too_few_rows_are_an_error():
    with pytest.raises(InputError, match=r"task films: 3 rows for training and 3 queries"):
        tasks.split_queries({"train": rendered(ROWS[:6])}, 500, "films")


def test_the_task_table():
    splits = tasks.split_queries({"train": rendered()}, 8, "films")
    table = tables._match(tasks.task_table(splits, ENTRY, "films"), tables.TASK)
    assert table["example"].to_list() == list(range(40))
    assert table["split"].to_list() == ["train"] * 32 + ["validation"] * 2 + ["test"] * 6
    shared = table.select("task", "instruction", "ending").unique().rows()
    assert shared == [("films", "Judge.\n", "\n\n")]


def test_a_label_word_that_no_row_has_is_an_error():
    splits = tasks.split_queries({"train": rendered(ROWS[::2])}, 8, "films")
    with pytest.raises(InputError, match=r"task films: no row has the label word 'good'"):
        tasks.task_table(splits, ENTRY, "films")


def test_long_rows_are_left_out():
    longest = len("Review: film 9\nMood:")
    short = tasks.short_enough({"train": rendered(), "test": rendered(ROWS[8:12])}, longest)
    assert [row["text"][8:14] for row in short["test"]] == ["film 8", "film 9"]
    assert len(short["train"]) == 10


def test_generators_depend_on_names_alone():
    one, two = tasks.generator("topic2", 3), tasks.generator("topic2", 3)
    assert one.integers(1 << 60) == two.integers(1 << 60)
    assert tasks.generator("topic2", 3).integers(1 << 60) != tasks.generator("topic", 23).integers(
        1 << 60
    )


def test_rows_of_the_hub(monkeypatch):
    asked = []

    def load_dataset(*names, **options):
        asked.append((names, options))
        return ROWS[:2]

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    rows = tasks.hub_rows("nyu/glue", "train", "validation", name="sst2", revision="abc")
    assert asked == [
        (("nyu/glue", "sst2"), {"split": split, "revision": "abc"})
        for split in ("train", "validation")
    ]
    assert list(rows["test"])[1] == ("nyu/glue validation, row 1", ROWS[1])


def test_generated_rows_fit_their_prompt():
    made = corpus.make_task(tasks.generator("topic2", "rows"), "topics", 20, 2)
    labels = {str(row["label"]): row["label_text"] for row in made}
    entry = {"prompt": "{text} : {label}\n", "labels": labels}
    rows = tasks.render(((f"row {i}", row) for i, row in enumerate(made)), entry, "topic2")
    assert {row["label"] for row in rows} == {0, 1}
    assert all(row["text"].endswith(" :") for row in rows)
