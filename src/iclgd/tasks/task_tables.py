"""Rows of a data set, wherever they come from, as a task table."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from iclgd.io.cli import InputError
from iclgd.io.text import plain
from iclgd.tasks.readers import check_classes, parse_template

# Why a row is in no split, in the words of the log.
REASONS = {
    "leave_out": "have a label of leave_out",
    "empty": "are empty",
    "longest": "have more than {longest} characters",
    "contradictory": "have a text that stands under two labels",
    "duplicate": "are duplicates",
    "asked": "are for training, and asked as well",
    "surplus": "are for test, beyond the number of queries",
}


def generator(*names: str | int) -> np.random.Generator:
    """A generator that depends on the names alone, such as (task, draw)."""
    digest = hashlib.sha256("/".join(map(str, names)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16]))


@dataclass(frozen=True)
class Sifted:
    """Rows by split, and the places of those that are left out by split and reason."""

    table: dict[str, list[dict]]
    left_out: dict[str, dict[str, list[str]]]


def sift(table: dict[str, Iterable[tuple[str, dict | None]]], entry: dict, task: str) -> Sifted:
    """Leave out rows of ``table`` (`readers.render`, by split) that nothing can be learnt from.

    Reasons are a label in ``leave_out``, fields that are all empty, more characters than
    ``longest``, and a text that stands under two labels, in whichever splits (all of its rows
    go; but in generated tasks, which know what they do). Raises InputError naming a class that
    a split has no row of; if it loses the last one here, `messages` and `task_table` report it.
    """
    template = parse_template(entry["prompt"])
    fields = [field for _, field in template.parts]
    empty, longest = template.fill(dict.fromkeys(fields, "")), entry.get("longest", math.inf)
    kept: dict[str, list[tuple[str, dict]]] = {split: [] for split in table}
    left: dict[str, dict[str, list[str]]] = {split: defaultdict(list) for split in table}
    labels: dict[str, set[int]] = defaultdict(set)
    found: dict[str, set[int]] = {split: set() for split in table}
    for split, placed in table.items():
        for place, row in placed:
            if row is None:
                left[split]["leave_out"].append(place)
                continue
            found[split].add(row["label"])
            if fields and row["text"] == empty:
                left[split]["empty"].append(place)
            elif len(row["text"]) > longest:
                left[split]["longest"].append(place)
            else:
                kept[split].append((place, row))
                labels[row["text"]].add(row["label"])
    if "generate" not in entry:
        for split, placed in kept.items():
            gone = [place for place, row in placed if len(labels[row["text"]]) > 1]
            left[split] |= {"contradictory": gone} if gone else {}
            kept[split] = [(place, row) for place, row in placed if len(labels[row["text"]]) == 1]
    check_classes(found, entry, task)
    return Sifted({split: [row for _, row in placed] for split, placed in kept.items()}, left)


def split_queries(table: dict[str, list[dict]], queries: int, task: str) -> dict[str, list[dict]]:
    """Train, validation and test rows, without texts that stand in more than one split.

    ``table`` has ``train`` and maybe ``test``; without it, up to ``queries`` rows but at
    most half of the table are set apart. Of the queries, a random quarter is for
    validation (choosing a rate and an epoch) and the rest for test (reporting).
    """
    rng = generator(task, "queries")
    train = list({row["text"]: row for row in table["train"]}.values())
    if "test" in table:
        query_rows = list({row["text"]: row for row in table["test"]}.values())
        query_rows = [query_rows[i] for i in rng.permutation(len(query_rows))[:queries]]
        taken = {row["text"] for row in query_rows}
        train = [row for row in train if row["text"] not in taken]
    else:
        order = rng.permutation(len(train))
        count = min(queries, len(train) // 2)
        query_rows, train = (
            [train[i] for i in order[:count]],
            [train[i] for i in sorted(order[count:])],
        )
    if len(query_rows) < 4 or not train:
        raise InputError(
            f"task {task}: {len(train)} rows for training and {len(query_rows)} queries are too few"
        )
    validation = len(query_rows) // 4
    return {"train": train, "validation": query_rows[:validation], "test": query_rows[validation:]}


def task_table(splits: dict[str, list[dict]], entry: dict, task: str) -> pl.DataFrame:
    """The task table (``TASK``) of rendered rows; examples are numbered through."""
    template = parse_template(entry["prompt"])
    rows = [{**row, "split": split} for split, part in splits.items() for row in part]
    shown = {row["label"] for row in splits["train"]}
    check_classes({"train": shown, "all splits": {row["label"] for row in rows}}, entry, task)
    return (
        pl.DataFrame(rows)
        .with_row_index("example")
        .with_columns(
            pl.lit(task).alias("task"),
            pl.lit(entry.get("instruction", "")).alias("instruction"),
            pl.lit(template.ending).alias("ending"),
        )
    )


def manifest(sifted: Sifted, splits: dict[str, list[dict]], entry: dict, task: str) -> dict:
    """What became of the rows: how many were left out and why, and the classes of each split."""
    distinct = {split: {row["text"] for row in rows} for split, rows in sifted.table.items()}
    query_texts = {row["text"] for split in ("validation", "test") for row in splits[split]}
    left_out = Counter({reason: 0 for reason in REASONS})
    for split, rows in sifted.table.items():
        left_out.update({reason: len(places) for reason, places in sifted.left_out[split].items()})
        left_out["duplicate"] += len(rows) - len(distinct[split])
    if "test" in sifted.table:
        left_out["asked"] = len(distinct["train"] & query_texts)
        left_out["surplus"] = len(distinct["test"] - query_texts)
    words = list(entry["labels"].values())
    classes = {
        split: {word: sum(row["label"] == i for row in rows) for i, word in enumerate(words)}
        for split, rows in splits.items()
    }
    read = {
        split: len(rows) + sum(map(len, sifted.left_out[split].values()))
        for split, rows in sifted.table.items()
    }
    return {"task": task, "read": read, "left_out": dict(left_out), "classes": classes}


def messages(manifest: dict, sifted: Sifted, entry: dict) -> Iterator[str]:
    """Lines for the log on a `manifest`: rows that are left out, and classes without a query."""
    task, total = manifest["task"], sum(manifest["read"].values())
    for reason, count in manifest["left_out"].items():
        places = [place for left in sifted.left_out.values() for place in left.get(reason, [])]
        asked_for = reason in entry
        first = "" if asked_for or not places else f" (the first: {plain(places[0])})"
        if count or asked_for:
            why = REASONS[reason].format(**entry)
            yield f"{task}: {count} of {total} rows {why}: left out{first}"
    validation, test = (manifest["classes"][split] for split in ("validation", "test"))
    for word in test:
        if validation[word] + test[word] == 0:
            yield f"{task}: no query has the label word {plain(word)!r}: raise queries"
