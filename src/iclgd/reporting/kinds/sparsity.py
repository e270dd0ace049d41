"""Share of small weights, against the share that the construction of GD needs."""

from __future__ import annotations

import polars as pl

from iclgd.reporting.claims.estimates import Evidence
from iclgd.reporting.findings import Row, short, spread, value
from iclgd.reporting.names import Names
from iclgd.study.names import base

BRACKETS = "the range of the layers"
# For the report: its section, what the figure means, and what it does not.
SECTION = "weights"
MEANS = (
    "The construction needs most entries of W_Q and W_V to be zero; trained weights can be "
    "held against that."
)
MEANS_NOT = (
    "In a rotated basis the construction is not sparse either: few small weights do not refute it."
)


def findings(summary: pl.DataFrame) -> list[Row]:
    """Share of weights below .001; W_K is left out, as it needs what W_Q needs."""
    rows = summary.filter(pl.col("measure") == "share", pl.col("threshold") == 1e-3)
    return [["model", "matrix", "share below 0.001", "needed by the construction"]] + [
        [
            row["model"],
            f"W_{row['matrix'].upper()}",
            value(pl.DataFrame([row]), 4),
            f"{row['required']:.4f}",
        ]
        for row in rows.sort("model", "matrix").iter_rows(named=True)
        if row["matrix"] != "k"
    ]


def headline(summary: pl.DataFrame, names: Names) -> str:
    """The largest share of small weights, and what the construction needs."""
    rows = summary.filter(pl.col("matrix").is_in(["q", "v"]), measure="share", threshold=1e-3)
    made = [one for one in rows["model"].unique() if names.roles.get(base(one)) == "construction"]
    rows = rows.filter(~pl.col("model").is_in(made)).drop_nulls(["estimate", "required"])
    if rows.is_empty():
        return ""
    most, needed = rows["estimate"].max(), spread(rows["required"].to_list())
    return f"At most {short(most)} of the weights are below 0.001; the construction needs {needed}"


def evidence(summary: pl.DataFrame) -> Evidence:
    """Pretrained models are the sample; a single one is none."""
    rows = summary.filter(pl.col("matrix").is_in(["q", "v"]), measure="missing")
    for row in rows.filter(pl.col("threshold") == 1e-2, pl.col("models") > 1).iter_rows(named=True):
        named = {"model": f"{row['models']} models", "learner": f"W_{row['matrix'].upper()}"}
        yield "sparse", {**row, **named, "draws": row["models"]}
