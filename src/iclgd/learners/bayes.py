"""The exact Bayesian reader of GINC as a learner: it reads prompts as documents of the language."""

from __future__ import annotations

import numpy as np
import polars as pl
import torch

from iclgd.tasks import ginc, prompts
from iclgd.tasks.readouts.next_token import Distributions, NextToken


def answer(
    tokenizer,
    task: pl.DataFrame,
    run: prompts.Demonstrations,
    queries: pl.DataFrame,
    readout: NextToken,
) -> Distributions:
    """The answers to all queries after one run's demonstrations; what is impossible gets
    `ginc.FLOOR`. Raises InputError for prompts that are not of the language."""
    sequences = readout.prompts(tokenizer, task, run, queries)
    symbols = ginc.symbols(sequences, task["task"][0])
    probabilities = ginc.predict(ginc.family(), symbols)
    return readout.read(torch.from_numpy(np.log(np.maximum(probabilities, ginc.FLOOR))))
