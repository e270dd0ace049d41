"""Rows of the metrics of models, as opposed to those of their answers to a task.

Their functions (`perplexity`, `drift`, `models.linear_attention`) need torch; the rows do not, so
that summaries can use them.
"""

from __future__ import annotations

import math

from iclgd.metrics.metric import ABOVE, COSINE, Metric, by_name

PERPLEXITY = by_name(Metric("perplexity", (1.0, math.inf), 0, "exp of that"))
DRIFT = by_name(Metric("mean_abs_change", ABOVE, 0, "mean absolute difference of an entry"))
# Of a construction and GD on linear regression (von Oswald et al. 2023, arXiv 2212.07677).
REGRESSION = by_name(
    Metric("prediction_distance", ABOVE, -1, "distance of the two predictions"),
    Metric("sensitivity_distance", ABOVE, -1, "distance of their derivatives by the query"),
    Metric("sensitivity_cosine", COSINE, 1, "cosine of these derivatives"),
    Metric("loss_model", ABOVE, 0, "half the squared error of the model"),
    Metric("loss_gd", ABOVE, 0, "half the squared error of GD"),
)
