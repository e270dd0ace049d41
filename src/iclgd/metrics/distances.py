"""Distances between learners (0 for equal answers, at most 1) and quantities derived from them."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from iclgd.metrics.agreement import METRICS
from iclgd.metrics.metric import ABOVE, ANY, COSINE, SHARE, Metric, by_name


class Distance(NamedTuple):
    """A distance as columns of the agreement table: the least and the most that it can be.

    They differ where not the whole vocabulary is kept.
    """

    least: pl.Expr
    most: pl.Expr


def distance(name: str, most: str | None = None) -> Distance:
    """The column of a metric from 0 to 1 as a distance, which falls with agreement."""
    found = []
    for metric in (METRICS[name], METRICS[most or name]):
        assert metric.range == SHARE and metric.direction, f"{metric.name} is no share of agreement"
        column = pl.col(metric.name)
        found.append(column if metric.direction < 0 else 1 - column)
    return Distance(*found)


# The first one decides verdicts.
DISTANCES = {
    "tv": distance("tv", "tv_most"),
    "token_overlap": distance("token_overlap"),
    "label_tv": distance("label_tv"),  # without what falls on tokens that are no labels
}
ESTIMATED = by_name(
    Metric("distance", SHARE, -1, "distance of ICL from the learner"),
    Metric("reference", SHARE, 0, "distance of ICL from itself under another order"),
    Metric("untouched", SHARE, 0, "distance of ICL from the pretrained model (zero-shot)"),
    Metric("solver", SHARE, 0, "distance of ICL from the nearest solver that is not GD"),
    Metric("rounding", SHARE, 0, "distance of the learner from its replicate"),
    Metric("excess", COSINE, -1, "distance minus reference"),
    Metric("excess_most", COSINE, -1, "upper bound of the excess"),
    Metric("excess_settled", COSINE, -1, "excess if runs that had not ended went on to ICL itself"),
    Metric("nearer", COSINE, 1, "solver minus distance"),
    Metric("nearer_most", COSINE, 1, "upper bound of solver minus distance"),
)
SIMILARITY = Metric("similarity", SHARE, 1, "1 - total variation", "1 - total variation")
GAIN = Metric("gain", COSINE, 0, "accuracy of ICL minus that of the learner")
SLOPE = Metric("tv_slope", ANY, -1, "slope of total variation over the dose, one a draw")
# Of figures of kind `existence`.
UNITS = Metric("units", ABOVE, -1, "distance over ICL's from itself under another order")
BEYOND = Metric("beyond", COSINE, 0, "distance minus that of the nearest that ICL taught")
PAST_GD = Metric("past_gd", COSINE, 0, "distance minus that of the nearest GD of the whole model")
# Of figures of kind `steps`.
PAST_NEWTON = Metric(
    "past_newton", COSINE, 0, "distance of the nearest GD minus that of the nearest Newton"
)
