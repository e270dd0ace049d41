"""Solvers of a task that do no gradient descent, as learners to hold gradient descent against.

Where ICL solves a task, whatever solves it is near to ICL. That gradient descent is near says
something about gradient descent only if these are not as near. Each function has the name of its
row in `solvers.SOLVERS`, takes the demonstrations of one run and all queries, and returns the
probability of each label, [queries, classes].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from iclgd.learners.solvers import SOLVERS

FLOOR = 1e-12  # probability of what a solver rules out: a logarithm of 0 has no distance


@dataclass(frozen=True)
class Shown:
    """The demonstrations of one run, N from first to last, and what is asked, M queries.

    ``labels`` [N] and ``answers`` [M]: numbers of labels, of which there are ``classes``;
    ``features`` [N, width] and ``query_features`` [M, width]: what a model makes of each text
    alone, None for solvers that read no text.
    """

    labels: np.ndarray
    answers: np.ndarray
    classes: int
    features: np.ndarray | None = None
    query_features: np.ndarray | None = None

    @property
    def one_hot(self) -> np.ndarray:
        """The label of each demonstration, [N, classes]."""
        return np.eye(self.classes)[self.labels]


def oracle(shown: Shown, certainty: float) -> np.ndarray:
    """The right label with probability ``certainty``, else any: whatever ICL does beyond solving
    the task, this does not. Below 1 it may be near to an unsure ICL, too.
    """
    return certainty * np.eye(shown.classes)[shown.answers] + (1 - certainty) / shown.classes


def vote(shown: Shown, decay: float) -> np.ndarray:
    """The labels of the demonstrations, each worth ``decay`` times the one after it.

    It reads no text, so every query gets the same answer. With ``decay`` 1: how often each label
    was shown. Models prefer labels that came last (Zhao et al. 2021, arXiv 2102.09690).
    """
    weights = decay ** np.arange(len(shown.labels))[::-1]
    answer = weights @ shown.one_hot / weights.sum()
    return np.tile(answer, (len(shown.answers), 1))


def neighbours(shown: Shown, temperature: float) -> np.ndarray:
    """A vote of the demonstrations, weighted by how alike their texts are to the query.

    Weights are a softmax of the cosines of centred features over ``temperature``: the nearest
    neighbour alone as that goes to 0, all of them alike as it grows.
    """
    return _softmax(_cosines(shown, np.eye(len(shown.labels))) / temperature) @ shown.one_hot


def centroid(shown: Shown, temperature: float) -> np.ndarray:
    """The same of the mean features of each label that was shown; others have probability 0."""
    counts = shown.one_hot.sum(0)
    known = counts > 0
    means = (shown.one_hot / np.maximum(counts, 1)).T[known]
    found = np.zeros((len(shown.answers), shown.classes))
    found[:, known] = _softmax(_cosines(shown, means) / temperature)
    return found


def _cosines(shown: Shown, mixed: np.ndarray) -> np.ndarray:
    """Cosine of each query [M] with mixtures ``mixed`` [K, N] of the demonstrations: [M, K].

    Features are centred first: what all texts have in common says nothing about labels.
    """
    middle = np.concatenate([shown.features, shown.query_features]).mean(0)
    keys, queries = mixed @ (shown.features - middle), shown.query_features - middle
    norms = (np.linalg.norm(x, axis=1, keepdims=True) for x in (queries, keys))
    queries, keys = (x / np.maximum(n, FLOOR) for x, n in zip((queries, keys), norms, strict=True))
    return queries @ keys.T


def _softmax(scores: np.ndarray) -> np.ndarray:
    found = np.exp(scores - scores.max(1, keepdims=True))
    return found / found.sum(1, keepdims=True)


FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    one.__name__: one for one in (oracle, vote, neighbours, centroid)
}


def solve(entry: Mapping, shown: Shown) -> np.ndarray:
    """Natural logarithms of the probability of each label, [M, classes], `FLOOR` at least.

    ``entry``: ``solver`` and its settings.
    """
    row = SOLVERS[entry["solver"]]
    settings = {key: entry.get(key, default) for key, default in row.settings.items()}
    return np.log(np.maximum(FUNCTIONS[entry["solver"]](shown, **settings), FLOOR))
