"""Summarise pretraining checkpoints: accuracy and the drift of the weights, by step.

Reads the summary of summarise_accuracy and drift tables; models are named MODEL@REVISION,
with the step as a number in the revision (step1000). Accuracies are of each learner's chosen
rate and epoch (ICL has but one); the drift is the mean over all weights. Models without a
revision are left out.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument("--accuracy", type=cli.existing, nargs="+", required=True, help="summaries")
parser.add_argument("--drift", type=cli.existing, nargs="+", required=True, help="drift tables")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.drift import DRIFT
from iclgd.statistics.families import family, step, value

accuracy = pl.concat(parquet.read(path) for path in args.accuracy).filter("chosen")
drift = (
    pl.concat(parquet.read(path, DRIFT) for path in args.drift)
    .group_by("model", maintain_order=True)
    .agg(
        (pl.col("mean_abs_change") * pl.col("weights")).sum().alias("estimate")
        / pl.col("weights").sum()
    )
    .with_columns(pl.lit("mean_abs_change").alias("metric"))
)
table = (
    pl.concat([accuracy, drift], how="diagonal")
    .rename({"metric": "measure"})
    .with_columns(family("model").alias("model"), value("model").alias("revision"), step("model"))
    .filter(pl.col("revision") != "")
)
unnumbered = table.filter(pl.col("step").is_null())["revision"]
if len(unnumbered):
    raise cli.InputError(f"revision {unnumbered[0]!r} has no number in it, so no step")
keys = ["model", "step", "revision", "task", "design", "shots", "learner", "measure"]
columns = ["model", "revision", "step", *keys[3:], "estimate", "low", "high"]
columns += ["error", "df", "skew", "draws", "queries"]
parquet.write(table.sort(keys).select(columns), args.output)
