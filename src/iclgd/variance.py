"""What of an order makes the difference: the variance over all N! orders, split into parts."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
from scipy.special import logsumexp

from iclgd import comparison
from iclgd.cli import InputError

SOURCES = ("last label", "last demonstration", "positions", "rest")
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
    base, size, _ = np.linalg.svd(np.concatenate(columns, axis=1).astype(float), full_matrices=False)
    return float((((base[:, size > 1e-9 * size[0]]).T @ outcomes) ** 2).sum())


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
    return dict(zip(SOURCES, np.diff(explained) / total, strict=True))


def shares_of(
    rows: pl.DataFrame, demonstrations: pl.DataFrame, task: pl.DataFrame
) -> dict[str, float | None]:
    """``shares`` of the answer's log-odds for the logits of one learner, draw and epoch.

    All are None if a row diverged. Raises InputError if the orders are not all N!.
    """
    draw = rows["draw"][0]
    shown = (
        demonstrations.filter(pl.col("draw") == draw, pl.col("order").is_in(rows["order"].unique().implode()))
        .join(task.select("example", pl.col("label").alias("shown")), on="example", how="left")
        .sort("order", "position")
    )
    count = shown["order"].n_unique()
    if count < rows["order"].n_unique():
        raise InputError(f"draw {draw} of the logits has orders that the demonstrations lack")
    orders, labels = (shown[name].to_numpy().reshape(count, -1) for name in ("example", "shown"))
    check(orders, f"learner {rows['learner'][0]}, draw {draw}")
    if not (rows["status"] == "ok").all():
        return dict.fromkeys(SOURCES)
    rows = rows.sort("order", "example")
    odds = log_odds(comparison.matrix(rows["label_logprobs"]), rows["label"].to_numpy())
    return shares(odds.reshape(count, -1), orders, labels)
