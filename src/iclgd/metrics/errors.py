"""Rows of the metrics of errors: whether a learner errs where another does, and alike.

An answer is the likeliest label; where it is not the right one it is an error. ``a`` is ICL and
``b`` the learner, in the terms of agreement tables.
"""

from __future__ import annotations

from iclgd.metrics.metric import COSINE, SHARE, Metric, by_name

METRICS = by_name(
    Metric("error_a", SHARE, 0, "does ICL err?", proportion=True),
    Metric("error_b", SHARE, 0, "does the learner err?", proportion=True),
    Metric("error_with", SHARE, 1, "does it err, where ICL errs?", proportion=True),
    Metric("error_without", SHARE, -1, "does it err, where ICL is right?", proportion=True),
    Metric("error_gap", COSINE, 1, "`error_with` minus `error_without`"),
    Metric("same_wrong", SHARE, 1, "the same wrong label, where both err", proportion=True),
    Metric("same_chance", SHARE, 0, "the same of a wrong label in another draw, right label alike"),
    Metric("same_gap", COSINE, 1, "`same_wrong` minus `same_chance`"),
)
# Those of ICL reordered, taken from the learner's, over the same draws and queries.
CONTRASTS = by_name(
    Metric("error_gap_excess", (-2.0, 2.0), 1, "`error_gap` minus that of ICL reordered"),
    Metric("same_gap_excess", (-2.0, 2.0), 1, "`same_gap` minus that of ICL reordered"),
)
