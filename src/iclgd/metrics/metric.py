"""A metric as one row: its meaning, its range and direction, and its titles in figures and tables.

Every table of metrics is made of such rows, which stand beside the functions that compute them.
Nothing here imports torch, so that summaries and figures may read them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Ends = tuple[float, float]

SHARE, COSINE, ABOVE = (0.0, 1.0), (-1.0, 1.0), (0.0, math.inf)
ANY = (-math.inf, math.inf)
NATS = (0.0, math.log(2))  # of a Jensen-Shannon divergence
ROUNDING = 1e-12


@dataclass(frozen=True)
class Metric:
    """One metric.

    ``range``: its least and its greatest value; no interval goes beyond them. ``direction``: 1
    if it rises as two learners become more alike, -1 if it falls, 0 if it does not measure that.
    ``proportion``: whether it is 0 or 1 for each query or prompt, so that its mean is a share.
    ``title``: of an axis; ``meaning``: in the data dictionary; ``label`` and ``formula``
    (Markdown): in the table of the methods. ``value``: of a metric of agreement, its values [M] of
    a pair of learners (`agreement.Pair`).
    """

    name: str
    range: Ends
    direction: int
    meaning: str = ""
    title: str = ""
    label: str = ""
    formula: str = ""
    proportion: bool = False
    value: Callable[..., np.ndarray] | None = None

    def difference(self, shift: float = 0.0) -> Ends:
        """The least and the greatest difference of two values, plus ``shift``."""
        low, high = self.range
        return low - high + shift, high - low + shift

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """``values`` [G], with those beyond an end by rounding alone (a cosine of 1 + 2e-16) at it.

        What is farther beyond stays as it is: the range, or the metric, is wrong.
        """
        for end, beyond in zip(self.range, (np.less, np.greater), strict=True):
            values = np.where(beyond(values, end) & (abs(values - end) <= ROUNDING), end, values)
        return values

    @property
    def ends(self) -> str:
        """The range in words."""
        low, high = (f"{end:g}".replace("-", "−") for end in self.range)
        if self.range == NATS:
            return "0 to ln 2, nats"
        if self.proportion:
            return f"{low} or {high}"
        return f"{low} and above" if self.range[1] == math.inf else f"{low} to {high}"


def by_name(*rows: Metric) -> dict[str, Metric]:
    """Rows by their names, in their order. Raises ValueError if two have one name."""
    found = {row.name: row for row in rows}
    if len(found) < len(rows):
        raise ValueError(f"two metrics have one name: {', '.join(row.name for row in rows)}")
    return found
