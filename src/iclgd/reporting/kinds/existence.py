"""Where the gap between ICL and GD arises: every learner by its distance from ICL, on one axis."""

from __future__ import annotations

import polars as pl

from iclgd.reporting import select
from iclgd.reporting.claims.estimates import Evidence
from iclgd.reporting.findings import MODEL, USUAL, Row, at, interval, spread
from iclgd.reporting.names import ZERO_SHOT, Names
from iclgd.statistics.existence import (
    ACCURACY,
    BEYOND,
    DISTANCE,
    GAINED,
    NEAREST,
    UNITS,
    UNTOUCHED,
)
from iclgd.study.roles import TRAINED

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "answers"
MEANS = (
    "What ICL itself taught, without labels, shows what weights can hold. Where that is near to "
    "ICL and gradient descent on the labels is not, weights are not what keeps it away."
)
MEANS_NOT = (
    "ICL teaches on many more texts than it was shown, and gradient descent has the demonstrations "
    "alone: the figure does not part objective from data. What no learner found may exist."
)
# What descends on the labels in the model's own weights.
DESCENDS = tuple(role for role in TRAINED if role != "gd-kernel")
READ = {NEAREST: "", ACCURACY: "best accuracy", UNTOUCHED: "before training"}


def lanes(summary: pl.DataFrame) -> pl.DataFrame:
    """The summary with the learner of each lane as ``who``: what is untouched is nobody's."""
    untouched = pl.col("reading") == UNTOUCHED
    return summary.with_columns(
        who=pl.when(untouched).then(pl.lit(ZERO_SHOT)).otherwise("family"),
        who_role=pl.when(untouched).then(pl.lit("zs")).otherwise("b_role"),
    )


def findings(summary: pl.DataFrame) -> list[Row]:
    """Every learner, from far to near."""
    columns = ["learner", "reading", "total variation", "in units of ICL's own", "beyond taught"]
    found = [[*MODEL, *columns]]
    keys = ("model", "task", "shots")
    for key, part in lanes(summary).group_by(keys, maintain_order=True):
        tv = part.filter(metric=DISTANCE.name).sort("estimate", "who", descending=[True, False])
        for row in tv.iter_rows(named=True):
            one = {"who": row["who"], "reading": row["reading"]}
            cells = [interval(row)]
            for metric in (UNITS, BEYOND):
                other = part.filter(metric=metric.name, **one)
                cells.append(interval(other.row(0, named=True)) if len(other) else "-")
            name = "" if row["who"] == ZERO_SHOT else at(row["b"], row["epoch"])
            who = name or "no demonstrations"
            found.append([*map(str, key), who, READ[row["reading"]], *cells])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """At which link the chain from ICL to GD breaks."""
    taught, descended, links = [], [], []
    nearest = summary.filter(reading=NEAREST)
    for _, part in select.runs(nearest):
        units = part.filter(metric=UNITS.name).drop_nulls("estimate")
        beyond = part.filter(metric=BEYOND.name).drop_nulls("estimate")
        ours = units.filter(b_role="taught").sort("estimate")
        trained = units.filter(pl.col("b_role").is_in(DESCENDS)).sort("estimate")
        if ours.is_empty() or trained.is_empty():
            continue
        gd = trained.row(0, named=True)
        taught.append(ours["estimate"][0])
        descended.append(gd["estimate"])
        links.append(_link(beyond.filter(family=gd["family"])))
    if not links:
        return ""
    said = (
        f"What ICL taught comes to {spread(taught)} times ICL's distance from itself, gradient"
        f" descent to {spread(descended)} times"
    )
    if len(set(links)) == 1:
        return f"{said}: {links[0]}"
    return f"{said}; in {links.count(NEARER)} of {len(links)} cases {NEARER}"


NEARER = "weights could be nearer than the labels lead"
NO_BETTER = "nothing was found that is nearer than GD"
OPEN = "these draws cannot tell which is nearer"


def _link(beyond: pl.DataFrame) -> str:
    """Whether what ICL taught is nearer than GD, by the interval of the difference."""
    low, high = (beyond[end][0] if len(beyond) else None for end in ("low", "high"))
    if low is None:
        return OPEN
    return NEARER if low > 0 else NO_BETTER if high < 0 else OPEN


def evidence(summary: pl.DataFrame) -> Evidence:
    """What each learner that ICL taught gained, and how far the nearest GD is beyond them all."""
    rows = summary.filter(reading=NEAREST, role="model").with_columns(learner="family")
    for row in rows.filter(metric=GAINED.name, b_role="taught").iter_rows(named=True):
        yield "held", row
    trained = rows.filter(pl.col("b_role").is_in(DESCENDS))
    for _, part in select.runs(trained):
        beyond = part.filter(metric=BEYOND.name).sort("estimate").drop_nulls("estimate")
        if len(beyond):
            yield "taught", beyond.row(0, named=True)
