"""Demonstrations to train on beside those of a run: the controls of what a gradient tells."""

from __future__ import annotations

import polars as pl

from iclgd.io.cli import InputError
from iclgd.io.schemas.keys import DEMONSTRATED
from iclgd.tasks import answer_tokens, prompts

Encoded = list[tuple[list[int], int]]  # token ids, and the position of the answer


def encoded(
    loaded, task: pl.DataFrame, run: prompts.Demonstrations, names: dict[str, str]
) -> dict[str, Encoded]:
    """Each of `DEMONSTRATED`, one by one with their answers; wrong: those of the next label.

    ``names``: task and design. Raises InputError where the task has too few other training rows,
    and for a demonstration that does not fit the context.
    """
    words = prompts.labels(task)
    rows = prompts.bound(task, run, words)
    shown = pl.concat([rows.filter(example=one) for one in run.examples])
    others = prompts.unshown(rows, run, len(shown))
    if len(others) < len(shown):
        raise InputError(
            f"task {names['task']}: as many other training rows are needed as demonstrations"
        )
    sets = ((shown, 0), (shown, 1), (others, 0))
    found = {}
    for name, (some, shift) in zip(DEMONSTRATED, sets, strict=True):
        texts = (some["instruction"] + some["text"]).to_list()
        answers = [words[(label + shift) % len(words)] for label in some["label"]]
        found[name] = answer_tokens.encode_answers(loaded.tokenizer, texts, answers)
        prompts.check_length([len(tokens) for tokens, _ in found[name]], loaded.context, **names)
    return found
