"""The exact Bayesian readers as learners: they read prompts as documents of their language."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import torch
from torch import Tensor

from iclgd.io.cli import InputError
from iclgd.learners.imagined import Imagined, label_weights, mixed
from iclgd.tasks import bindings, ginc, prompts
from iclgd.tasks.readouts.next_token import Distributions, NextToken

# p(next token | prompt) [prompts, vocabulary] of prompts as token ids and the name of a task, by
# the kind of the task (`languages`).
Reader = Callable[[list[list[int]], str], np.ndarray]
READERS: dict[str, Reader] = {
    "ginc": ginc.read,
    "topics": bindings.read,
    "pairs": bindings.read,
}


def answer(
    read: Reader,
    tokenizer,
    task: pl.DataFrame,
    run: prompts.Demonstrations,
    queries: pl.DataFrame,
    readout: NextToken,
) -> Distributions:
    """The answers to all queries after one run's demonstrations; what is impossible gets
    `ginc.FLOOR`. Raises InputError for prompts that are not of the language."""
    return _read(readout, _logprobs(read, tokenizer, task, run, queries, readout))


def imagined_answer(
    read: Reader,
    tokenizer,
    task: pl.DataFrame,
    case: Imagined,
    queries: pl.DataFrame,
    readout: NextToken,
) -> Distributions:
    """The same after an imagined example. ``task`` and ``case``: of `imagined.imagine`. A label
    that is impossible is not imagined. Raises InputError where all of them are."""
    before = _logprobs(read, tokenizer, task, case.run, case.asked, readout)
    if (before[0, readout.targets] == -torch.inf).all():
        raise InputError(
            f"task {task['task'][0]}: no label word is possible for the imagined example of draw "
            f"{case.run.draw}"
        )
    weights = label_weights(before[0], readout.targets)
    possible = [label for label, weight in enumerate(weights) if weight > -torch.inf]
    worlds = (
        _logprobs(read, tokenizer, task, case.after[label], queries, readout) for label in possible
    )
    return _read(readout, mixed(weights[possible], worlds))


def _logprobs(
    read: Reader,
    tokenizer,
    task: pl.DataFrame,
    run: prompts.Demonstrations,
    queries: pl.DataFrame,
    readout: NextToken,
) -> Tensor:
    sequences = readout.prompts(tokenizer, task, run, queries)
    with np.errstate(divide="ignore"):
        return torch.from_numpy(np.log(read(sequences, task["task"][0])))


def _read(readout: NextToken, logprobs: Tensor) -> Distributions:
    return readout.read(logprobs.clamp(min=np.log(ginc.FLOOR)))
