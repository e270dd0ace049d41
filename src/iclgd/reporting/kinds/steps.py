"""How many steps of gradient descent, or of Newton's, the layers of a model are worth."""

from __future__ import annotations

import polars as pl

from iclgd.metrics.distances import PAST_NEWTON
from iclgd.reporting.claims.estimates import Evidence
from iclgd.reporting.findings import MODEL, USUAL, Row, interval, spread, value
from iclgd.reporting.names import Names, rate
from iclgd.statistics.steps import DISTANCE

BRACKETS = USUAL
EXACT = 1e-6  # total variation: a model that is these steps decides nothing
# For the report: its section, what the figure means, and what it does not.
SECTION = "weights"
MEANS = (
    "Where a model is as many steps as it has layers, its line falls to 0 there; another algorithm "
    "that comes nearer gives answers more like the model's."
)
MEANS_NOT = (
    "Two algorithms that both solve the regression agree with each other and with a model that "
    "solves it, whatever it does inside."
)


def findings(summary: pl.DataFrame) -> list[Row]:
    """The nearest number of steps of every learner."""
    head = ["learner", "steps", "rate", "total variation from ICL", "beyond Newton"]
    found = [[*MODEL, *head]]
    rows = _nearest(summary).sort("model", "task", "shots", "family")
    for row in rows.iter_rows(named=True):
        place = [row["model"], row["task"], str(row["shots"]), row["family"]]
        size = "-" if rate(row["b"]) is None else f"{rate(row['b']):g}"
        more = {key: row[key] for key in ("model", "task", "design", "shots", "family")}
        past = value(summary.filter(metric=PAST_NEWTON.name, **more))
        found.append([*place, str(row["epoch"]), size, interval(row), past])
    return found


def _nearest(summary: pl.DataFrame) -> pl.DataFrame:
    return summary.filter(pl.col("nearest"), metric=DISTANCE.name)


def headline(summary: pl.DataFrame, names: Names) -> str:
    """How near each learner comes, over all models, and after how many steps."""
    said = []
    nearest = _nearest(summary).drop_nulls("estimate")
    for name in names.families(nearest["family"].unique()):
        rows = nearest.filter(family=name)
        steps = spread([float(one) for one in rows["epoch"]])
        said.append(f"{names.label(name)} {spread(rows['estimate'])} ({steps} steps)")
    return f"The nearest that models come: {', '.join(said)}" if said else ""


def evidence(summary: pl.DataFrame) -> Evidence:
    """How much farther gradient descent is than Newton's method, but where a model is these steps,
    to `EXACT`, and in controls."""
    exact = _nearest(summary).filter(pl.col("estimate") < EXACT)["model"].unique()
    rows = summary.filter(~pl.col("model").is_in(exact.to_list()), metric=PAST_NEWTON.name)
    rows = rows.filter(pl.col("role") != "control")
    for row in rows.drop_nulls("estimate").with_columns(learner="family").iter_rows(named=True):
        yield "newton", row
