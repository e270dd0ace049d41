"""What every quantity can be: the one table from which intervals know where they must end."""

from __future__ import annotations

import math

import numpy as np

Ends = tuple[float, float]

# Means of what is 0 or 1, of queries or of prompts: their intervals are those of proportions.
PROPORTIONS = {
    *(f"{name}{side}" for name in ("accuracy", "label_accuracy") for side in ("", "_a", "_b")),
    *("accuracy_2way", "accuracy_4way"),  # probes of pretrained models
    *("rec2ftp", "rec2ftp_chance"),
}
SHARE, COSINE, ABOVE = (0.0, 1.0), (-1.0, 1.0), (0.0, math.inf)
ANY = (-math.inf, math.inf)
ROUNDING = 1e-12
# The values of a metric, measure or source of a summary, by its name there.
RANGE: dict[str, Ends] = {
    **dict.fromkeys(PROPORTIONS, SHARE),
    **dict.fromkeys(("macro_f1", "macro_f1_a", "macro_f1_b"), SHARE),
    **dict.fromkeys(("token_overlap", "ocs", "ocs_paper", "rbo", "label_ocs"), SHARE),
    **dict.fromkeys(("tv", "label_tv", "similarity"), SHARE),
    **dict.fromkeys(("js", "label_js"), (0.0, math.log(2))),
    **dict.fromkeys(("kl_ab", "kl_ba"), ABOVE),
    # Order sensitivity, and what of an order explains the variance.
    **dict.fromkeys(("sen", "label_sen", "sen_a", "sen_b"), ABOVE),
    **dict.fromkeys(("pattern_cosine", "mantel_r"), COSINE),
    "mantel_p": SHARE,
    **dict.fromkeys(("last label", "last demonstration", "positions", "rest"), SHARE),
    # Inside attention: cosines and rank correlations.
    **dict.fromkeys(("sim_aou", "sim_aou_chance", "sim_aou_raw"), COSINE),
    **dict.fromkeys(("sim_am", "sim_am_before", "sim_am_delta"), COSINE),
    **dict.fromkeys(("kendall", "kendall_before", "kendall_random"), COSINE),
    # Verdicts: distances, and differences of two of them or of two accuracies.
    **dict.fromkeys(("distance", "reference", "untouched"), SHARE),
    **dict.fromkeys(("excess", "gain"), COSINE),
    # Weights and circuits, pretraining, regression.
    **dict.fromkeys(("share", "share_rms", "required", "hoyer", "gini"), SHARE),
    "stable_rank": (1.0, math.inf),
    "mean_abs_change": ABOVE,
    "perplexity": (1.0, math.inf),
    **dict.fromkeys(("prediction_distance", "sensitivity_distance"), ABOVE),
    "sensitivity_cosine": COSINE,
    **dict.fromkeys(("loss_model", "loss_gd"), ABOVE),
}


def of(name: str) -> Ends:
    """The least and the greatest value of a quantity; that of one with no range is any."""
    return RANGE.get(name, ANY)


def rounded(name: str, values: np.ndarray) -> np.ndarray:
    """Values [G] of a quantity; what rounding alone puts beyond an end (a cosine of 1 + 2e-16) is
    that end. What is farther beyond stays as it is: its range, or its metric, is wrong.
    """
    for end, beyond in zip(of(name), (np.less, np.greater), strict=True):
        values = np.where(beyond(values, end) & (abs(values - end) <= ROUNDING), end, values)
    return values


def difference(name: str, shift: float = 0.0) -> Ends:
    """The same of the difference of two such values, plus ``shift``."""
    low, high = of(name)
    return low - high + shift, high - low + shift
