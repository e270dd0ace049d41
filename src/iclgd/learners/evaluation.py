"""Evaluate queries without demonstrations on many fine-tuned models at once."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from iclgd.learners import batches
from iclgd.learners.gradient_descent import over_runs
from iclgd.learners.trainable import Trained
from iclgd.models import families, forward, partial_forward
from iclgd.tasks.readouts.next_token import Distributions, NextToken

HIDDEN_BYTES = 1 << 30


class Queries:
    """Token ids of the queries, and what enters the lowest trained block for them.

    That is computed once and kept, up to `HIDDEN_BYTES`; the longest of many queries run
    through the whole model instead, so that memory does not grow with their number.
    ``together`` as in `batches.batches`.
    """

    def __init__(
        self,
        model,
        trained: Trained,
        sequences: list[list[int]],
        device: str,
        together: bool = True,
    ):
        self.sequences, self.device, self.together = sequences, device, together
        self.lowest = partial_forward.lowest(model, trained.start)
        self.hidden: dict[int, Tensor] = {}
        if self.lowest == 0:
            return
        room = HIDDEN_BYTES
        for rows in batches.batches(model, [len(s) for s in sequences], together=together):
            tokens = forward.pad([sequences[i] for i in rows], device)
            hidden = partial_forward.entering(model, self.lowest, tokens)
            room -= hidden.numel() * hidden.element_size()
            if room < 0:
                return
            # Padding is never read, so each row is kept without it.
            self.hidden |= {i: h[: len(sequences[i])] for i, h in zip(rows, hidden, strict=True)}

    def inputs(self, rows: list[int]) -> tuple[Tensor, ...]:
        """Token ids [rows, T], last positions [rows, 1] and, if kept, hidden [rows, T, width]."""
        chosen = [self.sequences[i] for i in rows]
        tokens, last = families.CAUSAL.inputs(chosen, self.device)
        if not self.hidden.keys() >= set(rows):
            return tokens, last
        kept = [self.hidden[i] for i in rows]
        return tokens, last, torch.nn.utils.rnn.pad_sequence(kept, batch_first=True)


@torch.no_grad()
def answers(
    model, weights: dict[str, Tensor], queries: Queries, readout: NextToken
) -> Iterator[tuple[int, list[Distributions]]]:
    """Every run's distributions for all queries.

    ``weights`` are those that `gradient_descent.descend` yields. Yields the number of the first
    query of a block of `batches.QUERIES`, and each run's Distributions of that block.
    """
    runs = len(next(iter(weights.values()))) if weights else 1

    def logits_of(
        own: dict[str, Tensor], tokens: Tensor, last: Tensor, hidden: Tensor | None = None
    ) -> Tensor:
        with partial_forward.entered(model, queries.lowest, hidden):
            return forward.logits_at(model, tokens, last, own)[:, 0]

    for start in range(0, len(queries.sequences), batches.QUERIES):
        lengths = [len(s) for s in queries.sequences[start : start + batches.QUERIES]]

        def compute(rows: list[int], start: int = start) -> list[Distributions]:
            inputs = queries.inputs([start + row for row in rows])
            logits = over_runs(logits_of, weights, *inputs, stacked=False)
            return [readout.read(run) for run in logits]

        yield start, batches.in_batches(compute, model, lengths, runs, queries.together)
