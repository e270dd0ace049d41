"""From rows of a task to token ids, in place and never cut.

A prompt is one string: instruction + (text + answer + ending) of every demonstration +
text of the query. ``text`` ends with the answer prefix and ``answer`` begins with the white
space that follows it, so that the tokenizer sees just what a reader would write.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from iclgd.cli import InputError


def labels(task: pl.DataFrame) -> list[str]:
    """The task's answers in the order of their labels 0, 1, ..."""
    table = task.select("label", "answer").unique().sort("label")
    if table["label"].to_list() != list(range(len(table))):
        raise InputError(f"labels must be 0, 1, ... with one answer each: {table.rows()}")
    return table["answer"].to_list()


def encode(tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of every text, with the special tokens that the tokenizer really adds."""
    return tokenizer(texts, add_special_tokens=True, verbose=False)["input_ids"]


def encode_answers(
    tokenizer, prompts: list[str], answers: list[str]
) -> list[tuple[list[int], int]]:
    """Encode each prompt with its answer, in place.

    Returns for every pair the ids of both together and the position of the answer's first
    token. Raises InputError where the tokenizer merges the end of a prompt with its answer,
    since ICL, which sees the prompt alone, could then not be scored on the same tokens.
    """
    alone = encode(tokenizer, prompts)
    joint = encode(tokenizer, [p + a for p, a in zip(prompts, answers, strict=True)])
    for prompt, answer, a, j in zip(prompts, answers, alone, joint, strict=True):
        if j[: len(a)] != a or len(j) == len(a):
            raise InputError(
                f"the tokenizer merges the answer {answer!r} with the end of the prompt "
                f"{prompt[-20:]!r}: end the answer prefix differently"
            )
    return [(j, len(a)) for a, j in zip(alone, joint, strict=True)]


def label_ids(tokenizer, task: pl.DataFrame) -> list[int]:
    """First token of every answer, tokenised in place behind a query, in label order.

    Raises InputError that names the answers if two of them share their first token.
    """
    query = task["instruction"][0] + task["text"][0]
    answers = labels(task)
    ids = [
        tokens[start]
        for tokens, start in encode_answers(tokenizer, [query] * len(answers), answers)
    ]
    for i, first in enumerate(ids):
        if first in ids[:i]:
            raise InputError(
                f"task {task['task'][0]}: the label words {answers[ids.index(first)]!r} and "
                f"{answers[i]!r} have one first token, {tokenizer.convert_ids_to_tokens(first)!r}: "
                "accuracy would confuse them; choose other label words"
            )
    return ids


def check_length(lengths: list[int], context: int | None, task: str, design: str) -> None:
    """Raise InputError if a prompt is longer than the context; nothing is cut silently."""
    if context is not None and lengths and max(lengths) > context:
        raise InputError(
            f"task {task}, design {design}: a prompt has {max(lengths)} tokens, the model's "
            f"context holds {context}; use fewer shots or shorter texts"
        )


@dataclass(frozen=True)
class Demonstrations:
    """The demonstrations of one draw in one order: example numbers, first to last."""

    draw: int
    order: int
    examples: tuple[int, ...]


def in_order(table: pl.DataFrame, orders: int | None = None) -> list[Demonstrations]:
    """Rows of a demonstrations table as sequences, at most the first ``orders`` of a draw."""
    if orders is not None:
        table = table.filter(pl.col("order") < orders)
    groups = table.sort("draw", "order", "position").group_by("draw", "order", maintain_order=True)
    return [Demonstrations(draw, order, tuple(rows["example"])) for (draw, order), rows in groups]


def shown(task: pl.DataFrame, examples: Iterable[int]) -> list[str]:
    """Demonstrations as they stand in a prompt, in the order of ``examples`` (rows of ``task``)."""
    examples = list(examples)
    needed = task.filter(pl.col("example").is_in(examples))
    row = {r["example"]: r for r in needed.iter_rows(named=True)}
    return [row[i]["text"] + row[i]["answer"] + row[i]["ending"] for i in examples]


def icl_prompts(
    task: pl.DataFrame, demonstrations: Demonstrations, asked: pl.DataFrame
) -> list[str]:
    """The prompt of every query ``asked`` (rows of ``task``) behind the demonstrations."""
    prefix = "".join(shown(task, demonstrations.examples))
    return [r["instruction"] + prefix + r["text"] for r in asked.iter_rows(named=True)]


def queries(task: pl.DataFrame) -> pl.DataFrame:
    """The rows that are asked: every split but ``train``, by example number."""
    return task.filter(pl.col("split") != "train").sort("example")
