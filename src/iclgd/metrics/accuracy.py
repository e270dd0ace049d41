"""Rows of the metrics of accuracy; their values are columns of the tables already."""

from __future__ import annotations

from iclgd.metrics.metric import COSINE, SHARE, Metric, by_name

METRICS = by_name(
    Metric(
        "accuracy",
        SHARE,
        0,
        "is the likeliest token of the whole vocabulary the answer's first one?",
        "accuracy (share of queries)",
        "accuracy",
        "the likeliest token of the whole vocabulary is the first token of the right answer",
        proportion=True,
    ),
    Metric(
        "label_accuracy",
        SHARE,
        0,
        "the same among the label words",
        "label accuracy (share of queries)",
        proportion=True,
    ),
    Metric("macro_f1", SHARE, 0, "mean F1 over the classes", "macro-F1 (0 to 1)"),
    # Probes of pretrained models, by the number of topics in play.
    *(
        Metric(f"accuracy_{classes}way", SHARE, 0, "accuracy on held-out prompts", proportion=True)
        for classes in (2, 4)
    ),
)
# Differences of accuracies over the same draws and queries (`statistics.contrasts`).
CONTRASTS = by_name(
    Metric("accuracy_more", COSINE, 0, "accuracy with most demonstrations minus with fewest"),
    Metric("accuracy_past_icl", COSINE, 0, "accuracy minus ICL's with fewest demonstrations"),
    Metric("accuracy_change", COSINE, 0, "accuracy minus that of the checkpoint before"),
)
