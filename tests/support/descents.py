"""Gradient descent on a few demonstrations, followed epoch by epoch."""

from __future__ import annotations

import numpy as np
import torch

from iclgd.learners import gradient_descent, trainable, training_batch
from iclgd.learners.settings import Learner
from iclgd.models import forward


def demonstrations(count: int = 4, seed: int = 0) -> list[tuple[list[int], int]]:
    """Encoded demonstrations of 4 ... 9 tokens, of which one or two are the answer's."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, 9, count)
    rows = [[0, *rng.integers(5, 140, n).tolist()] for n in lengths]
    return [(row, len(row) - 1 - i % 2) for i, row in enumerate(rows)]


QUERIES = [row for row, _ in demonstrations(3, seed=9)]
RUNS = [demonstrations(), demonstrations(seed=1), demonstrations()[::-1]]


def logprobs(model, weights: dict[str, torch.Tensor]) -> torch.Tensor:
    """Every run's log-probabilities after the queries [runs, queries, vocabulary]."""
    last = torch.tensor([[len(row) - 1] for row in QUERIES])

    def last_logprobs(w, tokens, positions):
        return forward.logits_at(model, tokens, positions, w)[:, 0].log_softmax(-1)

    return gradient_descent.over_runs(
        last_logprobs, weights, forward.pad(QUERIES), last, stacked=False
    )


def followed(model, runs, learner: Learner) -> dict[int, tuple[torch.Tensor, torch.Tensor]]:
    """Descend on ``runs`` side by side: epoch to log-probabilities and losses."""
    model, chosen = trainable.choose(model, learner.train)
    batches = [training_batch.tensors(run, learner.loss) for run in runs]
    return {
        epoch: (logprobs(model, weights), losses)
        for epoch, weights, losses, *_ in gradient_descent.descend(model, chosen, batches, learner)
    }


def compare(found, twins, atol: float) -> None:
    """Check every run of ``found`` against its twin, and that training changed something."""
    for run, expected in enumerate(twins):
        assert list(found) == list(expected)
        for epoch, (rows, loss) in expected.items():
            torch.testing.assert_close(found[epoch][0][run], rows, rtol=0, atol=atol)
            torch.testing.assert_close(found[epoch][1][run], loss, rtol=0, atol=atol)
        last = max(found)
        assert (found[last][0][run] - found[0][0][run]).abs().max() > 1e3 * atol
