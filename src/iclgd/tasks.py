"""Rows of a data set, wherever they come from, as a task table."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from iclgd import network, prompts
from iclgd.cli import InputError

# What the readers raise on files that are none of theirs; a panic is Polars' own failure.
UNREADABLE = (
    OSError,
    UnicodeDecodeError,
    csv.Error,
    pl.exceptions.PolarsError,
    pl.exceptions.PanicException,
)


def generator(*names: str | int) -> np.random.Generator:
    """A generator that depends on the names alone, such as (task, draw)."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16]))


def read_rows(path: Path) -> Iterator[tuple[str, dict]]:
    """Rows of a JSONL, CSV (with a header) or Parquet file, each with its place for messages.

    Raises InputError that names file and line of a malformed row.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist")
    place = str(path)
    try:
        for place, row in _rows(path):
            yield place, row
    except UNREADABLE as error:
        raise InputError(f"{path}, after {place}: {' '.join(str(error).split())}") from error


def _rows(path: Path) -> Iterator[tuple[str, dict]]:
    kind = path.suffix.lower()
    if kind in (".jsonl", ".json"):
        with path.open(encoding="utf-8-sig") as file:
            for number, line in enumerate(file, start=1):
                place = f"{path}, line {number}"
                try:
                    row = json.loads(line)
                except (ValueError, RecursionError) as error:  # also of numbers without end
                    reason = getattr(error, "msg", error)
                    raise InputError(f"{place}: not a JSON object ({reason})") from error
                if not isinstance(row, dict):
                    raise InputError(f"{place}: not a JSON object")
                yield place, row
    elif kind == ".csv":
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            names = reader.fieldnames or []
            if twice := [name for i, name in enumerate(names) if name in names[:i]]:
                raise InputError(f"{path}, line 1: two columns are called {twice[0]!r}")
            for row in reader:
                place = f"{path}, line {reader.line_num}"
                if None in row or None in row.values():
                    raise InputError(f"{place}: {len(names)} fields expected")
                yield place, row
    elif kind == ".parquet":
        table = pl.read_parquet(path, glob=False)
        for number, row in enumerate(table.iter_rows(named=True), start=1):
            yield f"{path}, row {number}", row
    else:
        raise InputError(f"{path}: one of .jsonl, .json, .csv or .parquet is needed")


def hub_rows(
    dataset: str, train: str, test: str, name: str | None = None, revision: str | None = None
) -> dict[str, Iterator[tuple[str, dict]]]:
    """Rows of two splits of a data set on the hub, through `datasets` (it keeps a cache).

    `datasets` runs no code of a data set. Raises InputError with what it says of a failure.
    """
    import datasets

    def rows(split: str) -> Iterator[tuple[str, dict]]:
        what = f"data set {dataset}, split {split}"
        try:
            table = network.persist(
                lambda: datasets.load_dataset(dataset, name, split=split, revision=revision), what
            )
        except (ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
            raise InputError(f"{what}: {' '.join(str(error).split())}") from error
        return ((f"{dataset} {split}, row {i}", row) for i, row in enumerate(table))

    return {"train": rows(train), "test": rows(test)}


def render(rows: Iterator[tuple[str, dict]], entry: dict, task: str) -> list[dict]:
    """Fill the prompt of ``entry`` with every row: ``{"text", "answer", "label"}``.

    ``entry`` has ``prompt``, ``labels`` (a map from the value of the label field to the
    label word; its order numbers the labels) and maybe ``label_field``. Raises InputError
    that names the place of a row whose fields or label do not fit.
    """
    template = prompts.parse_template(entry["prompt"])
    fields = [field for _, field in template.parts]
    label_field, words = entry.get("label_field", "label"), entry["labels"]
    number = {value: i for i, value in enumerate(words)}
    table = []
    for place, row in rows:
        value = _text(place, row, label_field)
        if value not in number:
            raise InputError(
                f"{place}: label {value!r} of task {task} is not in its list: {', '.join(words)}"
            )
        text = template.fill({field: _text(place, row, field).strip() for field in fields})
        answer = template.space + words[value]
        table.append({"text": text, "answer": answer, "label": number[value]})
    return table


def _text(place: str, row: dict, field: str) -> str:
    """A field of ``row`` as text. Raises InputError if it is none: absent, nested, not Unicode."""
    value = row.get(field)
    if value is None:
        raise InputError(f"{place}: no field {field!r}; it has {', '.join(map(str, row))}")
    if isinstance(value, (dict, list, bytes)):
        raise InputError(f"{place}: field {field!r} is a {type(value).__name__}, not text")
    text = str(value)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{place}: field {field!r} is not Unicode ({error.reason})") from error
    return text


def short_enough(table: dict[str, list[dict]], longest: int) -> dict[str, list[dict]]:
    """The rows of every split whose text has at most ``longest`` characters."""
    return {split: [r for r in rows if len(r["text"]) <= longest] for split, rows in table.items()}


def split_queries(table: dict[str, list[dict]], queries: int, task: str) -> dict[str, list[dict]]:
    """Train, validation and test rows, without texts that stand in more than one split.

    ``table`` has ``train`` and maybe ``test``; without it, up to ``queries`` rows but at
    most half of the table are set apart. Of the queries, a random quarter is for
    validation (choosing a rate and an epoch) and the rest for test (reporting).
    """
    rng = generator(task, "queries")
    train = list({row["text"]: row for row in table["train"]}.values())
    if "test" in table:
        asked = list({row["text"]: row for row in table["test"]}.values())
        asked = [asked[i] for i in rng.permutation(len(asked))[:queries]]
        taken = {row["text"] for row in asked}
        train = [row for row in train if row["text"] not in taken]
    else:
        order = rng.permutation(len(train))
        count = min(queries, len(train) // 2)
        asked, train = [train[i] for i in order[:count]], [train[i] for i in sorted(order[count:])]
    if len(asked) < 4 or not train:
        raise InputError(
            f"task {task}: {len(train)} rows for training and {len(asked)} queries are too few"
        )
    validation = len(asked) // 4
    return {"train": train, "validation": asked[:validation], "test": asked[validation:]}


def task_table(splits: dict[str, list[dict]], entry: dict, task: str) -> pl.DataFrame:
    """The task table (``tables.TASK``) of rendered rows; examples are numbered through."""
    template = prompts.parse_template(entry["prompt"])
    rows = [{**row, "split": split} for split, part in splits.items() for row in part]
    answers = {template.space + word for word in entry["labels"].values()}
    if missing := answers - {row["answer"] for row in rows}:
        raise InputError(f"task {task}: no row has the label word {sorted(missing)[0].strip()!r}")
    return (
        pl.DataFrame(rows)
        .with_row_index("example")
        .with_columns(
            pl.lit(task).alias("task"),
            pl.lit(entry.get("instruction", "")).alias("instruction"),
            pl.lit(template.ending).alias("ending"),
        )
    )
