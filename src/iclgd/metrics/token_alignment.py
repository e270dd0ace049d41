"""Find the tokens of a demonstration or query inside a whole prompt."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from iclgd.io.cli import InputError
from iclgd.tasks import prompts


@dataclass(frozen=True)
class Place:
    """Positions of the same tokens ``alone`` and ``inside`` a prompt, in step."""

    alone: range
    inside: range


@dataclass(frozen=True)
class Prompt:
    """Token ids of one ICL prompt, with the places of its query and of each demonstration."""

    tokens: list[int]
    query: Place
    shown: list[Place]


def place(alone: list[int], inside: list[int], part: range) -> Place:
    """Positions of the longest end of ``alone`` with the same ids in ``part`` of ``inside``.

    Where a text begins its tokens may differ (after BOS, or after a line break): those
    are left out, as are special tokens and an instruction that the prompt has elsewhere.
    """
    count = 0
    while count < min(len(alone), len(part)) and alone[-count - 1] == inside[part[-count - 1]]:
        count += 1
    return Place(range(len(alone) - count, len(alone)), part[len(part) - count :])


def align(
    tokenizer,
    task: pl.DataFrame,
    run: prompts.Demonstrations,
    demonstrations: list[list[int]],
    query_rows: pl.DataFrame,
    queries: list[list[int]],
) -> list[Prompt]:
    """The prompts of every query of ``query_rows``, as ``prompts.icl_prompts`` writes them.

    ``demonstrations`` and ``queries``: token ids of each alone, in order. Raises InputError
    that names a demonstration or query none of whose tokens is found in the prompt.
    """
    row = prompts.rows_of(task, [run])[run.binding]
    texts = prompts.icl_prompts(task, run, query_rows)
    sequences, spans = prompts.encode_with_offsets(tokenizer, texts)
    found = []
    for number, (example, text) in enumerate(zip(query_rows["example"], texts, strict=True)):
        tokens, offsets = sequences[number], spans[number]
        at = len(row[example]["instruction"])
        places = []
        shown = [(row[i]["text"] + row[i]["answer"], row[i]["ending"]) for i in run.examples]
        names = [*run.examples, example]
        alone = [*demonstrations, queries[number]]
        for name, own, (piece, ending) in zip(
            names, alone, [*shown, (row[example]["text"], "")], strict=True
        ):
            end = at + len(piece)
            inside = [i for i, (a, b) in enumerate(offsets) if at <= a < b <= end]
            part = range(inside[0], inside[-1] + 1) if inside else range(0)
            places.append(place(own, tokens, part))
            if not places[-1].inside:
                raise InputError(
                    f"task {row[name]['task']}: the tokens of example {name} alone are not those "
                    f"in the prompt of query {example}"
                )
            at = end + len(ending)
        assert at == len(text)
        found.append(Prompt(tokens, places[-1], places[:-1]))
    return found
