"""How near constructed models are to GD on linear regression."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.findings import Row, interval, spread
from iclgd.reporting.names import Names

BRACKETS = "95 % intervals over prompts"
# For the report: its section, what the figure means, and what it does not.
SECTION = "weights"
MEANS = (
    "In the construction of von Oswald et al. attention is a step of GD, to rounding: the "
    "comparison can come out as equal."
)
MEANS_NOT = "It holds for linear attention on linear regression, not for language models."


def findings(summary: pl.DataFrame) -> list[Row]:
    """Each model at the training scale of the inputs."""
    measures = ["prediction_distance", "sensitivity_distance", "sensitivity_cosine"]
    measures += ["loss_model", "loss_gd"]
    found = [["model", "rate of GD", *(name.replace("_", " ") for name in measures)]]
    trained = summary.filter(pl.col("scale") == 1)
    for key, part in trained.group_by("model", "rate", maintain_order=True):
        value = {row["metric"]: row for row in part.iter_rows(named=True)}
        found.append([key[0], f"{key[1]:g}", *(interval(value[name], 3) for name in measures)])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """How far the predictions of the models are from those of GD."""
    rows = summary.filter(scale=1, metric="prediction_distance").drop_nulls("estimate")
    if rows.is_empty():
        return ""
    return f"At the training scale predictions are {spread(rows['estimate'].to_list())} from GD's"
