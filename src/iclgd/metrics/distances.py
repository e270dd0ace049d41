"""Distances between learners (0 for equal answers, at most 1) and quantities derived from them."""

from __future__ import annotations

import polars as pl

from iclgd.metrics.agreement import METRICS
from iclgd.metrics.metric import COSINE, SHARE, Metric, by_name


def distance(metric: Metric) -> pl.Expr:
    """The column of a metric from 0 to 1 as a distance, which falls with agreement."""
    assert metric.range == SHARE and metric.direction, (
        f"{metric.name} does not measure agreement from 0 to 1"
    )
    return pl.col(metric.name) if metric.direction < 0 else 1 - pl.col(metric.name)


# The first one decides verdicts.
DISTANCES = {name: distance(METRICS[name]) for name in ("tv", "token_overlap")}
ESTIMATED = by_name(
    Metric("distance", SHARE, -1, "distance of ICL from the learner"),
    Metric("reference", SHARE, 0, "distance of ICL from itself under another order"),
    Metric("untouched", SHARE, 0, "distance of ICL from the pretrained model (zero-shot)"),
    Metric("excess", COSINE, -1, "distance minus reference"),
)
SIMILARITY = Metric("similarity", SHARE, 1, "1 - total variation", "1 - total variation")
GAIN = Metric("gain", COSINE, 0, "accuracy of ICL minus that of the learner")
