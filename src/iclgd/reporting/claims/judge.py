"""Claims of papers (claims.yaml), judged by the summaries of a study.

Every claim states that a quantity is above 0. The kinds of figures find the quantity
(``evidence``); whether it is surely above 0 is tested here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import yaml

from iclgd.io.figures import Figure
from iclgd.metrics import ranges
from iclgd.reporting.claims.estimates import WHERE
from iclgd.reporting.kinds.registry import KINDS
from iclgd.reporting.names import Names
from iclgd.statistics import crossed
from iclgd.statistics.crossed import ALPHA
from iclgd.statistics.families import family

SCHEMA = pl.Schema(
    {
        **dict.fromkeys(("paper", "place", "claim", "quantity", "figure"), pl.String),
        **{"model": pl.String, "task": pl.String, "shots": pl.Int32, "learner": pl.String},
        **dict.fromkeys(("estimate", "low", "high"), pl.Float64),
        "reference": pl.String,
        **dict.fromkeys(("p", "p_holm"), pl.Float64),
        **{"draws": pl.Int32, "queries": pl.Int32, "mde": pl.Float64},
        **{"underpowered": pl.Boolean, "verdict": pl.String, "overall": pl.String},
    }
)
VERDICTS = ("holds", "fails", "negligible", "cannot tell")
MIXED = "mixed"  # a claim that holds in one place and fails in another
TESTS = "equivalence"  # the kind of figures whose verdicts are tests themselves
SMALLEST = 0.05  # of a share or a cosine: 5 points of 100


@dataclass(frozen=True)
class Claim:
    """An entry of claims.yaml, whose head says what its keys mean."""

    paper: str
    place: str
    kind: str
    claim: str
    quantity: str
    reference: str | None = None
    effect: float | None = None
    smallest: float = SMALLEST
    within: ranges.Ends = ranges.COSINE


def read(path: Path) -> dict[str, Claim]:
    """The claims of a file like claims.yaml, by name."""
    entries = yaml.safe_load(path.read_text())
    for entry in entries.values():
        within = entry.get("within")
        if isinstance(within, dict):
            entry["within"] = ranges.difference(within["difference of"], within.get("plus", 0.0))
    return {name: Claim(**entry) for name, entry in entries.items()}


def judged(figures: list[tuple[Figure, pl.DataFrame]], claims: dict[str, Claim]) -> pl.DataFrame:
    """The table of claims (`SCHEMA`) from figures and their summaries.

    One row is one cell of a claim: a model, task, number of demonstrations and learner. There
    the claim is *negligible* if its quantity is surely nearer to 0 than its smallest effect of
    interest; else it *holds* or *fails* if the quantity differs surely from 0 (two-sided test at
    5 %, Holm over all cells of the claim), or by the verdict of a test of equivalence; else one
    *cannot tell*. ``low`` to ``high`` is the interval of the quantity at the level at which it is
    tested (`crossed.holm_levels`): it leaves 0 out if and only if the test decides.
    ``overall``: the verdict on the claim (`overall`). Raises ValueError where anything is decided
    without a test.
    """
    found: dict[str, list[tuple[str, dict]]] = {name: [] for name in claims}
    for figure, summary in figures:
        if evidence := getattr(KINDS[figure.kind], "evidence", None):
            for name, estimate in evidence(_with_roles(summary, figure)):
                found[name].append((figure.name, estimate))
    rows = [row for name, some in found.items() if some for row in _rows(claims[name], some)]
    table = pl.DataFrame(rows, schema={**SCHEMA, "smallest": pl.Float64}, orient="row")
    small = pl.max_horizontal(pl.col("low").abs(), pl.col("high").abs()) < pl.col("smallest")
    small &= pl.col("low").is_not_null() & pl.col("high").is_not_null()
    sure, above = pl.col("p_holm") < ALPHA, pl.col("estimate") > 0
    by_test = (
        pl.when(small)
        .then(pl.lit("negligible"))
        .when(sure & above)
        .then(pl.lit("holds"))
        .when(sure)
        .then(pl.lit("fails"))
        .otherwise(pl.lit("cannot tell"))
    )
    table = table.with_columns(verdict=pl.coalesce("verdict", by_test))
    table = table.with_columns(overall=overall().over("claim"))
    tested(table, claims)
    order = {claim.claim: i for i, claim in enumerate(claims.values())}
    table = table.sort(
        pl.col("claim").replace_strict(order, return_dtype=pl.Int32),
        "figure",
        *WHERE,
        maintain_order=True,
    )
    return table.select(SCHEMA.keys())


def tested(table: pl.DataFrame, claims: dict[str, Claim]) -> None:
    """Raises ValueError where a claim is decided by neither a p-value nor tests of equivalence."""
    by_verdict = [one.claim for one in claims.values() if one.kind == TESTS]
    decided = table.filter(pl.col("verdict") != "cannot tell", ~pl.col("claim").is_in(by_verdict))
    if untested := decided.filter(pl.col("p").is_null())["claim"].to_list():
        raise ValueError(f"decided without a test: {untested[0]}")


def overall() -> pl.Expr:
    """The verdict on a claim over its cells: what most of them say, if no other decides otherwise.

    ``mixed``: it holds in some and fails in others. ``cannot tell``: in most of them one cannot.
    """
    counts = {name: (pl.col("verdict") == name).sum() for name in VERDICTS}
    clear = [pl.when(2 * counts[name] > pl.len()).then(pl.lit(name)) for name in VERDICTS[:-1]]
    both = pl.when((counts["holds"] > 0) & (counts["fails"] > 0)).then(pl.lit(MIXED))
    return pl.coalesce(both, *clear, pl.lit("cannot tell"))


def _with_roles(summary: pl.DataFrame, figure: Figure) -> pl.DataFrame:
    """The summary with what evidence asks about its names.

    ``learner_role`` and the like (`Names.with_roles`); ``role``: of the model, or the task:
    ``control``, ``construction`` or ``model``; ``causal``: whether the learner trains layer by
    layer; ``seeded``: whether the model is one of some that differ in their seed alone.
    """

    def among(column: str, names: Iterable[str]) -> pl.Expr:
        return family(column).is_in(list(names)) if column in summary.columns else pl.lit(False)

    def of_role(role: str) -> list[str]:
        return [name for name, one in figure.roles.items() if one == role]

    control = among("model", of_role("control")) | among("task", of_role("control"))
    construction = among("model", of_role("construction"))
    role = pl.when(control).then(pl.lit("control")).when(construction).then(pl.lit("construction"))
    return (
        Names(figure.roles)
        .with_roles(summary)
        .with_columns(
            role.otherwise(pl.lit("model")).alias("role"),
            among("learner", figure.causal).alias("causal"),
            among("model", figure.seeds).alias("seeded"),
        )
    )


def _rows(claim: Claim, found: list[tuple[str, dict]]) -> list[dict]:
    """All rows about one claim, tested together, from ``(figure, estimate)``."""

    def column(name: str) -> np.ndarray:
        return np.array([one.get(name) for _, one in found], float)

    tested = np.array([one.get("verdict") not in VERDICTS for _, one in found])
    skew = np.nan_to_num(column("skew"))
    spread = crossed.Spread(*map(column, ("estimate", "error", "df")), skew)
    above, below = crossed.p_above(spread), crossed.p_above(crossed.mirrored(spread))
    p = np.where(tested, np.minimum(2 * np.minimum(above, below), 1), np.nan)
    ends = crossed.bounds(spread, 1 - crossed.holm_levels(p))
    ends = (np.where(tested, end, column(x)) for end, x in zip(ends, ("low", "high"), strict=True))
    mde = crossed.detectable(spread)
    numbers = dict(zip(("low", "high"), (end.clip(*claim.within) for end in ends), strict=True))
    numbers |= {"p": p, "p_holm": crossed.holm(p), "mde": mde}
    words = ("paper", "place", "claim", "quantity", "reference")
    given = (*WHERE, "draws", "queries", "estimate")
    rows = []
    for at, (figure, one) in enumerate(found):
        own = {name: float(values[at]) for name, values in numbers.items()}
        rows.append(
            {
                **{name: getattr(claim, name) for name in words},
                **{name: one.get(name) for name in given},
                **{name: None if np.isnan(value) else value for name, value in own.items()},
                "figure": figure,
                "smallest": claim.smallest,
                "verdict": one["verdict"] if one.get("verdict") in VERDICTS else None,
                "underpowered": claim.effect is not None and own["mde"] > claim.effect,
            }
        )
    return rows
