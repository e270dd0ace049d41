"""From rows of a task to token ids, in place and never cut.

A prompt is one string: instruction + (text + answer + ending) of every demonstration +
text of the query. ``text`` ends with the answer prefix and ``answer`` begins with the white
space that follows it, so that the tokenizer sees just what a reader would write.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import polars as pl

from iclgd.io.cli import InputError
from iclgd.io.text import plain


def labels(task: pl.DataFrame) -> list[str]:
    """The task's answers in the order of their labels 0, 1, ..."""
    table = task.select("label", "answer").unique().sort("label")
    if table["label"].to_list() != list(range(len(table))):
        raise InputError(f"labels must be 0, 1, ... with one answer each: {table.rows()}")
    return table["answer"].to_list()


# Special tokens that each tokenizer puts behind a text, looked for and said once.
_BEHIND: WeakKeyDictionary = WeakKeyDictionary()
AS_IT_IS = {"padding": False, "truncation": False, "verbose": False}
REACH = 8  # tokens at the end of a prompt: those before them cannot change how it joins
PART = 1024  # queries whose joins are in memory at once


def encode(tokenizer, texts: list[str]) -> list[list[int]]:
    """Token ids of every text, with the special tokens that the tokenizer puts in front.

    Those that it puts behind (EOS, SEP) are removed, since a prompt must end where its text
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
    if tokenizer not in _BEHIND:
        _BEHIND[tokenizer] = _behind(tokenizer, max([*texts, "a"], key=len))
    behind = _BEHIND[tokenizer]
    found = tokenizer(texts, add_special_tokens=True, **AS_IT_IS, **more)
    if not behind:
        return found
    keys = [key for key in ("input_ids", "offset_mapping") if key in found]
    return {key: [values[: -len(behind)] for values in found[key]] for key in keys}


def _behind(tokenizer, probe: str) -> list[int]:
    """The special tokens that the tokenizer puts behind a text such as ``probe``; says so."""
    bare, full = (
        tokenizer(probe, add_special_tokens=special, **AS_IT_IS)["input_ids"]
        for special in (False, True)
    )
    starts = (i for i in range(len(full) - len(bare) + 1) if full[i : i + len(bare)] == bare)
    start = next(starts, None)
    if start is None or (full and not bare):
        raise InputError(f"the tokenizer does not say which tokens of {probe[:40]!r} are special")
    behind = full[start + len(bare) :]
    if behind:
        said = " ".join(tokenizer.convert_ids_to_tokens(behind))
        print(f"the tokenizer puts {plain(said)} behind every text: removed", file=sys.stderr)
    return behind


@dataclass(frozen=True)
class _Place:
    """Where an answer stands: behind a prompt, in front of what follows; the row, in words.

    ``label``: the token that it must begin with; None if any will do.
    """

    row: str
    prompt: str
    answer: str
    following: str = ""
    label: int | None = None


def _in_place(tokenizer, places: list[_Place]) -> list[tuple[list[int], int]]:
    """Ids of every place and the position of its answer's first token.

    Raises InputError naming the row where the tokenizer merges the prompt with the answer, or
    where the answer does not begin with its label's token.
    """
    prompts = list(dict.fromkeys(one.prompt for one in places))
    alone = dict(zip(prompts, encode(tokenizer, prompts), strict=True))
    joint = encode(tokenizer, [one.prompt + one.answer + one.following for one in places])
    for one, tokens in zip(places, joint, strict=True):
        _check_join(tokenizer, one, alone[one.prompt], tokens)
    return [(ids, len(alone[one.prompt])) for one, ids in zip(places, joint, strict=True)]


def _check_join(tokenizer, place: _Place, alone: list[int], joint: list[int]) -> None:
    start, label = len(alone), place.label
    if joint[:start] == alone and len(joint) > start > 0 and label in (None, joint[start]):
        return
    end, answer = place.prompt[-20:], place.answer

    def spelled(ids: list[int]) -> str:
        return repr(tokenizer.convert_ids_to_tokens(ids)[0]) if ids else "nothing"

    if not alone:
        raise InputError(
            f"{place.row}the prompt {end!r} has no tokens, so that nothing can be asked behind it: "
            "leave the row out, or begin with an instruction"
        )
    if joint[:start] != alone or len(joint) == start:
        at = next((i for i in range(start) if joint[i : i + 1] != alone[i : i + 1]), start)
        first = repr(answer) if label is None else spelled([label])
        meant = " and ".join([*(spelled([token]) for token in alone[at:][-3:]), first])
        raise InputError(
            f"{place.row}the tokenizer merges the answer {answer!r} with the end of the prompt "
            f"{end!r}: end the answer prefix differently ({spelled(joint[at : at + 1])} stands in "
            f"place of {meant})"
        )
    raise InputError(
        f"{place.row}the answer {answer!r} begins with {spelled(joint[start : start + 1])} behind "
        f"{end!r}, and with {spelled([label])} elsewhere: end the answer prefix differently, or "
        "begin what follows the answer differently"
    )


def encode_answers(
    tokenizer, prompts: list[str], answers: list[str]
) -> list[tuple[list[int], int]]:
    """Encode each prompt with its answer, in place.

    Returns for every pair the ids of both together and the position of the answer's first
    token. Raises InputError where the tokenizer merges the end of a prompt with its answer,
    since ICL, which sees the prompt alone, could then not be scored on the same tokens.
    """
    return _in_place(tokenizer, [_Place("", p, a) for p, a in zip(prompts, answers, strict=True)])


def label_ids(
    tokenizer, task: pl.DataFrame, runs: Iterable[Demonstrations] = (), model=None
) -> list[int]:
    """First token of every answer, in label order: the same in place behind every query.

    The answers of the demonstrations that ``runs`` show begin with it too, alone and with what
    follows them. Raises InputError that names the row where it is not so, label words that the
    tokenizer does not know, two with one first token, or a token that ``model`` has no
    embedding of. Other tokens that are unknown are counted in the log.
    """
    name, answers = task["task"][0], labels(task)
    asked = queries(task) if (task["split"] != "train").any() else task
    first = _in_place(tokenizer, _asked(asked[:1], answers, [None] * len(answers)))
    ids = _distinct(tokenizer, name, answers, [tokens[start:] for tokens, start in first])
    unknown, limit = _unknown(tokenizer), _embedded(model)
    lost = total = 0
    for part in (
        *(_asked(rows, answers, ids) for rows in asked.iter_slices(PART)),
        _shown(task, runs, asked["text"][0], ids),
    ):
        read: dict[str, list[int]] = {}
        for place, (tokens, start) in zip(part, _in_place(tokenizer, part), strict=True):
            if max(tokens) >= limit:
                raise InputError(
                    f"{place.row}the model has no embedding of the token "
                    f"{tokenizer.convert_ids_to_tokens(max(tokens))!r} in {place.prompt[-60:]!r}"
                )
            read[place.prompt] = tokens[:start]
        lost += sum(tokens.count(unknown) for tokens in read.values())
        total += sum(map(len, read.values()))
    if lost:
        print(
            f"task {name}: {lost} of {total} tokens of queries and demonstrations are unknown to "
            f"the tokenizer ({plain(tokenizer.convert_ids_to_tokens(unknown))})",
            file=sys.stderr,
        )
    return ids


def _asked(rows: pl.DataFrame, answers: list[str], ids: list[int | None]) -> list[_Place]:
    """Every answer behind every query of ``rows``, alone."""
    return [
        _Place(_row(row), row["instruction"] + row["text"], answer, label=label)
        for row in rows.iter_rows(named=True)
        for answer, label in zip(answers, ids, strict=True)
    ]


def _shown(
    task: pl.DataFrame, runs: Iterable[Demonstrations], query: str, ids: list[int]
) -> list[_Place]:
    """Every demonstration of ``runs`` alone, and in front of each that follows it anywhere."""
    pairs = dict.fromkeys(
        pair for run in runs for pair in itertools.pairwise([*run.examples, None])
    )
    examples = dict.fromkeys(example for example, _ in pairs)
    needed = task.filter(pl.col("example").is_in(list(examples)))
    row = {r["example"]: r for r in needed.iter_rows(named=True)}

    def place(example: int, following: str) -> _Place:
        one = row[example]
        prompt = one["instruction"] + one["text"]
        return _Place(_row(one), prompt, one["answer"], following, ids[one["label"]])

    def behind(example: int, following: int | None) -> str:
        return row[example]["ending"] + (query if following is None else row[following]["text"])

    return [
        *(place(example, "") for example in examples),
        *(place(example, behind(example, following)) for example, following in pairs),
    ]


def _row(row: dict) -> str:
    return f"task {row['task']}, example {row['example']}: "


def _distinct(tokenizer, task: str, answers: list[str], tokens: list[list[int]]) -> list[int]:
    """The first of each answer's tokens; InputError unless all are known, and the first differ."""
    unknown, ids = _unknown(tokenizer), []
    for answer, own in zip(answers, tokens, strict=True):
        if unknown in own:
            raise InputError(
                f"task {task}: the label word {answer!r} is unknown to the tokenizer (it has "
                f"{tokenizer.convert_ids_to_tokens(unknown)!r} for it); choose another word, or "
                "another model"
            )
        if own[0] in ids:
            raise InputError(
                f"task {task}: the label words {answers[ids.index(own[0])]!r} and "
                f"{answer!r} have one first token, {tokenizer.convert_ids_to_tokens(own[0])!r}: "
                "accuracy would confuse them; choose other label words"
            )
        ids.append(own[0])
    return ids


def _unknown(tokenizer) -> int | None:
    """The token that stands for what the tokenizer does not know, if it has one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    token = tokenizer.unk_token or getattr(getattr(backend, "model", None), "unk_token", None)
    # Byte-level tokenizers know everything, and name the end of a text for want of such a token.
    if token is None or token in (tokenizer.bos_token, tokenizer.eos_token):
        return None
    return tokenizer.convert_tokens_to_ids(token)


def _embedded(model) -> float:
    return math.inf if model is None else len(model.get_input_embeddings().weight)


def encode_icl(
    tokenizer, task: pl.DataFrame, run: Demonstrations, asked: pl.DataFrame, ids: list[int]
) -> list[list[int]]:
    """Token ids of the prompt of every query ``asked``, behind which each label has its id.

    How a prompt joins with an answer is decided at its end. So where the end is that of the
    query alone, which `label_ids` has seen to, it is not looked at again.
    """
    texts = icl_prompts(task, run, asked)
    sequences = encode(tokenizer, texts)
    alone = encode(tokenizer, (asked["instruction"] + asked["text"]).to_list())
    answers = list(zip(labels(task), ids, strict=True))
    doubtful = [
        _Place(f"{_row(row)}draw {run.draw}, order {run.order}: ", text, answer, label=label)
        for row, text, whole, own in zip(
            asked.iter_rows(named=True), texts, sequences, alone, strict=True
        )
        if whole[-_reach(own) :] != own[-_reach(own) :]
        for answer, label in answers
    ]
    _in_place(tokenizer, doubtful)
    return sequences


def _reach(own: list[int]) -> int:
    """How many of the last tokens of a query alone must end its prompt, too.

    Of a short query all but the first and BOS, which may differ behind demonstrations.
    """
    return min(REACH, max(2, len(own) - 2))


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
