"""What is measured of learners whose demonstrations show more and more wrong labels, as rows."""

from __future__ import annotations

from iclgd.metrics import accuracy
from iclgd.metrics.metric import ANY, COSINE, SHARE, Metric, by_name

ACCURACY = accuracy.METRICS["accuracy"]
FOLLOWED = Metric(
    "followed",
    SHARE,
    0,
    "is the likeliest token the first one of the label that demonstrations of its class show?",
    "answered as shown (share of queries)",
    proportion=True,
)
# Of each draw and query, over the doses: its least-squares slope is no share.
SLOPE = Metric("accuracy_slope", ANY, 0, "slope of accuracy over the share of wrong labels")
LOST = Metric("accuracy_lost", ANY, 0, "minus `accuracy_slope`, over accuracy with right labels")
# Differences over the same draws and queries (`statistics.contrasts`).
CONTRASTS = by_name(
    Metric("slope_past_icl", ANY, 0, "`accuracy_slope` minus that of ICL"),
    Metric("accuracy_abstract", COSINE, 0, "accuracy with abstract label words minus with its own"),
)
METRICS = by_name(FOLLOWED, SLOPE, LOST)
