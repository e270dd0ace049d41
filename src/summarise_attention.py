"""Summarise how alike ICL and gradient descent are inside attention, layer by layer.

Reads attention tables and the logits of the same learners and of ICL. Every measure of
`compare_attention` per layer, and, with a null layer, its mean over layers (of those where
it is defined); `rec2ftp` of Dai et al. and `label_accuracy`, by the likeliest label word, as
in their code. Estimates are over test queries with 95 % intervals (of `rec2ftp`, a ratio of a
whole draw, over draws). `chosen` marks the
rate of every family with the best label accuracy on the validation queries. What lies beyond a
baseline is a difference within each query, layer and draw; `sim_aou_untrained` and
`sim_aou_raw_causal` are differences over the same draws and queries from what `against` names, a
trained model and a learner through all layers.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument(
    "--attention", type=cli.existing, nargs="+", required=True, help="attention tables"
)
parser.add_argument("--logits", type=cli.existing, nargs="+", required=True, help="logits tables")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.logits import LOGITS
from iclgd.metrics import accuracy, attention_similarity
from iclgd.metrics.attention_similarity import (
    ATTENTION,
    BASELINES,
    CONTRASTS,
    CORRECTIONS,
    SIMILARITIES,
)
from iclgd.statistics import choice, contrasts, intervals, summaries
from iclgd.statistics.families import family

RUN = list(RUN_COLUMNS)
BY = [*RUN, "learner", "epoch", "draw"]
QUERY = [*RUN, "draw", "order", "example"]
rows = pl.concat(
    parquet.read(path, LOGITS)
    .with_columns(
        pl.when(pl.col("status") == "ok")
        .then(pl.col("label_logprobs").list.arg_max() == pl.col("label"))
        .alias("right")
    )
    .drop("label_logprobs", "top_ids", "top_logprobs")
    for path in args.logits
).with_columns(pl.col("right").cast(pl.Float64).alias("label_accuracy"))
icl = rows.filter(pl.col("learner") == args.figure.reference)
if icl.is_empty():
    raise cli.InputError(f"--logits: no table is of the reference {args.figure.reference!r}")
gd = rows.filter(pl.col("learner") != args.figure.reference)
untouched = gd.filter(pl.col("epoch") == 0)
trained = gd.filter(pl.col("epoch") == pl.col("epoch").max().over(*RUN, "learner"))
best = choice.chosen(trained, RUN, "learner", pl.col("label_accuracy"))

predictions = (
    trained.filter(pl.col("split") == "test")
    .join(icl.select(*QUERY, icl="right"), on=QUERY)
    .join(untouched.select(*QUERY, "learner", zs="right"), on=[*QUERY, "learner"])
    .drop_nulls(["right", "icl", "zs"])
)
recalls = []
for key, part in predictions.group_by(BY, maintain_order=True):
    zs, icl_right, gd_right = (part[name].to_numpy() for name in ("zs", "icl", "right"))
    recalls.append((*key, "rec2ftp", attention_similarity.rec2ftp(zs, icl_right, gd_right)))
    recalls.append((*key, "rec2ftp_chance", attention_similarity.rec2ftp_chance(zs, icl_right)))
kinds = {name: rows.schema[name] for name in BY}
recalls = pl.DataFrame(
    recalls, schema={**kinds, "metric": pl.String, "value": pl.Float64}, orient="row"
)
test = pl.concat([icl, untouched, trained]).filter(pl.col("split") == "test")
KEY = [*RUN, "learner", "epoch"]
accuracies = intervals.means(test, KEY, [accuracy.METRICS["label_accuracy"]])
similar = pl.concat(parquet.read(path, ATTENTION) for path in args.attention)
over = {f"{one}_over": (one, other) for one, other in BASELINES.items() if one in SIMILARITIES}
measured = similar.filter(pl.col("split") == "test").with_columns(
    (pl.col(one) - pl.col(other)).alias(name) for name, (one, other) in over.items()
)
MEASURES = [*SIMILARITIES.values(), *(CONTRASTS[name] for name in over)]
names = [metric.name for metric in MEASURES]
over_layers = measured.group_by(*KEY, "draw", "order", "example").agg(pl.col(names).mean())


def of_role(column: str, *roles: str) -> pl.Expr:
    """Whether the names of a column are of an entry that has one of these roles."""
    return family(column).is_in([one for one, role in args.figure.roles.items() if role in roles])


def difference(mine: pl.Expr, other: pl.Expr, on: list[str], value: str, against: str, name: str):
    """A contrast of learners at their chosen rates, by what it is against."""
    rows = contrasts.between(picked.filter(mine), picked.filter(other), on, value, against)
    rows = rows.rename({"difference": name})
    return intervals.means(rows, [*KEY, "against"], [CONTRASTS[name]])


picked = over_layers.join(best, on=KEY, how="semi").with_columns(family("learner"))
causal = pl.col("family").is_in(args.figure.causal)
control = of_role("model", "control") | of_role("task", "control")
trained = ~control & ~of_role("model", "construction")
place = ["task", "design", "shots", "family"]
mine, chance = (pl.col("value").filter(metric=name).first() for name in CORRECTIONS)
beyond = recalls.group_by(BY, maintain_order=True).agg(value=mine - chance)
beyond = beyond.with_columns(metric=pl.lit("rec2ftp"))
found = [
    intervals.means(measured, [*KEY, "layer"], MEASURES),
    intervals.means(over_layers, KEY, MEASURES),
    difference(control & ~causal, trained, place, "sim_aou", "model", "sim_aou_untrained"),
    difference(trained & causal, ~causal, RUN, "sim_aou_raw", "learner", "sim_aou_raw_causal"),
    summaries.bands(recalls, [*KEY, "metric"], CORRECTIONS.values()),
    summaries.bands(beyond, [*KEY, "metric"], CORRECTIONS.values(), difference=True).with_columns(
        metric=pl.lit("rec2ftp_over")
    ),
    accuracies,
]
summary = (
    pl.concat(found, how="diagonal")
    .join(best.with_columns(chosen=pl.lit(True)), on=KEY, how="left")
    .with_columns(pl.col("chosen").fill_null(False))
)
parquet.write(summary.sort(*KEY, "layer", "metric", "against"), args.output)
