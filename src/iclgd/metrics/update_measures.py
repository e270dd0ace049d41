"""What is measured of two changes of the same matrix, as rows; `updates` computes it."""

from __future__ import annotations

from iclgd.metrics.metric import COSINE, SHARE, Metric, by_name

MEASURES = by_name(
    Metric(
        "update_cosine",
        COSINE,
        0,
        "cosine of the patch that imitates ICL with the update of gradient descent",
        "cosine with GD's update",
    ),
    Metric(
        "shared_inputs",
        SHARE,
        0,
        "share of the patch (squared Frobenius norm) on the inputs that the update moves most: its"
        " first right singular vectors, as many as there are demonstrations",
        "share on GD's inputs",
    ),
    Metric(
        "patch_spread",
        COSINE,
        0,
        "mean cosine of the changes of rank 1 that two texts still need there, whatever was trained"
        " on",
        "cosine between texts",
    ),
)
