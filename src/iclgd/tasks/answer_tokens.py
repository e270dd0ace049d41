"""The tokens of answers in place: after their prompt, and before what follows.

The first token of an answer depends on how the tokenizer joins it with its prompt. An answer is
scored or trained on only if its tokens are separate from the prompt's and the same everywhere.
"""

from __future__ import annotations

import itertools
import math
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl

from iclgd.io.cli import InputError
from iclgd.io.text import plain
from iclgd.tasks import prompts

REACH = 8  # tokens at the end of a prompt: those before them cannot change how it joins
PART = 1024  # queries whose joins are in memory at once


@dataclass(frozen=True)
class _Place:
    """Where an answer stands: after a prompt, before what follows; the row, in words.

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
    texts = list(dict.fromkeys(one.prompt for one in places))
    alone = dict(zip(texts, prompts.encode(tokenizer, texts), strict=True))
    joint = prompts.encode(tokenizer, [one.prompt + one.answer + one.following for one in places])
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
            f"{place.row}the prompt {end!r} has no tokens, so that nothing can be predicted after "
            "it: leave the row out, or begin with an instruction"
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
        f"{place.row}the answer {answer!r} begins with {spelled(joint[start : start + 1])} after "
        f"{end!r}, and with {spelled([label])} elsewhere: end the answer prefix differently, or "
        "begin what follows the answer differently"
    )


def encode_answers(tokenizer, texts: list[str], answers: list[str]) -> list[tuple[list[int], int]]:
    """Encode each prompt (of ``texts``) with its answer, in place.

    Returns for every pair the ids of both together and the position of the answer's first
    token. Raises InputError where the tokenizer merges the end of a prompt with its answer,
    since ICL, which sees the prompt alone, could then not be scored on the same tokens.
    """
    return _in_place(tokenizer, [_Place("", p, a) for p, a in zip(texts, answers, strict=True)])


def label_ids(
    tokenizer, task: pl.DataFrame, runs: Iterable[prompts.Demonstrations] = (), model=None
) -> list[int]:
    """First token of every answer, in label order: the same in place after every query.

    The answers of the demonstrations that ``runs`` show begin with it too, alone and with what
    follows them. Raises InputError that names the row where it is not so, label words that the
    tokenizer does not know, two that begin with the same token, or a token that ``model`` has no
    embedding of. Other tokens that are unknown are counted in the log.
    """
    name, answers = task["task"][0], prompts.labels(task)
    query_rows = prompts.queries(task) if (task["split"] != "train").any() else task
    first = _in_place(tokenizer, _query_places(query_rows[:1], answers, [None] * len(answers)))
    ids = _distinct(tokenizer, name, answers, [tokens[start:] for tokens, start in first])
    unknown, limit = _unknown(tokenizer), _embedded(model)
    lost = total = 0
    for part in (
        *(_query_places(rows, answers, ids) for rows in query_rows.iter_slices(PART)),
        _shown(task, runs, query_rows["text"][0], ids),
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


def _query_places(rows: pl.DataFrame, answers: list[str], ids: list[int | None]) -> list[_Place]:
    """Every answer after every query of ``rows``, without demonstrations."""
    return [
        _Place(_row(row), row["instruction"] + row["text"], answer, label=label)
        for row in rows.iter_rows(named=True)
        for answer, label in zip(answers, ids, strict=True)
    ]


def _shown(
    task: pl.DataFrame, runs: Iterable[prompts.Demonstrations], query: str, ids: list[int]
) -> list[_Place]:
    """Every demonstration of ``runs`` alone, and before each that follows it anywhere."""
    runs = list(runs)
    rows = prompts.rows_of(task, runs)
    alone, followed = {}, {}
    for run in runs:
        row = rows[run.binding]
        for example, following in itertools.pairwise([*run.examples, None]):
            one = row[example]
            given = _row(one), one["instruction"] + one["text"], one["answer"]
            after = one["ending"] + (query if following is None else row[following]["text"])
            alone[_Place(*given, "", ids[one["label"]])] = None
            followed[_Place(*given, after, ids[one["label"]])] = None
    return [*alone, *followed]


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
                f"{answer!r} begin with the same token, "
                f"{tokenizer.convert_ids_to_tokens(own[0])!r}: accuracy would confuse "
                "them; choose other label words"
            )
        ids.append(own[0])
    return ids


def _unknown(tokenizer) -> int | None:
    """The token that stands for what the tokenizer does not know, if it has one."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    token = tokenizer.unk_token or getattr(getattr(backend, "model", None), "unk_token", None)
    # Byte-level tokenizers know every text, and give the end-of-text token as the unknown one.
    if token is None or token in (tokenizer.bos_token, tokenizer.eos_token):
        return None
    return tokenizer.convert_tokens_to_ids(token)


def _embedded(model) -> float:
    return math.inf if model is None else len(model.get_input_embeddings().weight)


def encode_icl(
    tokenizer,
    task: pl.DataFrame,
    run: prompts.Demonstrations,
    query_rows: pl.DataFrame,
    ids: list[int],
) -> list[list[int]]:
    """Token ids of every query's prompt, after which each label has its id.

    How a prompt joins with an answer is decided at its end. So where the end is that of the
    query alone, which `label_ids` has checked, it is not checked again.
    """
    texts = prompts.icl_prompts(task, run, query_rows)
    sequences = prompts.encode(tokenizer, texts)
    alone = prompts.encode_queries(tokenizer, query_rows)
    answers = list(zip(prompts.labels(task), ids, strict=True))
    doubtful = [
        _Place(f"{_row(row)}draw {run.draw}, order {run.order}: ", text, answer, label=label)
        for row, text, whole, own in zip(
            query_rows.iter_rows(named=True), texts, sequences, alone, strict=True
        )
        if whole[-_reach(own) :] != own[-_reach(own) :]
        for answer, label in answers
    ]
    _in_place(tokenizer, doubtful)
    return sequences


def _reach(own: list[int]) -> int:
    """How many of the last tokens of a query alone must end its prompt, too.

    Of a short query all but the first and BOS, which may differ after demonstrations.
    """
    return min(REACH, max(2, len(own) - 2))


def encode_demonstrations(
    tokenizer, task: pl.DataFrame, runs: list[prompts.Demonstrations]
) -> list[list[tuple[list[int], int]]]:
    """`encode_answers` of the examples that each run shows, each tokenised alone."""
    rows = prompts.rows_of(task, runs)
    used = list(dict.fromkeys((run.binding, example) for run in runs for example in run.examples))
    shown = [rows[binding][example] for binding, example in used]
    texts = [row["instruction"] + row["text"] for row in shown]
    encoded = encode_answers(tokenizer, texts, [row["answer"] for row in shown])
    found = dict(zip(used, encoded, strict=True))
    return [[found[run.binding, example] for example in run.examples] for run in runs]
