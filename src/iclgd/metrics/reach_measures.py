"""What is measured of first-order reach, as rows; `reach` computes it."""

from __future__ import annotations

import math

import polars as pl

from iclgd.io.cli import InputError
from iclgd.io.schemas.keys import OWN
from iclgd.metrics.metric import COSINE, Metric, by_name

# ICL's change is taken apart: which label (logits of the labels less their mean), and whether it is
# a label at all (log-odds of all labels together).
MAPPING, LABELS = "mapping", "labels"
PARTS = (MAPPING, LABELS)
WHOLE, REST = "all", "rest"  # all weights; those that are no projection of a block
MEASURES = by_name(
    Metric(
        "fitted",
        (-math.inf, 1.0),
        0,
        "the same share on the validation queries, on which the weights are fitted",
        "R² of the fit",
    ),
    Metric(
        "r2",
        (-math.inf, 1.0),
        0,
        "share reached of how ICL's change differs between queries, on test queries",
        "R²",
    ),
    Metric("cosine", COSINE, 0, "cosine of the GD step's change with ICL's", "cosine"),
)


def trained(rows: pl.DataFrame, draw: int, rank: int) -> dict:
    """The matrix of a layer that reaches the ``rank``-th most of which label ICL gives in a draw.

    As the key ``train`` of a learner. ``rows``: schema `REACH`. By ``fitted`` with the draw's own
    demonstrations, so that test queries have no part in it; of equals the lowest. Raises InputError
    where there are not so many matrices.
    """
    own = rows.filter(part=MAPPING, demonstrations=OWN, draw=draw).drop_nulls(["layer", "fitted"])
    order = [-pl.col("fitted").round(12), pl.col("layer"), pl.col("matrix")]
    found = own.sort(order).select("layer", "matrix").rows()
    if len(found) < rank:
        raise InputError(
            f"draw {draw}: reach is measured of {len(found)} matrices, the learner trains number "
            f"{rank}"
        )
    layer, matrix = found[rank - 1]
    return {"layers": [layer], "matrices": [matrix]}
