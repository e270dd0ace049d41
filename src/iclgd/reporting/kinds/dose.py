"""Dose and response: what becomes of agreement as a model leaves the construction of GD.

Most of what leaves the construction does not leave gradient descent: it is another GD than the
learner's beside it (`NATURES`), which agreement has to show as well. Source: O is von Oswald et
al. 2023 (arXiv 2212.07677).
"""

from __future__ import annotations

import itertools

import polars as pl

from iclgd.io.cli import InputError
from iclgd.metrics.agreement import METRICS
from iclgd.reporting.claims.estimates import Evidence
from iclgd.reporting.findings import USUAL, Row, interval

BRACKETS = USUAL
# What agreement is, by metric: 1 if it falls as two learners become different, -1 if it rises.
SENSE = {name: metric.direction for name, metric in METRICS.items() if metric.direction}
# Less than this is no change: probabilities are stored in float32.
ROUNDING = 1e-6
# The departure of GD, which makes more or fewer steps than the model has layers. No model has
# a name with spaces.
STEPS = "steps of GD"
BY = ["task", "design", "departure", "metric"]
NOT_GD = "not GD"
# What a model is that has such a key in its ``construct`` entry, beside the learner. Softmax
# attention (share 1) is exactly GD on functions, with the kernel exp(x.x'), since its layer adds to
# an answer the residuals of the demonstrations with these weights; weights that are trained on
# regression take larger steps (O, section 3); under a causal mask a demonstration is not corrected
# by those behind it, which no loss does.
NATURES = {"softmax": "another kernel", "mix": "another rate, mostly", "causal": NOT_GD}
OTHER_STEPS = "another number of steps"


def nature(entry: dict) -> str | None:
    """What a model with this ``construct`` entry is, one of `NATURES`; None: the construction."""
    return next((said for key, said in NATURES.items() if key in entry), None)


def graded(
    bands: pl.DataFrame, layers: dict[str, int], natures: dict[str, str | None]
) -> pl.DataFrame:
    """Rows of every departure by dose, from the ``bands`` of models at every epoch of GD.

    ``layers`` and ``natures`` (see `nature`): of each model. Adds ``departure``, ``nature`` (of
    the departure), ``dose`` and ``response`` (see below).
    Raises InputError unless exactly one model has a name without a value.
    """
    names = sorted(set(bands["model"]))
    roots = [name for name in names if "@" not in name]
    if len(roots) != 1:
        raise InputError(f"one model without departures is needed, found {', '.join(roots)}")
    (root,) = roots
    depth = pl.col("model").replace_strict(layers, return_dtype=pl.Int32)
    bands = bands.with_columns((pl.col("epoch") - depth).cast(pl.Float64).alias("dose"))
    steps = {"departure": STEPS, "nature": OTHER_STEPS}
    parts = [bands.filter(model=root).with_columns(**{k: pl.lit(v) for k, v in steps.items()})]
    compared = bands.filter(pl.col("dose") == 0)
    for family in dict.fromkeys(name.split("@")[0] for name in names if name != root):
        dose = {root: 0.0} | {
            n: float(n.split("@")[1]) for n in names if n.startswith(f"{family}@")
        }
        parts.append(
            compared.filter(pl.col("model").is_in(list(dose))).with_columns(
                pl.lit(family).alias("departure"),
                pl.lit(_of_family(family, natures), pl.String).alias("nature"),
                pl.col("model").replace_strict(dose, return_dtype=pl.Float64).alias("dose"),
            )
        )
    table = pl.concat(parts).sort(*BY, "dose")
    responses = [
        (*key, response(part["dose"].to_list(), part["estimate"].to_list(), SENSE[key[-1]]))
        for key, part in table.group_by(BY, maintain_order=True)
        if key[-1] in SENSE
    ]
    schema = dict.fromkeys([*BY, "response"], pl.String)
    found = pl.DataFrame(responses, schema=schema, orient="row")
    return table.join(found, on=BY, how="left").sort(*BY, "dose")


def _of_family(family: str, natures: dict[str, str | None]) -> str | None:
    return next(said for name, said in natures.items() if name.split("@")[0] == family)


def response(doses: list[float], values: list[float | None], sense: int) -> str:
    """What agreement does from dose 0 on: ``falls``, ``blind`` or ``wavers``.

    It falls if on either side it only ever falls, and is lower at the end; it is blind to the
    departure if it never moves by more than `ROUNDING`. ``sense`` 1: agreement falls with the
    values, -1: as they rise. An undefined value (null) says nothing and is left out.
    """
    known = [(d, sense * v) for d, v in zip(doses, values, strict=True) if v is not None]
    said = []
    for side in (1, -1):
        line = [value for dose, value in sorted((side * d, v) for d, v in known) if dose >= 0]
        steps = [b - a for a, b in itertools.pairwise(line)]
        if not steps:
            continue
        if max(map(abs, steps)) <= ROUNDING:
            said.append("blind")
        else:
            said.append("falls" if max(steps) <= ROUNDING else "wavers")
    return next((one for one in ("wavers", "blind") if one in said), "falls")


def findings(summary: pl.DataFrame) -> list[Row]:
    shown = ["token_overlap", "ocs", "js", "accuracy_a", "sen_a"]
    head = ["token overlap", "OCS", "JS (nats)", "accuracy of ICL", "Sen of ICL"]
    found = [["task", "N", "departure", "which is", "dose", *head, "metrics of agreement"]]
    keys = ("task", "shots", "departure", "nature")
    for key, part in summary.group_by(keys, maintain_order=True):
        said = (
            part.drop_nulls("response").group_by("response").agg(pl.col("metric").unique().sort())
        )
        words = [
            f"{r}: {', '.join(m) if r != 'falls' else len(m)}"
            for r, m in said.sort("response", descending=True).rows()
        ]
        for (dose,), rows in part.group_by("dose", maintain_order=True):
            value = {row["metric"]: row for row in rows.iter_rows(named=True)}
            cells = [interval(value[name], 3) if name in value else "-" for name in shown]
            found.append([*map(str, key), f"{dose:g}", *cells, "" if dose else "; ".join(words)])
    return found


def evidence(summary: pl.DataFrame) -> Evidence:
    """The largest dose of what is not GD; the response decides.

    A model that is another GD than the learner beside it says nothing about leaving GD.
    """
    rows = summary.filter(metric="tv", nature=NOT_GD).drop_nulls("estimate").sort("dose")
    by = ["task", "design", "departure"]
    for (*_, departure), part in rows.group_by(by, maintain_order=True):
        row = part.row(-1, named=True)
        yield "falls", {**row, "learner": departure, "holds": row["response"] == "falls"}
