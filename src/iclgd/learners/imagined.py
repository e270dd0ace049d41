"""What a reader answers after one more example whose label it can but imagine.

For demonstrations D, an imagined input x' and a query x_q, over the label words y:

    sum_y p(y | x', D) p(. | x_q, D + (x', y)),  with p(y | x', D) normalised over the label words.

A Bayesian reader of exchangeable data expects to answer after one more example as it answers
now, so that this is p(. | x_q, D): predictions are a martingale, which Falck, Wang and Holmes
(2024, arXiv 2406.00793) test by sampling. Here it is a learner's answer, exactly, as labels are
enumerated; its total variation from the answer without x' is the martingale gap.

Two conditions. Inputs must be exogenous, i.e. tell nothing of how labels hang on inputs: else
x' itself is news, and only p(. | x_q, D, x') is kept (`languages.EXOGENOUS`). And all answers that
the reader holds possible must be label words: what others have of p(. | x', D) may account for as
much of the gap. A gap of 0 is necessary for a Bayesian reader and not enough: the vote of recent
labels has it too, though it depends on their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import NamedTuple

import polars as pl
import torch
from torch import Tensor

from iclgd.learners import batches, in_context
from iclgd.models import probes
from iclgd.models.prefix_cache import Prefix
from iclgd.tasks import prompts
from iclgd.tasks.prompts import Demonstrations
from iclgd.tasks.readouts.next_token import Distributions, NextToken


class Imagined(NamedTuple):
    """``run``: D; ``asked``: x', a table of one row; ``after``: D + (x', y) for every label word y,
    in the order of labels."""

    run: Demonstrations
    asked: pl.DataFrame
    after: list[Demonstrations]


def imagine(
    task: pl.DataFrame, runs: Iterable[Demonstrations]
) -> tuple[pl.DataFrame, list[Imagined]]:
    """What is imagined after each of ``runs``, and ``task`` with the rows that it needs.

    x' is a training row that the run does not show, the same in all orders of a draw; it is there
    once with every label, whatever its own is. Raises InputError where every row is shown.
    """
    words, number = prompts.labels(task), int(task["example"].max()) + 1
    tables, found, first = [task], [], {}  # first: the number of the first of a draw's rows
    for run in runs:
        one = prompts.unshown(task, run, 1)
        if run.draw not in first:
            first[run.draw] = number + len(first) * len(words)
            tables.append(_with_every_label(one, words, first[run.draw]))
        # A row with the label k is shown with the label that k has in this draw.
        labels = run.binding or tuple(range(len(words)))
        places = [first[run.draw] + labels.index(label) for label in range(len(words))]
        after = [replace(run, examples=(*run.examples, place)) for place in places]
        found.append(Imagined(run, one, after))
    return pl.concat(tables), found


def _with_every_label(row: pl.DataFrame, words: list[str], number: int) -> pl.DataFrame:
    """A table of ``row`` with each label, whose rows are the examples ``number`` and on."""
    labels = list(range(len(words)))
    changed = {"example": [number + label for label in labels], "label": labels, "answer": words}
    series = [pl.Series(name, values, row.schema[name]) for name, values in changed.items()]
    return pl.concat([row] * len(words)).with_columns(series)


def label_weights(logits: Tensor, targets: list[int]) -> Tensor:
    """log p(y | x', D) [labels] over the label words alone, of ``logits`` [vocabulary] at x'."""
    return logits[targets].double().log_softmax(-1)


def mixed(weights: Tensor, logits: Iterable[Tensor]) -> Tensor:
    """The logarithm, in float64, of the mixture of distributions with ``weights``, logarithms.

    ``logits``: [rows, vocabulary] for each of the weights, one after the other.
    """
    found = None
    for weight, one in zip(weights, logits, strict=True):
        term = one.double().log_softmax(-1) + weight
        found = term if found is None else torch.logaddexp(found, term)
    return found


def answers(
    loaded,
    task: pl.DataFrame,
    cases: list[Imagined],
    parts: list[pl.DataFrame],
    readout: NextToken,
    names: dict[str, str],
) -> Iterator[tuple[Demonstrations, pl.DataFrame, Distributions]]:
    """`in_context.answers` after what is imagined. ``task`` and ``cases``: those of `imagine`."""
    ways = probes.Ways(loaded, prefixes=True)

    def prompted(run: Demonstrations, rows: pl.DataFrame) -> list[list[int]]:
        sequences = readout.prompts(loaded.tokenizer, task, run, rows)
        prompts.check_length([len(s) for s in sequences], loaded.context, **names)
        return sequences

    for case in sorted(cases, key=lambda case: (case.run.draw, case.run.examples)):
        with torch.no_grad():
            logits, _ = in_context.behind(loaded, prompted(case.run, case.asked))
            weights = label_weights(logits([0])[0], readout.targets)
        for part in parts:
            worlds = [prompted(run, part) for run in case.after]
            together, prefix = ways.of([one for world in worlds for one in world])
            found = score(loaded, worlds, weights, readout, prefix, together)
            in_context.check_finite(found, loaded.name, names, case.run, part)
            yield case.run, part, found


@torch.no_grad()
def score(
    loaded,
    worlds: list[list[list[int]]],
    weights: Tensor,
    readout: NextToken,
    prefix: Prefix | None = None,
    together: bool = True,
) -> Distributions:
    """`in_context.score` of the mixture of ``worlds`` with ``weights``, logarithms.

    Each world has a sequence for every row, in the same order.
    """
    asked = [in_context.behind(loaded, world, prefix) for world in worlds]
    lengths = [max(own) for own in zip(*(lengths for _, lengths in asked), strict=True)]

    def compute(rows: list[int]) -> list[Distributions]:
        return [readout.read(mixed(weights, (logits(rows) for logits, _ in asked)))]

    return batches.in_batches(compute, loaded.model, lengths, together=together)[0]
