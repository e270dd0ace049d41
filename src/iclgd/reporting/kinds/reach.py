"""What any small step along the demonstrations' gradients could reach of ICL's change."""

from __future__ import annotations

import polars as pl

from iclgd.io.schemas.keys import DEMONSTRATED, OTHER, OWN, WRONG
from iclgd.metrics.reach_measures import LABELS, MAPPING, WHOLE
from iclgd.reporting.findings import MODEL, Row, spread, value
from iclgd.reporting.names import Names

BRACKETS = "95 % intervals over draws"
# For the report: its section, what the figure means, and what it does not.
SECTION = "weights"
MEANS = (
    "Where the demonstrations' own gradients reach little, no small step along them, however it "
    "weights them, answers as ICL does; where wrong labels reach as much, it is not the mapping."
)
MEANS_NOT = (
    "It is of small steps of GD: what many or large ones do, the curves show, and Adam's are no "
    "such sums."
)
PARTS = {MAPPING: "which label", LABELS: "a label at all"}


def place(row: dict) -> str:
    """A group of weights in words: ``W_V, layer 3``."""
    if row["layer"] is None:
        return "all weights" if row["matrix"] == WHOLE else "embeddings, norms, biases"
    matrix = "MLP" if row["matrix"] == "mlp" else f"W_{row['matrix'].upper()}"
    return f"{matrix}, layer {row['layer']}"


def best(summary: pl.DataFrame, part: str, count: int = 2) -> list[dict]:
    """The matrices of layers that reach most of a part on validation queries."""
    rows = summary.filter(metric="fitted", part=part, demonstrations=OWN).drop_nulls("layer")
    rows = rows.drop_nulls("estimate").with_columns(pl.col("estimate").round(12))
    order = ["estimate", "layer", "matrix"]
    return rows.sort(order, descending=[True, False, False]).head(count).to_dicts()


def findings(summary: pl.DataFrame) -> list[Row]:
    """All weights, then the two groups that reach most of which label it is."""
    found = [[*MODEL, "part", "weights", *DEMONSTRATED, "cosine of the step"]]
    keys = ("model", "task", "shots")
    for key, rows in summary.group_by(keys, maintain_order=True):
        for part, said in PARTS.items():
            whole = [{"layer": None, "matrix": WHOLE}]
            for group in [*whole, *best(rows, part)]:
                layer = group["layer"]
                here = pl.col("layer").is_null() if layer is None else pl.col("layer") == layer
                mine = rows.filter(here, matrix=group["matrix"], part=part)
                cells = [
                    value(mine.filter(metric="r2", demonstrations=one)) for one in DEMONSTRATED
                ]
                cosine = value(mine.filter(metric="cosine", demonstrations=OWN))
                found.append([*map(str, key), said, place(group), *cells, cosine])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """What all weights together reach of the mapping, beside both nulls."""
    rows = summary.filter(metric="r2", part=MAPPING, matrix=WHOLE).drop_nulls("estimate")
    if rows.is_empty():
        return ""
    own, wrong, other = (
        spread(rows.filter(demonstrations=one)["estimate"]) for one in (OWN, WRONG, OTHER)
    )
    return (
        f"Small steps reach {own} (R²) of which label ICL gives; with wrong labels {wrong}, with"
        f" other texts {other}"
    )
