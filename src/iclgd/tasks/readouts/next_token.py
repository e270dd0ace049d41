"""The readout of tasks with one answer of one token: the distribution of the next token.

A readout defines the target tokens, the model's input, what is kept of its logits, and the columns
of the logits table. Learners use only the methods of `NextToken`, so another readout (spans,
numbers, several tokens) is another class with these methods. The metrics of this one are
`metrics.registry.METRICS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from torch import Tensor

from iclgd.tasks import answer_tokens, prompts


@dataclass(frozen=True)
class Distributions:
    """Next-token distributions of M prompts, natural logarithms over the whole vocabulary.

    ``label_logprobs`` [M, labels] in label order; ``top_ids`` and ``top_logprobs``
    [M, kept], most likely first, ties by token id; ``tail_mass`` [M], the probability of
    all other tokens; ``finite`` [M], false where the model gave NaN or infinite logits.
    """

    label_logprobs: np.ndarray
    top_ids: np.ndarray
    top_logprobs: np.ndarray
    tail_mass: np.ndarray
    finite: np.ndarray

    def rows(self, chosen: np.ndarray) -> Distributions:
        """The rows with the numbers ``chosen``, in that order."""
        return Distributions(*(getattr(self, field)[chosen] for field in FIELDS))


FIELDS = tuple(Distributions.__annotations__)


def concatenate(parts: Sequence[Distributions]) -> Distributions:
    """Join distributions of the same width, in order."""
    joined = (np.concatenate([getattr(p, field) for p in parts]) for field in FIELDS)
    return Distributions(*joined)


def likeliest(logprobs: Tensor, keep: int) -> tuple[Tensor, Tensor]:
    """The ``keep`` largest of each row [M, vocabulary] and their token ids; ties by token id.

    A stable sort of all would give the same and costs a large vocabulary ten times more. Here all
    that are as large as the last one kept are sorted alone.
    """
    keep = min(keep, logprobs.shape[-1])
    least = logprobs.topk(keep).values[:, -1:]
    tied = int((logprobs >= least).sum(-1).max())
    ids = logprobs.topk(tied).indices.sort().values
    top, order = logprobs.gather(-1, ids).sort(descending=True, stable=True)
    return top[:, :keep], ids.gather(-1, order)[:, :keep]


@dataclass(frozen=True)
class NextToken:
    """What is read after a prompt: the probability of each label, and of the likeliest tokens.

    ``targets``: token id of each label, in label order; ``keep``: how many of the likeliest
    tokens are kept.
    """

    targets: list[int]
    keep: int

    @classmethod
    def of_task(
        cls,
        tokenizer,
        task: pl.DataFrame,
        runs: Iterable[prompts.Demonstrations] = (),
        model=None,
        keep: int = 1,
    ) -> NextToken:
        """The readout of a task.

        Raises InputError where two answers share their first token or one has different first
        tokens in different prompts (`answer_tokens.label_ids`).
        """
        return cls(answer_tokens.label_ids(tokenizer, task, runs, model), keep)

    def prompts(
        self, tokenizer, task: pl.DataFrame, run: prompts.Demonstrations, queries: pl.DataFrame
    ) -> list[list[int]]:
        """Token ids of every query after the demonstrations, up to where the target follows."""
        return answer_tokens.encode_icl(tokenizer, task, run, queries, self.targets)

    def read(self, logits: Tensor) -> Distributions:
        """Reduce ``logits`` [M, vocabulary] to what the logits table keeps, in float64."""
        logprobs = logits.double().log_softmax(-1)
        finite = logprobs.isfinite().all(-1)
        top, ids = likeliest(logprobs.nan_to_num(nan=0.0), self.keep)
        tail = logprobs.nan_to_num(nan=0.0).scatter(-1, ids, -torch.inf).exp().sum(-1)
        return Distributions(
            logprobs[:, self.targets].float().cpu().numpy(),
            ids.int().cpu().numpy(),
            top.float().cpu().numpy(),
            tail.float().cpu().numpy(),
            finite.cpu().numpy(),
        )

    def rows(
        self,
        found: Distributions,
        keys: dict[str, str | int],
        queries: pl.DataFrame,
        loss: float | None = None,
        state: str | None = None,
        trained: int | None = None,
    ) -> pl.DataFrame:
        """Rows of the logits table for one draw, order and epoch: one for each query.

        ``keys`` are the columns that all of them share, as are ``loss``, ``state`` and ``trained``
        of a learner with epochs (`gradient_descent.Recorded`). Rows that are not finite get the
        status ``diverged`` and null distributions.
        """
        ok = pl.Series(found.finite)
        columns = {
            "label_logprobs": pl.Series(found.label_logprobs, dtype=pl.List(pl.Float32)),
            "top_ids": pl.Series(found.top_ids, dtype=pl.List(pl.Int32)),
            "top_logprobs": pl.Series(found.top_logprobs, dtype=pl.List(pl.Float32)),
            "tail_mass": pl.Series(found.tail_mass),
        }
        return queries.select("example", "split", "label").with_columns(
            *(pl.lit(value).alias(key) for key, value in keys.items()),
            pl.Series("answer_id", np.array(self.targets)[queries["label"].to_numpy()], pl.Int32),
            pl.lit(loss, pl.Float32).alias("loss"),
            pl.lit(state, pl.String).alias("state"),
            pl.lit(trained, pl.Int32).alias("trained"),
            pl.Series("status", np.where(found.finite, "ok", "diverged")),
            *(
                pl.when(ok).then(values.alias(name)).otherwise(None).alias(name)
                for name, values in columns.items()
            ),
        )
