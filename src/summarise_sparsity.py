"""Summarise sparsity: means over layers of the means over heads, with the range of the layers.

`share` and `share_rms` are of |w| below a threshold, before and after division by the RMS;
`required` is the share of zeros in von Oswald's construction at the width of the model
(query heads x head width), half of it for x and half for y. `stable_rank`, `hoyer` and `gini`
are of the circuits W_Q^T W_K (`qk`) and W_O W_V (`ov`) and do not depend on a basis. `missing`,
without a model, is what the shares lack of `required`: the mean over pretrained models, with a
95 % interval over them (checkpoints of one count as one).
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument("--sparsity", type=cli.existing, nargs="+", required=True, help="share tables")
parser.add_argument(
    "--circuits", type=cli.existing, nargs="+", required=True, help="circuit tables"
)
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.sparsity import CIRCUITS, SPARSITY
from iclgd.metrics import sparsity_requirement
from iclgd.metrics.sparsity_requirement import INVARIANTS, SHARES
from iclgd.statistics import summaries
from iclgd.statistics.families import family

BY = ["model", "matrix", "threshold", "measure"]
shares = pl.concat(parquet.read(path, SPARSITY) for path in args.sparsity)
circuits = pl.concat(parquet.read(path, CIRCUITS) for path in args.circuits)
widths = {
    model: (rows["head"].max() + 1) * rows["singular_values"].list.len().max()
    for (model,), rows in circuits.group_by("model")
}
missing = set(shares["model"]) - set(widths)
if missing:
    raise cli.InputError(f"--circuits: nothing of model {sorted(missing)[0]}")

long = [
    table.rename(renamed).unpivot(
        values, index=["model", "layer", "matrix", "threshold"], variable_name="measure"
    )
    for table, renamed, values in (
        (shares, {}, list(SHARES)),
        (
            circuits.with_columns(pl.lit(None, pl.Float64).alias("threshold")),
            {"circuit": "matrix"},
            list(INVARIANTS),
        ),
    )
]
layers = pl.concat(long).group_by(*BY, "layer", maintain_order=True).agg(pl.col("value").mean())
required = pl.DataFrame(
    [
        (model, matrix, sparsity_requirement.at_width(matrix, width))
        for model, width in widths.items()
        for matrix in "qkv"
    ],
    schema={"model": pl.String, "matrix": pl.String, "required": pl.Float64},
    orient="row",
)
# All layers of a model are measured, not a sample: the band is their range, not an interval.
value = pl.col("value")
summary = layers.group_by(BY).agg(
    value.mean().alias("estimate"),
    value.min().alias("low"),
    value.max().alias("high"),
    value.count().cast(pl.Int32).alias("layers"),
)
summary = summary.join(required, on=["model", "matrix"], how="left")
found = summary.filter(pl.col("required").is_not_null(), measure="share").with_columns(
    family("model"), pl.lit("share").alias("metric")
)
roles = args.figure.roles
sample = [
    one for one in found["family"].unique() if roles.get(one) not in ("control", "construction")
]
missing = (
    found.filter(pl.col("family").is_in(sample))
    .group_by("family", "matrix", "threshold", "metric")
    .agg(value=(pl.col("required") - pl.col("estimate")).mean())
    .sort("family", "matrix", "threshold", "metric")
)
by = ["matrix", "threshold", "metric"]
missing = summaries.bands(missing, by, SHARES.values(), difference=True)
missing = missing.rename({"metric": "measure", "draws": "models"})
missing = missing.with_columns(measure=pl.lit("missing"))
summary = pl.concat([summary, missing], how="diagonal")
parquet.write(summary.sort(BY), args.output)
