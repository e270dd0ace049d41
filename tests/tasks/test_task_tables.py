"""Rows of any file become a task table, or an error that names file and line."""

import json

import polars as pl
import pytest
from support.steps import run_step

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.task import TASK
from iclgd.tasks import readers, synthetic, task_tables

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


def filled(placed, entry=ENTRY):
    """The rendered rows without their places."""
    return [row for _, row in readers.render(iter(placed), entry, "films")]


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv", "a.parquet"])
def test_every_format_gives_the_same_rows(tmp_path, name):
    rendered = filled(readers.read(write(tmp_path / name), ENTRY))
    assert rendered[1] == {"text": "Review: film 1\nMood:", "answer": " good", "label": 1}
    assert len(rendered) == 40


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", '{"text": "x", "label": 0}\n{"text":\n', r"a.jsonl, line 2: not a JSON object"),
        ("a.jsonl", "[1, 2]\n", r"a.jsonl, line 1: not a JSON object"),
        ("a.jsonl", '{"text": "x", "label": 0}\n\n[]\n', r"a.jsonl, line 3: not a JSON object"),
        ("a.jsonl", '{"text": "x", "text": "y"}', r"line 1: not .*two values are called 'text'"),
        ("a.jsonl", "\n \n", r"a.jsonl: there are no rows in it"),
        ("a.json", "[]", r"a.json: there are no rows in it"),
        ("a.json", '[\n{"text": "x",\n"label": }]', r"a.json, line 3: not a JSON array"),
        ("a.json", '[{"text": "x", "label": 0}, 5]', r"a.json, row 2: not a JSON object"),
        ("a.json", '[{"text": "x", "label": 0}]\n{}', r"a.json, line 2: not a JSON array \(Extra"),
        ("a.jsonl", '{"text": "x", "label": 2}\n', r"a.jsonl, line 1: label '2' .*films.* 0, 1"),
        ("a.jsonl", '{"txt": "x", "label": 0}\n', r"a.jsonl, line 1: no field 'text'.*txt, label"),
        ("a.jsonl", '{"text": null, "label": 0}\n', r"a.jsonl, line 1: field 'text' is null"),
        ("a.jsonl", '{"text": NaN, "label": 0}\n', r"a.jsonl, line 1: field 'text' is null"),
        ("a.jsonl", '{"text": "x", "label": null}\n', r"a.jsonl, line 1: field 'label' is null"),
        ("a.jsonl", b'{"text": "x", "label": 0}\n{"text": "\xff"}', r"a.jsonl.*utf-8"),
        ("a.csv", "text,label\nx,0\ny\n", r"a.csv, line 3: 2 fields expected"),
        ("a.csv", "text,label\nx,0\ny,1,z\n", r"a.csv, line 3: 2 fields expected"),
        ("a.csv", 'text,label\n"x\ny",0\nz,5\n', r"a.csv, line 4: label '5'"),
        ("a.csv", "", r"a.csv: there are no rows in it"),
        ("a.csv", "\ufefftext,label\n\n", r"a.csv: there are no rows in it"),
        ("a.csv", "text;label\nx;0\n", r"line 1: the columns are separated by semicolons; commas"),
        ("a.csv", "text\tlabel\nx\t0\n", r"line 1: the columns are separated by tabs; commas"),
        ("a.csv", "text,text,label\nx,y,0\n", r"line 1: two columns are called 'text'"),
        ("a.csv", "text,,label\nx,0,0\n", r"line 1: column 2 of 3 has no name"),
        ("a.csv", "text,label,\nx,0,\n", r"line 1: column 3 of 3 has no name"),
        ("a.csv", "text,label\nx,0,\n", r"line 2: 2 fields expected, found 3"),
        ("a.csv", "text,label\nx,0\n".encode("utf-16"), r"a.csv: 'utf-8' codec"),
        ("a.csv", "text,label\nx,0\n".encode("utf-16-le"), r"line 1: NUL .* must be UTF-8"),
        ("a.parquet", "no parquet", r"a.parquet"),
        ("a.txt", "x", r"a.txt: one of .jsonl"),
    ],
)
def test_malformed_rows_are_named(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError, match=message) as error:
        filled(readers.read(path, ENTRY))
    assert "\n" not in str(error.value)


def test_malformed_parquet_rows_are_named(tmp_path):
    path = write(tmp_path / "a.parquet", [*ROWS[:3], {"text": "x", "label": None}])
    with pytest.raises(InputError, match=r"a.parquet, row 4: field 'label' is null"):
        filled(readers.read(path, ENTRY))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"nothing.csv does not exist"):
        list(readers.read(tmp_path / "nothing.csv", ENTRY))


def test_braces_and_white_space_of_the_data_stay_data():
    entry = {**ENTRY, "prompt": "{a} and {b}: {label}\n", "label_field": "kind"}
    rows = [("row 0", {"a": " {b}\n", "b": "{label}", "kind": "1"})]
    (row,) = filled(rows, entry)
    assert row["text"] == "{b} and {label}:"


def rendered(rows=ROWS):
    return filled((f"row {i}", row) for i, row in enumerate(rows))


@pytest.mark.parametrize("queries", [8, 20, 500])
@pytest.mark.parametrize("with_test", [True, False])
def test_splits_are_disjoint_by_text_and_of_the_right_size(queries, with_test):
    table = {"train": rendered() + rendered()[:5]}
    if with_test:  # Half of the test rows stand in the training rows too.
        table["test"] = rendered(ROWS[30:] + [{"text": f"new {i}", "label": 1} for i in range(10)])
    splits = task_tables.split_queries(table, queries, "films")
    query_texts = min(queries, 20)
    sizes = {split: len(rows) for split, rows in splits.items()}
    assert sizes["validation"] == query_texts // 4
    assert sizes["test"] == query_texts - query_texts // 4
    texts = [row["text"] for rows in splits.values() for row in rows]
    assert len(set(texts)) == len(texts)
    everything = {row["text"] for rows in table.values() for row in rows}
    if not with_test:
        assert set(texts) == everything and sizes["train"] == 40 - query_texts
    assert splits == task_tables.split_queries(table, queries, "films")
    assert splits["test"] != task_tables.split_queries(table, queries, "other")["test"]


def test_too_few_rows_are_an_error():
    with pytest.raises(InputError, match=r"task films: 3 rows for training and 3 queries"):
        task_tables.split_queries({"train": rendered(ROWS[:6])}, 500, "films")


def test_the_task_table():
    splits = task_tables.split_queries({"train": rendered()}, 8, "films")
    table = parquet.match(task_tables.task_table(splits, ENTRY, "films"), TASK)
    assert table["example"].to_list() == list(range(40))
    assert table["split"].to_list() == ["train"] * 32 + ["validation"] * 2 + ["test"] * 6
    shared = table.select("task", "instruction", "ending").unique().rows()
    assert shared == [("films", "Judge.\n", "\n\n")]


def test_a_label_word_that_no_row_has_is_an_error():
    splits = task_tables.split_queries({"train": rendered(ROWS[::2])}, 8, "films")
    with pytest.raises(InputError, match=r"task films: no row has the label word 'good'"):
        task_tables.task_table(splits, ENTRY, "films")


OPEN = 'text,label\nplain one,0\n"Awful from start to end,0\nplain two,1\n'  # a quote in line 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (OPEN + "plain three,0\n", "line 3: the quote that opens here never closes"),
        (
            OPEN + '"Lovely and warm,1\nplain three,0\n',
            "line 3: the quote that opens here closes in line 5, and 'Lovely and warm,1' follows",
        ),
        (OPEN + 'Lovely and warm",1\n', "line 3: the quoted field .* holds whole rows"),
        (OPEN.replace("plain two", '"plain, two"') + 'x",1\n', "line 3: the quote .* in line 4"),
        ('text,label\nan 8" disc,0\nx,1\n', "line 2: a quote within the field 'an 8\" disc'"),
        ('text,label\nx,0\nLovely",1\n', "line 3: a quote within the field 'Lovely\"'"),
        ('text,label\n"a\nb",0\nx, "y",1\n', "line 4: a quote within the field ' \"y\"'"),
        ('text,label\n"a\r\nb","0\r\nx,1\r\n', "line 3: the quote that opens here never closes"),
        ('text,label\n"He said "no".",0\n', "line 2: the quote .* closes in line 2, and 'no"),
        ('label,text\n0,"Awful\n1,plain two\n0,x"\n', "line 2: the quoted field .* whole rows"),
    ],
)
def test_quotes_that_swallow_rows_are_named_by_the_line_where_they_open(tmp_path, content, message):
    path = tmp_path / "a.csv"
    path.write_bytes(content.encode())
    with pytest.raises(InputError, match=rf"a.csv, {message}"):
        filled(readers.read(path, ENTRY))


def test_a_quoted_field_may_have_lines_commas_and_quotes(tmp_path):
    rows = [
        {"text": "I liked it, really,\nbut the end, no", "label": 1},
        {"text": 'He said "no".', "label": 0},
        {"text": "one\n\n two, 0\nthree", "label": 0},
    ]
    path = write(tmp_path / "a.csv", rows)
    found = list(readers.read(path, ENTRY))
    assert [row["text"] for _, row in found] == [row["text"] for row in rows]
    assert [place for place, _ in found] == [f"{path}, line {line}" for line in (3, 4, 8)]


def test_blank_lines_are_no_rows_and_an_array_may_be_laid_out(tmp_path):
    lines = [json.dumps(row) for row in ROWS]
    (tmp_path / "a.jsonl").write_text("\n" + "\n\n".join(lines) + "\n \n")
    (tmp_path / "a.csv").write_text("text,label\n\n" + pl.DataFrame(ROWS).write_csv()[11:] + "\n\n")
    (tmp_path / "a.json").write_text("\ufeff \n" + json.dumps(ROWS, indent=1), encoding="utf-8")
    (tmp_path / "b.json").write_text(json.dumps(ROWS))
    for name in ("a.jsonl", "a.csv", "a.json", "b.json"):
        assert filled(readers.read(tmp_path / name, ENTRY)) == rendered(), name


def sifted(rows=ROWS, test=None, **changes):
    entry = {**ENTRY, **changes}
    sources = {"train": rows} if test is None else {"train": rows, "test": test}
    placed = {
        split: readers.render([(f"{split} {i}", row) for i, row in enumerate(part)], entry, "films")
        for split, part in sources.items()
    }
    return task_tables.sift(placed, entry, "films"), entry


def test_long_rows_are_left_out():
    longest = len("Review: film 9\nMood:")
    short, _ = sifted(test=ROWS[8:12], longest=longest)
    assert [row["text"][8:14] for row in short.table["test"]] == ["film 8", "film 9"]
    assert len(short.table["train"]) == 10


AWKWARD = [
    *({"text": "same", "label": 0}, {"text": " ", "label": 1}, {"text": "film 1", "label": 1}),
    *({"text": "x", "label": -1}, {"text": "y", "label": None}, {"text": None, "label": -1}),
    {"text": "x" * 40, "label": 0},
]


def test_every_row_is_in_a_split_or_counted_with_a_reason():
    train = [*ROWS, *AWKWARD]
    test = [{"text": "same", "label": 1}, *ROWS[30:34]]
    test += [{"text": f"new {i}", "label": i % 2} for i in range(10)]
    found, entry = sifted(train, test, leave_out=[-1, None], longest=40)
    splits = task_tables.split_queries(found.table, 8, "films")
    manifest = task_tables.manifest(found, splits, entry, "films")
    query_texts = [row["text"] for row in splits["validation"] + splits["test"]]
    twice = sum(text.startswith("Review: film") for text in query_texts)
    assert manifest["read"] == {"train": 47, "test": 15}
    assert manifest["left_out"] == {
        **{"leave_out": 3, "empty": 1, "longest": 1, "contradictory": 2, "duplicate": 1},
        **{"asked": twice, "surplus": 6},
    }
    kept = sum(sum(words.values()) for words in manifest["classes"].values())
    assert kept + sum(manifest["left_out"].values()) == 62
    assert list(task_tables.messages(manifest, found, entry))[:5] == [
        "films: 3 of 62 rows have a label of leave_out: left out",
        "films: 1 of 62 rows are empty: left out (the first: train 41)",
        "films: 1 of 62 rows have more than 40 characters: left out",
        "films: 2 of 62 rows have a text that stands under two labels: left out "
        "(the first: train 40)",
        "films: 1 of 62 rows are duplicates: left out",
    ]


def test_a_split_that_lacks_a_class_is_named():
    bad = [row for row in ROWS if row["label"] == 0]
    with pytest.raises(InputError, match=r"films: no row of train has the label '1' \(good\)"):
        sifted(bad, ROWS)
    with pytest.raises(InputError, match=r"films: no row of test has the label '1' \(good\)"):
        sifted(ROWS, bad)
    with pytest.raises(InputError, match=r"films: no row has the label word 'good'"):
        sifted(bad, bad)
    splits = {"train": rendered(bad), "validation": [], "test": rendered()}
    with pytest.raises(InputError, match=r"films: no row of train has the label '1'"):
        task_tables.task_table(splits, ENTRY, "films")


def test_a_class_that_no_query_has_is_said():
    found, entry = sifted()
    splits = {"train": rendered(), "validation": rendered(ROWS[:1]), "test": rendered(ROWS[2:3])}
    lines = list(
        task_tables.messages(task_tables.manifest(found, splits, entry, "films"), found, entry)
    )
    assert lines == ["films: no query has the label word 'good': raise queries"]


def test_generators_depend_on_names_alone():
    one, two = task_tables.generator("topic2", 3), task_tables.generator("topic2", 3)
    assert one.integers(1 << 60) == two.integers(1 << 60)
    assert task_tables.generator("topic2", 3).integers(1 << 60) != task_tables.generator(
        "topic", 23
    ).integers(1 << 60)


def test_generated_rows_fit_their_prompt():
    made = synthetic.make_task(task_tables.generator("topic2", "rows"), "topics", 20, 2)
    labels = {str(row["label"]): row["label_text"] for row in made}
    entry = {"prompt": "{text} : {label}\n", "labels": labels}
    rows = filled(((f"row {i}", row) for i, row in enumerate(made)), entry)
    assert {row["label"] for row in rows} == {0, 1}
    assert all(row["text"].endswith(" :") for row in rows)


def test_the_step_counts_what_it_left_out_in_its_manifest_and_its_log(tmp_path, capsys):
    rows = [*ROWS, {"text": "no agreement", "label": -1}, {"text": "film 3", "label": 0}]
    entry = {**ENTRY, "files": str(write(tmp_path / "a.jsonl", rows)), "leave_out": ["-1"]}
    arguments = [
        "--task",
        "films",
        "--entry",
        json.dumps(entry),
        "--output",
        tmp_path / "a.parquet",
    ]
    run_step("prepare_task", *arguments, "--manifest", tmp_path / "a.json")
    manifest = json.loads((tmp_path / "a.json").read_text())
    assert list(manifest) == ["task", "read", "left_out", "classes"]
    assert manifest["left_out"] == {
        **{"leave_out": 1, "empty": 0, "longest": 0, "contradictory": 2, "duplicate": 0},
        **{"asked": 0, "surplus": 0},
    }
    assert sum(manifest["classes"]["train"].values()) == 20
    table = pl.read_parquet(tmp_path / "a.parquet")
    assert len(table) == 39 and not table["text"].str.contains("film 3\n").any()
    assert capsys.readouterr().err == (
        "films: 1 of 42 rows have a label of leave_out: left out\n"
        "films: 2 of 42 rows have a text that stands under two labels: left out "
        f"(the first: {tmp_path / 'a.jsonl'}, line 4)\n"
    )


def test_the_index_that_pandas_writes_is_no_fault(tmp_path):
    (tmp_path / "a.csv").write_text(",text,label\n0,x,0\n1,y,1\n")
    rows = [row for _, row in readers.read(tmp_path / "a.csv", {})]
    assert [row["text"] for row in rows] == ["x", "y"]
