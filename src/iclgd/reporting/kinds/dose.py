"""Dose and response: agreement as a model departs from the construction in which ICL is GD.

Most departures are still gradient descent, but not the learner's (`NATURES`); agreement has
to fall there too. Source: O is von Oswald et al. 2023 (arXiv 2212.07677).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import polars as pl

from iclgd.io.cli import InputError
from iclgd.metrics.agreement import METRICS
from iclgd.metrics.distances import SLOPE
from iclgd.reporting.claims.estimates import Evidence
from iclgd.reporting.findings import USUAL, Row, count, interval, short
from iclgd.reporting.names import Names
from iclgd.statistics import summaries
from iclgd.study.names import base, value

BRACKETS = USUAL
# For the report: its section, what the figure means, and what it does not.
SECTION = "weights"
MEANS = (
    "The metrics do fall as attention departs from the construction in which it is GD, so "
    "that they could have shown a departure. Softmax attention is descent on functions, with a "
    "step of its own at each input, and there they find it equal."
)
MEANS_NOT = (
    "It does not say how far a language model is from GD: its departures may be of other kinds."
)
# By metric of agreement: 1 if it falls as two learners become different, -1 if it rises.
SENSE = {name: metric.direction for name, metric in METRICS.items() if metric.direction}
# Smaller changes are rounding: probabilities are stored in float32.
ROUNDING = 1e-6
# The departure in which GD takes more or fewer steps than the model has layers. No model can have
# such a name, as it has spaces.
STEPS = "steps of GD"
BY = ["task", "design", "departure", "reading", "metric"]
NOT_GD = "not GD"
# What a model with this key in its ``construct`` entry computes, compared with the learner
# (``linear_attention.attend`` and ``turns`` say why). Softmax attention (share 1) is descent on
# functions with the kernel exp(x.x') and a step of its own at each x; weights that were trained on
# regression take larger steps (O, section 3). The others are the gradient of no loss.
NATURES = {
    "softmax": "another kernel",
    "mix": "another rate, mostly",
    "causal": NOT_GD,
    "hard": NOT_GD,
    "noise": NOT_GD,
}
OTHER_STEPS = "another number of steps"
# GD at the rate and epoch nearest to the model's ICL, or with rate and steps of the construction;
# and GD on functions with another kernel, tuned as well.
TUNED, UNTUNED, KERNEL = "tuned", "untuned", "kernel"
# The reading that a departure is judged by: of the learner's own departure there is one alone.
MAIN = pl.when(pl.col("departure") == STEPS).then(pl.lit(UNTUNED)).otherwise(pl.lit(TUNED))


def nature(entry: dict) -> str | None:
    """What a model with this ``construct`` entry is, one of `NATURES`; None: the construction."""
    return next((one for key, one in NATURES.items() if key in entry), None)


def construction(names: Iterable[str]) -> str:
    """The one model that has a name without a value. Raises InputError if they are not one."""
    roots = [name for name in sorted(names) if not value(name)]
    if len(roots) != 1:
        raise InputError(f"one model without departures is needed, found {', '.join(roots)}")
    return roots[0]


def main(summary: pl.DataFrame) -> pl.DataFrame:
    """The rows that count, over all draws: tuned, and those of `STEPS`."""
    return summary.filter(pl.col("draw").is_null(), pl.col("reading") == MAIN)


def graded(
    bands: pl.DataFrame, layers: dict[str, int], natures: dict[str, str | None]
) -> pl.DataFrame:
    """Rows of every departure by dose, from the ``bands`` of models at all readings.

    Untuned, the construction is there at every epoch of GD, any other model at as many as it has
    layers. ``layers`` and ``natures`` (see `nature`): of each model. Adds ``departure``,
    ``nature`` (of the departure), ``dose`` and ``response`` (see below; null in rows of one draw).
    Raises InputError unless exactly one model has a name without a value.
    """
    names = sorted(set(bands["model"]))
    root = construction(names)
    depth = pl.col("model").replace_strict(layers, return_dtype=pl.Int32)
    bands = bands.with_columns((pl.col("epoch") - depth).cast(pl.Float64).alias("dose"))
    steps = {"departure": STEPS, "nature": OTHER_STEPS}
    own = bands.filter(model=root, reading=UNTUNED)
    parts = [own.with_columns(**{k: pl.lit(v) for k, v in steps.items()})]
    compared = bands.filter((pl.col("reading") != UNTUNED) | (pl.col("dose") == 0))
    for family in dict.fromkeys(base(name) for name in names if name != root):
        dose = {root: 0.0} | {n: float(value(n)) for n in names if base(n) == family}
        parts.append(
            compared.filter(pl.col("model").is_in(list(dose))).with_columns(
                pl.lit(family).alias("departure"),
                pl.lit(_of_family(family, natures), pl.String).alias("nature"),
                pl.col("model").replace_strict(dose, return_dtype=pl.Float64).alias("dose"),
            )
        )
    table = pl.concat(parts).sort(*BY, "dose", "draw")
    responses = [
        (*key, response(part["dose"].to_list(), part["estimate"].to_list(), SENSE[key[-1]]))
        for key, part in table.filter(pl.col("draw").is_null()).group_by(BY, maintain_order=True)
        if key[-1] in SENSE
    ]
    schema = dict.fromkeys([*BY, "response"], pl.String)
    found = pl.DataFrame(responses, schema=schema, orient="row")
    table = table.join(found, on=BY, how="left").sort(*BY, "dose", "draw")
    return table.with_columns(pl.when(pl.col("draw").is_null()).then("response"))


def slopes(table: pl.DataFrame, root: str) -> pl.DataFrame:
    """`SLOPE` of every departure with its interval over draws, as rows of the construction.

    ``table``: that of `graded`, whose rows of single draws give every draw its own least-squares
    slope over the distance from dose 0, at the reading that counts.
    """
    rows = table.filter(
        pl.col("draw").is_not_null(), pl.col("reading") == MAIN, metric="tv"
    ).drop_nulls("estimate")
    dose = pl.col("dose").abs()
    by = ["task", "design", "shots", "departure", "nature"]
    own = rows.group_by(*by, "draw", maintain_order=True).agg(
        pl.when(dose.n_unique() > 1).then(pl.cov(dose, "estimate") / dose.var()).alias("value")
    )
    own = own.with_columns(model=pl.lit(root), metric=pl.lit(SLOPE.name)).sort(*by, "draw")
    return summaries.bands(own, ["model", *by, "metric"], [SLOPE])


def _of_family(family: str, natures: dict[str, str | None]) -> str | None:
    return next(one for name, one in natures.items() if base(name) == family)


def response(doses: list[float], values: list[float | None], sense: int) -> str:
    """How agreement responds to the dose: ``falls``, ``blind`` or ``wavers``.

    It falls if it decreases monotonically away from dose 0 on either side and ends lower; it is
    blind to the departure if it never changes by more than `ROUNDING`. ``sense`` 1: agreement
    falls with the values, -1: as they rise. Undefined values (null) are left out.
    """
    known = [(d, sense * v) for d, v in zip(doses, values, strict=True) if v is not None]
    sides = []
    for side in (1, -1):
        line = [value for dose, value in sorted((side * d, v) for d, v in known) if dose >= 0]
        steps = [b - a for a, b in itertools.pairwise(line)]
        if not steps:
            continue
        if max(map(abs, steps)) <= ROUNDING:
            sides.append("blind")
        else:
            sides.append("falls" if max(steps) <= ROUNDING else "wavers")
    return next((one for one in ("wavers", "blind") if one in sides), "falls")


def findings(summary: pl.DataFrame) -> list[Row]:
    """Every dose of every departure, and how many metrics of agreement fall."""
    shown = ["token_overlap", "ocs", "js", "accuracy_a", "sen_a"]
    head = ["token overlap", "OCS", "JS (nats)", "accuracy of ICL", "Sen of ICL"]
    head += ["TV", "rate", "epoch", "TV untuned", "TV to GD on functions"]
    found = [["task", "N", "departure", "which is", "dose", *head, "metrics of agreement"]]
    beside = {
        (row["reading"], row["task"], row["design"], row["departure"], row["dose"]): row
        for row in summary.filter(pl.col("draw").is_null(), metric="tv").iter_rows(named=True)
    }
    summary = main(summary)
    keys = ("task", "shots", "departure", "nature")
    for key, part in summary.group_by(keys, maintain_order=True):
        responses = (
            part.drop_nulls("response").group_by("response").agg(pl.col("metric").unique().sort())
        )
        words = [
            f"{r}: {', '.join(m) if r != 'falls' else len(m)}"
            for r, m in responses.sort("response", descending=True).rows()
        ]
        for (dose,), rows in part.group_by("dose", maintain_order=True):
            value = {row["metric"]: row for row in rows.iter_rows(named=True)}
            cells = [interval(value[name], 3) if name in value else "-" for name in shown]
            cells += _tuned(value.get("tv"), beside)
            found.append([*map(str, key), f"{dose:g}", *cells, "" if dose else "; ".join(words)])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """In how many ways ICL that is no GD moves away from it, and how far; and whether attention
    that is GD on functions is so to the last bit."""
    rows = summary.filter(pl.col("draw").is_null(), metric="tv").drop_nulls("estimate")
    found = []
    for _, part in (
        main(rows).filter(nature=NOT_GD).sort("dose").group_by("departure", maintain_order=True)
    ):
        found.append(part["estimate"][-1] - part["estimate"][0])
    said = []
    if found:
        away = count([one > ROUNDING for one in found], "way")
        said.append(f"ICL that is no GD moves away from it in {away}, by up to {short(max(found))}")
    other = rows.filter(reading=KERNEL, nature=NATURES["softmax"], dose=1.0)
    if len(other) and other["estimate"].max() <= ROUNDING:
        said.append("softmax attention equals descent on functions")
    return "; ".join(said)


def _tuned(row: dict | None, beside: dict[tuple, dict]) -> list[str]:
    """Total variation, the rate and epoch it is at (* at an end of those tried), untuned, and to
    GD on functions."""
    if row is None:
        return ["-"] * 5
    rate = "-" if row["rate"] is None else f"{row['rate']:g}"
    epoch = f"{row['epoch']}{'*' if row['at_end'] else ''}"
    place = (row["task"], row["design"], row["departure"], row["dose"])
    others = (beside.get((reading, *place)) for reading in (UNTUNED, KERNEL))
    return [interval(row, 3), rate, epoch, *(interval(one, 3) if one else "-" for one in others)]


def evidence(summary: pl.DataFrame) -> Evidence:
    """The slope over the dose of each departure that is not GD.

    Departures that are another kind of GD are no evidence about departing from GD.
    """
    rows = summary.filter(metric=SLOPE.name, nature=NOT_GD).drop_nulls("estimate")
    for row in rows.iter_rows(named=True):
        yield "falls", {**row, "learner": row["departure"]}
