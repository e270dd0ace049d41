"""What is measured of first-order reach, as rows; `reach` computes it."""

from __future__ import annotations

import math

from iclgd.metrics.metric import COSINE, Metric, by_name

# ICL's change is taken apart: which label (logits of the labels less their mean), and whether it is
# a label at all (log-odds of all labels together).
MAPPING, LABELS = "mapping", "labels"
PARTS = (MAPPING, LABELS)
# The demonstrations whose gradients are used: the run's own, the same inputs with wrong labels, and
# other rows of the task with their right labels.
OWN, WRONG, OTHER = "own", "wrong labels", "other texts"
DEMONSTRATIONS = (OWN, WRONG, OTHER)
WHOLE, REST = "all", "rest"  # all weights; those that are no projection of a block
MEASURES = by_name(
    Metric(
        "r2",
        (-math.inf, 1.0),
        0,
        "share reached of how ICL's change differs between queries, on test queries",
        "R²",
    ),
    Metric("cosine", COSINE, 0, "cosine of the GD step's change with ICL's", "cosine"),
)
