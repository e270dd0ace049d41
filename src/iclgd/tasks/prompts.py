"""From rows of a task to token ids of whole prompts; nothing is truncated.

A prompt is one string: instruction + (text + answer + ending) of every demonstration +
text of the query. ``text`` ends with the answer prefix and ``answer`` begins with the white
space that follows it, so that the tokenizer sees exactly the text of the prompt.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import numpy as np
import polars as pl

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.text import plain


def labels(task: pl.DataFrame) -> list[str]:
    """The task's answers in the order of their labels 0, 1, ..."""
    table = task.select("label", "answer").unique().sort("label")
    if table["label"].to_list() != list(range(len(table))):
        raise InputError(f"labels must be 0, 1, ... with one answer each: {table.rows()}")
    return table["answer"].to_list()


# Special tokens that each tokenizer appends to a text, looked for and logged once.
_APPENDED: WeakKeyDictionary = WeakKeyDictionary()
AS_IT_IS = {"padding": False, "truncation": False, "verbose": False}


def encode(tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of every text, with the special tokens that the tokenizer puts in front.

    Those that it appends (EOS, SEP) are removed, since a prompt must end where its text
    ends. Nothing is cut or padded, whatever the tokenizer is set to.
    """
    return _tokenise(tokenizer, texts)["input_ids"]


def encode_with_offsets(
    tokenizer, texts: list[str]
) -> tuple[list[list[int]], list[list[tuple[int, int]]]]:
    """``encode``, and the characters of its text that each token stands for, ``(from, to)``."""
    if not tokenizer.is_fast:
        raise InputError("the tokenizer cannot tell where in a text its tokens stand")
    found = _tokenise(tokenizer, texts, return_offsets_mapping=True)
    return found["input_ids"], found["offset_mapping"]


def _tokenise(tokenizer, texts: list[str], **more) -> dict[str, list[list]]:
    if not texts:
        return {"input_ids": [], "offset_mapping": []}
    if tokenizer not in _APPENDED:
        _APPENDED[tokenizer] = _appended(tokenizer, max([*texts, "a"], key=len))
    appended = _APPENDED[tokenizer]
    found = tokenizer(texts, add_special_tokens=True, **AS_IT_IS, **more)
    if not appended:
        return found
    keys = [key for key in ("input_ids", "offset_mapping") if key in found]
    return {key: [values[: -len(appended)] for values in found[key]] for key in keys}


def _appended(tokenizer, probe: str) -> list[int]:
    """The special tokens that the tokenizer appends to a text such as ``probe``; logs them."""
    bare, full = (
        tokenizer(probe, add_special_tokens=special, **AS_IT_IS)["input_ids"]
        for special in (False, True)
    )
    starts = (i for i in range(len(full) - len(bare) + 1) if full[i : i + len(bare)] == bare)
    start = next(starts, None)
    if start is None or (full and not bare):
        raise InputError(f"the tokenizer does not say which tokens of {probe[:40]!r} are special")
    appended = full[start + len(bare) :]
    if appended:
        special = " ".join(tokenizer.convert_ids_to_tokens(appended))
        print(
            f"the tokenizer puts {plain(special)} at the end of every text: removed",
            file=sys.stderr,
        )
    return appended


def check_length(lengths: list[int], context: int | None, task: str, design: str) -> None:
    """Raise InputError if a prompt is longer than the context; nothing is truncated."""
    if context is not None and lengths and max(lengths) > context:
        raise InputError(
            f"task {task}, design {design}: a prompt has {max(lengths)} tokens, the model's "
            f"context holds {context}; use fewer shots or shorter texts"
        )


@dataclass(frozen=True)
class Demonstrations:
    """The demonstrations of one draw in one order: example numbers, first to last.

    ``binding``: the label that each label of the task has in this draw; empty: its own.
    """

    draw: int
    order: int
    examples: tuple[int, ...]
    binding: tuple[int, ...] = ()


def in_order(table: pl.DataFrame, orders: int | None = None) -> list[Demonstrations]:
    """Rows of a demonstrations table as sequences, at most the first ``orders`` of a draw."""
    if orders is not None:
        table = table.filter(pl.col("order") < orders)
    groups = table.sort("draw", "order", "position").group_by("draw", "order", maintain_order=True)
    return [
        Demonstrations(
            draw, order, tuple(rows["example"]), tuple(rows["binding"].head(1).to_list()[0] or ())
        )
        for (draw, order), rows in groups
    ]


def rows_of(
    task: pl.DataFrame, runs: Iterable[Demonstrations]
) -> dict[tuple[int, ...], dict[int, dict]]:
    """Rows of ``task`` by example number, as they are `bound` in each binding of the runs."""
    first, words = {run.binding: run for run in runs}, labels(task)
    return {
        binding: {row["example"]: row for row in bound(task, run, words).iter_rows(named=True)}
        for binding, run in first.items()
    }


def bound(rows: pl.DataFrame, run: Demonstrations, words: list[str]) -> pl.DataFrame:
    """Rows of a task with the labels and answers that they have in the draw of a run.

    ``words``: the `labels` of the whole task.
    """
    if not run.binding:
        return rows
    label, answer = dict(enumerate(run.binding)), dict(enumerate(words))
    rows = rows.with_columns(pl.col("label").replace_strict(label, return_dtype=pl.Int32))
    return rows.with_columns(answer=pl.col("label").replace_strict(answer, return_dtype=pl.String))


def shown(task: pl.DataFrame, examples: Iterable[int]) -> list[str]:
    """Demonstrations as they stand in a prompt, in the order of ``examples`` (rows of ``task``)."""
    examples = list(examples)
    needed = task.filter(pl.col("example").is_in(examples))
    row = {r["example"]: r for r in needed.iter_rows(named=True)}
    return [row[i]["text"] + row[i]["answer"] + row[i]["ending"] for i in examples]


def icl_prompts(
    task: pl.DataFrame, demonstrations: Demonstrations, query_rows: pl.DataFrame
) -> list[str]:
    """The prompt of every query (``query_rows`` of ``task``) after the demonstrations."""
    words = labels(task) if demonstrations.binding else []
    prefix = "".join(shown(bound(task, demonstrations, words), demonstrations.examples))
    return [r["instruction"] + prefix + r["text"] for r in query_rows.iter_rows(named=True)]


def queries(task: pl.DataFrame) -> pl.DataFrame:
    """The rows that are queries: every split but ``train``, by example number."""
    return task.filter(pl.col("split") != "train").sort("example")


def validation(queries: pl.DataFrame) -> pl.DataFrame:
    """Those of `queries` by which something may be chosen. Raises InputError if there are none."""
    found = queries.filter(pl.col("split") == "validation")
    if found.is_empty():
        raise InputError(f"task {queries['task'][0]} has no validation queries to choose by")
    return found


def unshown(task: pl.DataFrame, run: Demonstrations, count: int) -> pl.DataFrame:
    """At most ``count`` training rows that ``run`` does not show, drawn anew for every draw.

    Which they are depends on task and draw alone. Raises InputError if there are none.
    """
    others = task.filter(
        pl.col("split") == "train", ~pl.col("example").is_in(list(run.examples))
    ).sort("example")
    if others.is_empty():
        raise InputError(
            f"task {task['task'][0]}: every training row is a demonstration, and other texts are "
            "needed"
        )
    if len(others) < count:
        print(
            f"draw {run.draw}: {len(others)} training rows are left, not {count}", file=sys.stderr
        )
    rng = np.random.default_rng([zlib.crc32(task["task"][0].encode()), run.draw])
    return others[rng.permutation(len(others))[:count]]


def check_inputs(task: pl.DataFrame, demonstrations: pl.DataFrame) -> dict[str, str]:
    """The task's and the design's name; raises InputError if the tables do not belong together."""
    names = {"task": parquet.only(task, "task"), "design": parquet.only(demonstrations, "design")}
    if parquet.only(demonstrations, "task") != names["task"]:
        raise InputError(f"these demonstrations are not of task {names['task']}")
    known = set(task.filter(pl.col("split") == "train")["example"])
    if not known.issuperset(demonstrations["example"]):
        raise InputError(f"demonstrations that are not training rows of task {names['task']}")
    if queries(task).is_empty():
        raise InputError(f"task {names['task']} has no queries: every row is for training")
    return names


def encode_queries(tokenizer, queries: pl.DataFrame) -> list[list[int]]:
    """Token ids of every query alone: the instruction and its text."""
    return encode(tokenizer, (queries["instruction"] + queries["text"]).to_list())
