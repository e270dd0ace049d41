"""Agreement of ICL with GD, between negative controls and the agreement of ICL with itself."""

from __future__ import annotations

import polars as pl

from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics import agreement
from iclgd.metrics.distances import SIMILARITY
from iclgd.metrics.metric import by_name
from iclgd.reporting.findings import MODEL, USUAL, Row, value
from iclgd.reporting.names import REFERENCES, Names
from iclgd.statistics import summaries

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "answers"
MEANS = (
    "A metric tells ICL and GD from what merely looks like them only where their agreement "
    "lies above every control."
)
MEANS_NOT = "A score near 1 only means as much agreement as ICL has with itself."
# 1 for equal distributions.
METRICS = by_name(
    *(agreement.METRICS[name] for name in ("token_overlap", "ocs", "rbo")), SIMILARITY
)
PLACE = [*RUN_COLUMNS, "metric"]
LANES = ("ceiling", "pair", "control")


def lanes(summary: pl.DataFrame, controls: dict[str, tuple[str, str]]) -> pl.DataFrame:
    """The lanes of a figure of controls, from a summary of agreement with roles.

    ``controls``: each derived model or task, with its original and its kind. ``kind`` is ``pair``
    (ICL and ``b`` at its chosen rate and epoch), ``ceiling`` (ICL and itself, reordered or
    redrawn) or ``control`` (a pair in the control ``control``; ``model`` and ``task`` are those of
    its original). ``floor`` is the best control's estimate, ``ceiling`` the lowest of the
    ceilings; ``normalised`` places the estimate between the two (`summaries.between`).
    """
    origin = {name: of for name, (of, _) in controls.items()}
    distance = pl.col("metric") == "tv"
    turned = summary.filter(distance).with_columns(
        pl.lit("similarity").alias("metric"),
        estimate=1 - pl.col("estimate"),
        low=1 - pl.col("high"),
        high=1 - pl.col("low"),
    )
    known = pl.Series(list(controls), dtype=pl.String)
    control = pl.coalesce(
        pl.when(pl.col(column).is_in(known.to_list())).then(column) for column in ("model", "task")
    )
    reference = pl.col("b_role").is_in(REFERENCES)
    found = (
        pl.concat([summary, turned])
        .filter(pl.col("metric").is_in(list(METRICS)), pl.col("chosen"))
        .with_columns(control.alias("control"), pl.col("model", "task").replace(origin))
        .with_columns(
            pl.when(pl.col("control").is_not_null())
            .then(pl.lit("control"))
            .when(reference)
            .then(pl.lit("ceiling"))
            .otherwise(pl.lit("pair"))
            .alias("kind")
        )
    )
    levels = found.group_by(PLACE, maintain_order=True).agg(
        pl.col("estimate").filter(pl.col("kind") == "control").max().alias("floor"),
        pl.col("estimate").filter(pl.col("kind") == "ceiling").min().alias("ceiling"),
    )
    found = found.join(levels, on=PLACE, how="left", maintain_order="left").with_columns(
        summaries.between(pl.col(name), pl.col("floor"), pl.col("ceiling")).alias(
            f"normalised{end}"
        )
        for name, end in (("estimate", ""), ("low", "_low"), ("high", "_high"))
    )
    return found.select(
        *RUN_COLUMNS,
        "kind",
        "control",
        "b",
        "epoch",
        "metric",
        *("estimate", "low", "high", "draws", "floor", "ceiling"),
        *("normalised", "normalised_low", "normalised_high"),
    ).sort(*RUN_COLUMNS, "kind", "control", "b", "epoch", "metric")


def findings(summary: pl.DataFrame) -> list[Row]:
    """Each pair with its floor, its ceiling and its place between them."""
    found = [[*MODEL, "metric", "learner", "agreement", "best control", "ICL with itself", "place"]]
    rows = summary.filter(pl.col("kind") == "pair").sort("model", "task", "shots", "metric", "b")
    for row in rows.iter_rows(named=True):
        place = [str(row[key]) for key in ("model", "task", "shots", "metric", "b")]
        levels = (row["floor"], row["ceiling"])
        known = ["-" if level is None else f"{level:.2f}" for level in levels]
        normalised = "cannot tell" if row["normalised"] is None else f"{row['normalised']:.2f}"
        found.append([*place, value(pl.DataFrame([row])), *known, normalised])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """By which metric ICL and GD agree more than they do in every negative control."""
    pairs = summary.filter(kind="pair").drop_nulls(["estimate", "floor"])
    found: dict[str, list[bool]] = {}
    for metric, estimate, floor in pairs.select("metric", "estimate", "floor").rows():
        found.setdefault(metric, []).append(estimate > floor)
    if not found:
        return ""
    if not any(map(any, found.values())):
        return f"By none of {len(found)} metrics do ICL and GD agree more than negative controls do"
    told = ", ".join(
        f"{METRICS[metric].title} in {sum(more)} of {len(more)}" for metric, more in found.items()
    )
    return f"ICL and GD agree more than in every negative control by {told}"
