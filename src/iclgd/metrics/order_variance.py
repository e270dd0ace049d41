"""Why the order matters: the variance over all N! orders, split by source."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from scipy.special import logsumexp

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.metrics.metric import SHARE, Metric, by_name

# Shares of the variance, by source.
SOURCES = by_name(
    Metric("last label", SHARE, 0, "the label of the last demonstration"),
    Metric("last demonstration", SHARE, 0, "which demonstration is last, beyond its label"),
    Metric("positions", SHARE, 0, "the position of every demonstration, beyond the last"),
    Metric("rest", SHARE, 0, "interactions"),
)
FLOOR = 1e-5  # nats; float32 log-probabilities vary by rounding up to about 1e-6


def log_odds(labels: np.ndarray, answer: np.ndarray) -> np.ndarray:
    """Log-odds (nats) of the answer against the other labels, [M].

    ``labels``: natural log-probabilities [M, labels]; ``answer``: label numbers [M].
    """
    mine = np.arange(labels.shape[1]) == answer[:, None]
    others = np.where(mine, -np.inf, labels.astype(float))
    return labels[mine].astype(float) - logsumexp(others, axis=1)


def check(orders: np.ndarray, name: str) -> None:
    """Raise InputError unless ``orders`` [O, N] (demonstrations by position) are all N!."""
    there, all_of_them = len(np.unique(orders, axis=0)), math.factorial(orders.shape[1])
    same = (np.sort(orders, axis=1) == np.sort(orders[0])).all()
    if not (same and there == len(orders) == all_of_them):
        raise InputError(
            f"{name}: {there} different orders of {orders.shape[1]} demonstrations, the split of "
            f"the variance needs all {all_of_them}"
        )


def _explained(outcomes: np.ndarray, *factors: np.ndarray) -> float:
    """Sum of squares of the least-squares fit of centred ``outcomes`` [O, Q] to the factors.

    A factor [O] has one free mean for each of its values.
    """
    columns = [factor[:, None] == np.unique(factor) for factor in factors]
    design = np.concatenate(columns, axis=1).astype(float)
    basis, size, _ = np.linalg.svd(design, full_matrices=False)
    basis = basis[:, size > 1e-9 * size[0]]  # the factors' columns depend on each other
    return float(((basis.T @ outcomes) ** 2).sum())


def shares(outcomes: np.ndarray, orders: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
    """Shares of the variance over orders, by source; they sum to 1.

    ``outcomes`` [O, Q], one column for a query; ``orders`` [O, N], the demonstration at each
    position; ``labels`` [O, N], their labels. Nested least-squares models, each share being
    what its model explains beyond the one before: the label of the last demonstration;
    which demonstration is last; one effect for each demonstration at each position,
    added up; and the rest (interactions). Sums of squares are pooled over queries. All
    shares are None where the outcomes vary by less than 1e-5 (rounding noise).
    """
    centred = outcomes - outcomes.mean(0)
    total = float((centred**2).sum())
    if total < FLOOR**2 * centred.size:
        return dict.fromkeys(SOURCES)
    explained = [
        0.0,
        _explained(centred, labels[:, -1]),
        _explained(centred, orders[:, -1]),
        _explained(centred, *orders.T),
        total,
    ]
    parts = np.diff(explained).clip(0)  # -1e-17 of a source that explains nothing is 0
    return dict(zip(SOURCES, parts / total, strict=True))


def shares_of(
    rows: pl.DataFrame, demonstrations: pl.DataFrame, tasks: pl.DataFrame
) -> dict[str, float | None]:
    """``shares`` of the answer's log-odds for the logits of one run, learner, draw and epoch.

    ``demonstrations`` and ``tasks`` may hold those of other designs and tasks too. All
    shares are None if a row diverged. Raises InputError if the orders are not all N!, or
    the demonstrations are not there.
    """
    keys = ["task", "design", "draw", "order"]
    labels = tasks.select("task", "example", pl.col("label").alias("shown"))
    shown = (
        demonstrations.join(rows.select(keys).unique(), on=keys, how="semi")
        .join(labels, on=["task", "example"])
        .sort("order", "position")
    )
    task, design, learner, draw = rows.select("task", "design", "learner", "draw").row(0)
    name = f"task {task}, design {design}, learner {learner}, draw {draw}"
    count = rows["order"].n_unique()
    if len(shown) != count * rows["shots"][0]:
        raise InputError(f"{name}: the demonstrations, or their rows of the task, are missing")
    orders, labels = (
        shown[column].to_numpy().reshape(count, -1) for column in ("example", "shown")
    )
    check(orders, name)
    if not (rows["status"] == "ok").all():
        return dict.fromkeys(SOURCES)
    rows = rows.sort("order", "example")
    odds = log_odds(parquet.matrix(rows["label_logprobs"]), rows["label"].to_numpy())
    return shares(odds.reshape(count, -1), orders, labels)
