"""Where the gap between ICL and GD arises: every learner by its distance from ICL, on one axis."""

from __future__ import annotations

import polars as pl

from iclgd.reporting import select
from iclgd.reporting.claims.estimates import Evidence, below
from iclgd.reporting.findings import MODEL, USUAL, Row, at, interval, spread
from iclgd.reporting.names import ZERO_SHOT, Names
from iclgd.reporting.select import RUN
from iclgd.statistics.existence import (
    ACCURACY,
    BEYOND,
    DISTANCE,
    EXCESS,
    NEAREST,
    PAST_GD,
    UNITS,
    UNTOUCHED,
    descends,
)
from iclgd.study.names import base
from iclgd.study.roles import TRAINED

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "answers"
MEANS = (
    "What ICL itself taught, without labels, shows what can be done without demonstrations. "
    "Trained on the same texts by their right labels, the same weights show what the objective "
    "does."
)
MEANS_NOT = (
    "ICL teaches on many more texts than it was shown, and gradient descent has the demonstrations "
    "alone. What no learner found may exist; vectors and patches are no weights for all tokens."
)
DESCENDS = tuple(filter(descends, TRAINED))
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
    columns = ["learner", "reading", "total variation", "in units of ICL's own"]
    columns += ["beyond taught", "beyond GD"]
    found = [[*MODEL, *columns]]
    keys = ("model", "task", "shots")
    for key, part in lanes(summary).group_by(keys, maintain_order=True):
        tv = part.filter(metric=DISTANCE.name).sort("estimate", "who", descending=[True, False])
        for row in tv.iter_rows(named=True):
            one = {"who": row["who"], "reading": row["reading"]}
            cells = [interval(row)]
            for metric in (UNITS, BEYOND, PAST_GD):
                other = part.filter(metric=metric.name, **one)
                cells.append(interval(other.row(0, named=True)) if len(other) else "-")
            name = "" if row["who"] == ZERO_SHOT else at(row["b"], row["epoch"])
            who = name or "no demonstrations"
            found.append([*map(str, key), who, READ[row["reading"]], *cells])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """How near what ICL taught comes, and gradient descent, each by its foremost learner."""
    taught, descended, links = [], [], []
    rows = _own(summary.filter(pl.col("foremost")), names)
    for _, part in select.runs(rows):
        units = part.filter(metric=UNITS.name).drop_nulls("estimate")
        ours = units.filter(b_role="taught")
        gd = units.filter(pl.col("b_role").is_in(DESCENDS))
        if not len(ours) or not len(gd):
            continue
        taught.append(ours["estimate"][0])
        descended.append(gd["estimate"][0])
        beyond = part.filter(metric=BEYOND.name, family=gd["family"][0])
        links.append(_link(beyond))
    if not links:
        return ""
    said = (
        f"What ICL taught on other texts comes to {spread(taught)} times ICL's distance from"
        f" itself, gradient descent on its demonstrations to {spread(descended)} times"
    )
    return f"{said}: {_together(links)}"


NEARER, FARTHER, OPEN = "surely nearer", "surely farther", "not told apart"


def _own(rows: pl.DataFrame, names: Names) -> pl.DataFrame:
    """Rows of models that are no controls."""
    models = [one for one in rows["model"].unique() if names.roles.get(base(one)) != "control"]
    return rows.filter(pl.col("model").is_in(models))


def _link(beyond: pl.DataFrame) -> str:
    """Whether what ICL taught is nearer than another learner, by the interval of the difference."""
    low, high = (beyond[end][0] if len(beyond) else None for end in ("low", "high"))
    if low is None or low <= 0 <= high:
        return OPEN
    return NEARER if low > 0 else FARTHER


def _together(links: list[str]) -> str:
    """What holds of all runs, or of how many each."""
    kinds = [one for one in (NEARER, FARTHER, OPEN) if one in links]
    counts = [f"{one} in {links.count(one)} of {len(links)}" for one in kinds]
    return kinds[0] if len(kinds) == 1 else ", ".join(counts)


# What lies between what ICL taught and gradient descent, by role.
LINKS = {
    "shuffled": "with teachers shuffled between texts it comes to",
    "labelled": "training on the right labels of the same texts to",
    "tangent": "the best first-order step on the demonstrations to",
}


def chain(summary: pl.DataFrame, names: Names) -> str:
    """How near each of `LINKS` comes, and whether what ICL taught is nearer; no controls.

    Where shuffled teachers are as near, ICL taught what it answers to any text; where right labels
    are, texts are what gradient descent lacks; where the best first-order step is far, the
    demonstrations' gradients lead elsewhere.
    """
    nearest = _own(summary.filter(reading=NEAREST), names).drop_nulls("estimate")
    said = []
    for role, words in LINKS.items():
        rows = nearest.filter(b_role=role)
        if len(units := rows.filter(metric=UNITS.name)["estimate"]):
            beyond = rows.filter(metric=BEYOND.name)
            links = [_link(one) for one in beyond.partition_by(*RUN, "b", maintain_order=True)]
            than = f" (what ICL taught: {_together(links)})" if links else ""
            said.append(f"{words} {spread(units)} times{than}")
    return "; ".join(said)


def evidence(summary: pl.DataFrame) -> Evidence:
    """How far beyond what ICL taught the same with shuffled teachers is, and gradient descent; how
    much more an imagined example moves ICL than another order does; how much nearer Adam comes
    than gradient descent."""
    nearest = summary.filter(reading=NEAREST, role="model").drop_nulls("estimate")
    nearest = nearest.with_columns(learner="family")
    for row in nearest.filter(metric=EXCESS.name, b_role="imagined").iter_rows(named=True):
        yield "martingale", row
    for row in nearest.filter(metric=PAST_GD.name, b_role="adam").iter_rows(named=True):
        yield "optimiser", below(0.0, row)
    rows = nearest.filter(metric=BEYOND.name)
    for row in rows.filter(b_role="shuffled").iter_rows(named=True):
        yield "held", row
    descends = pl.col("b_role").is_in(DESCENDS)
    for row in rows.filter(descends, pl.col("foremost")).iter_rows(named=True):
        yield "taught", row
