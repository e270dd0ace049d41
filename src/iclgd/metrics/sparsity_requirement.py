"""How sparse weights must be to be a GD step, and the rows of the metrics of `sparsity`.

Nothing here imports torch, so that summaries can use it.

Sources: O is von Oswald et al. 2023 (arXiv 2212.07677), S is Shen et al. 2024 (arXiv
2310.08540).
"""

from __future__ import annotations

import math

from iclgd.metrics.metric import COSINE, SHARE, Metric, by_name

SHARES = by_name(
    Metric("share", SHARE, 0, "share of entries below it"),
    Metric("share_rms", SHARE, 0, "the same after scaling the matrix to RMS 1"),
)
REQUIRED = Metric("required", SHARE, 0, "share that the construction of GD needs")
MISSING = Metric("missing", COSINE, 0, "required minus share, over pretrained models")
INVARIANTS = by_name(
    Metric(
        "stable_rank",
        (1.0, math.inf),
        0,
        "squared Frobenius norm over squared largest singular value, from 1",
    ),
    Metric("hoyer", SHARE, 0, "Hoyer's sparsity of the singular values, 0 to 1"),
    Metric("gini", SHARE, 0, "Gini's index of the singular values, 0 to 1"),
)


def required_share(matrix: str, d_x: float, d_y: float) -> float:
    """Share of exact zeros in O's construction of a GD step (O, Proposition 1).

    Tokens (x, y) have width d = d_x + d_y. W_Q = W_K = [[I, 0], [0, 0]] have d_x entries
    that are not zero, W_V = [[0, 0], [W_0, -I]] has d_y d_x + d_y (a dense W_0), of d^2.
    S takes d_x = d_y = the model's width, which is a matrix of twice that width: 99.9939 % and
    74.994 % at 4096. For a model see `at_width`.
    """
    filled = {"q": d_x, "k": d_x, "v": d_y * d_x + d_y}[matrix]
    return 1 - filled / (d_x + d_y) ** 2


def at_width(matrix: str, width: int) -> float:
    """The same for the matrices of a model: its tokens are (x, y), so d_x + d_y is its width.

    The widths of x and y in a language model are not known: half of it each, as in the
    construction here (`gd_transformer.D_X`, `gd_transformer.D_Y`).
    """
    return required_share(matrix, width / 2, width / 2)
