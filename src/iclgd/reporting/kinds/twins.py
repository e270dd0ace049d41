"""Twins: models that differ only in their momentum, so that each seed is its own control."""

from __future__ import annotations

import json

import polars as pl

from iclgd.io.cli import InputError
from iclgd.metrics import accuracy, model_metrics
from iclgd.reporting.claims.estimates import Evidence, below
from iclgd.reporting.findings import Row, value
from iclgd.reporting.names import Names
from iclgd.statistics import summaries

BRACKETS = "95 % intervals over seeds"
# For the report: its section, what the figure means, and what it does not.
SECTION = "weights"
MEANS = "Whether momentum in attention changes what twins learn, all else being the same."
MEANS_NOT = "Few seeds are few samples; an interval across zero is no proof of no effect."
METRICS = (*model_metrics.PERPLEXITY.values(), *accuracy.METRICS.values())


def arms(manifests: list[dict]) -> pl.DataFrame:
    """``model, seed, eta`` of pretrained models of one recipe.

    Raises InputError that names a model which was not pretrained with attention_momentum, is
    of another recipe than the first, or has no twin with eta = 0.
    """
    rows, recipes = [], []
    for manifest in manifests:
        entry = dict(manifest.get("pretraining") or {})
        seed, eta = entry.pop("seed", None), entry.pop("attention_momentum", None)
        if eta is None:
            raise InputError(f"model {manifest['model']}: not pretrained with attention_momentum")
        recipes.append(json.dumps(entry, sort_keys=True))
        if recipes[-1] != recipes[0]:
            first = manifests[0]["model"]
            raise InputError(f"model {manifest['model']}: its recipe is not that of {first}")
        rows.append((manifest["model"], seed, float(eta)))
    schema = {"model": pl.String, "seed": pl.Int32, "eta": pl.Float64}
    found = pl.DataFrame(rows, schema=schema, orient="row")
    controls = found.filter(pl.col("eta") == 0)["seed"]
    for model, seed, _ in found.rows():
        if seed not in controls:
            raise InputError(f"model {model}: no twin of seed {seed} with attention_momentum 0")
    return found


def probes(manifests: list[dict]) -> pl.DataFrame:
    """``model, measure, at, value``: the held-out probes of in-context learning.

    ``accuracy_2way_8shot`` becomes the measure ``accuracy_2way`` at 8.
    """
    schema = {"model": pl.String, "probe": pl.String, "value": pl.Float64}
    rows = [(m["model"], name, value) for m in manifests for name, value in m["probes"].items()]
    parts = pl.col("probe").str.extract_groups(r"^(?<measure>accuracy_\d+way)_(?<at>\d+)shot$")
    return (
        pl.DataFrame(rows, schema=schema, orient="row")
        .with_columns(parts.alias("parts"))
        .unnest("parts")
        .drop_nulls("measure")
        .select("model", "measure", pl.col("at").cast(pl.Int32), "value")
    )


def compared(arms: pl.DataFrame, values: pl.DataFrame) -> pl.DataFrame:
    """Means over seeds, and differences from the twin with eta = 0, paired by seed.

    ``values``: ``model, measure, at, value``. Returns ``measure, at, eta, kind, seed`` and the
    ``estimate`` with its 95 % interval over ``seeds`` (`summaries.bands`): kind ``mean``, or
    ``difference`` (value minus that of the twin). Rows that have a ``seed`` are that seed's own.
    """
    keys = ["measure", "at", "eta"]
    own = values.join(arms, on="model")
    control = own.filter(pl.col("eta") == 0).select("measure", "at", "seed", control="value")
    both = own.join(control, on=["measure", "at", "seed"])
    difference = both.filter(pl.col("eta") > 0).with_columns(
        (pl.col("value") - pl.col("control")).alias("value"), pl.lit("difference").alias("kind")
    )
    columns = [*keys, "kind", "seed", "value"]
    mean = own.with_columns(kind=pl.lit("mean"))
    parts = []
    for rows, paired in ((mean, False), (difference, True)):
        single = rows.select(columns).sort(columns)
        banded = summaries.bands(single, [*keys, "kind"], METRICS, "measure", paired)
        parts += [banded.rename({"draws": "seeds"}), single.rename({"value": "estimate"})]
    found = pl.concat(parts, how="diagonal")
    order = [*keys, "kind", "seed"]
    numbers = ("estimate", "low", "high", "error", "df", "seeds")
    return found.select(*order, *numbers).sort(order)


def findings(summary: pl.DataFrame) -> list[Row]:
    """The longest contexts and the most demonstrations, with the difference from the twin."""
    banded = summary.filter(pl.col("seed").is_null())
    last = banded.filter(pl.col("at") == pl.col("at").max().over("measure"))
    found = [["measure", "at", "momentum", "seeds", "mean over seeds", "minus the twin's"]]
    for key, part in last.group_by("measure", "at", "eta", maintain_order=True):
        mean, difference = (part.filter(pl.col("kind") == k) for k in ("mean", "difference"))
        found.append([*map(str, key), str(mean["seeds"][0]), value(mean), value(difference)])
    return found


def headline(summary: pl.DataFrame, names: Names) -> str:
    """What momentum changes in accuracy with the most demonstrations, and in perplexity."""
    rows = summary.filter(pl.col("seed").is_null(), kind="difference").drop_nulls("estimate")
    last = rows.filter(pl.col("at") == pl.col("at").max().over("measure"))
    told = []
    for (measure,), part in last.sort("measure").group_by("measure", maintain_order=True):
        what, _, ways = measure.partition("_")
        of = f" ({ways.removesuffix('way')} labels)" if ways else ""
        told.append(f"{what}{of} by {value(part.sort('eta').tail(1))}")
    return f"Momentum attention changes {', '.join(told)}" if told else ""


def evidence(summary: pl.DataFrame) -> Evidence:
    """The longest contexts and the most demonstrations."""
    rows = summary.filter(pl.col("seed").is_null(), kind="difference").drop_nulls("estimate")
    last = rows.filter(pl.col("at") == pl.col("at").max().over("measure"))
    for row in last.iter_rows(named=True):
        where = {**row, "model": f"momentum {row['eta']:g}", "draws": row["seeds"]}
        if row["measure"] == "perplexity":
            yield "perplexity", below(0.0, where)
        else:
            yield "momentum", {**where, "task": row["measure"].removeprefix("accuracy_")}
