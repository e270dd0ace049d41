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


def by_reach(rows: pl.DataFrame) -> pl.DataFrame:
    """The matrices of layers, from the one that reaches most of ICL's mapping: ``layer, matrix``.

    ``rows`` (schema `REACH`): of one model, task and design. By the mean of ``fitted`` over draws
    with their own demonstrations, so that test queries have no part in it; of equals the lowest.
    """
    own = rows.filter(part=MAPPING, demonstrations=OWN).drop_nulls(["layer", "fitted"])
    means = own.group_by("layer", "matrix").agg(pl.col("fitted").mean().round(12))
    return means.sort(["fitted", "layer", "matrix"], descending=[True, False, False])


def trained(rows: pl.DataFrame, rank: int) -> dict:
    """What a learner trains that names the ``rank``-th of `by_reach`, as its key ``train``.

    Raises InputError where there are not so many.
    """
    found = by_reach(rows)
    if len(found) < rank:
        name = rows["model"][0] if len(rows) else "of no table"
        raise InputError(
            f"model {name}: its reach is measured of {len(found)} matrices, and a learner trains "
            f"number {rank}"
        )
    layer, matrix = found.select("layer", "matrix").row(rank - 1)
    return {"layers": [layer], "matrices": [matrix]}
