"""Summarise how near gradient descent comes to ICL, by rate, epoch and training loss.

Distances and similarities over test queries with 95 % intervals, and the mean loss of the
demonstrations at that epoch, which makes rates comparable. `nearest` marks the rate and epoch of
every family, `best` those of all families of a run, with the least total variation on
validation queries: what gradient descent can do at its best.
"""

from pathlib import Path

from iclgd.io import cli, parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics import registry

parser = cli.figure_parser(__doc__)
parser.add_argument(
    "--agreement", type=cli.existing, nargs="+", required=True, help="agreement tables"
)
parser.add_argument("--logits", type=cli.existing, nargs="+", required=True, help="their logits")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()

import polars as pl  # after parsing: --help is quick

from iclgd.statistics import equivalence, intervals

KEY = [*equivalence.PLACE, "b", "epoch"]
METRICS = [registry.METRICS[name] for name in ("tv", "token_overlap", "ocs", "accuracy_b")]
AT = {**RUN_COLUMNS, "learner": pl.String, "epoch": pl.Int32, "loss": pl.Float32}
rows = pl.concat(parquet.read(path, registry.AGREEMENT) for path in args.agreement)
losses = (
    pl.concat(parquet.read(path, AT) for path in args.logits)
    .group_by(*RUN_COLUMNS, "learner", "epoch")
    .agg(pl.col("loss").cast(pl.Float64).mean())
    .rename({"learner": "b"})
)
trained = rows.filter(pl.col("epoch").max().over("b") > 0)
family = trained.with_columns(family=pl.col("b").str.split("@").list.first())
marks = {
    "nearest": equivalence.nearest(family, [*equivalence.PLACE, "family"]),
    "best": equivalence.nearest(trained, equivalence.PLACE),
}
test = rows.filter(pl.col("split") == "test")
diverged = test.group_by(KEY).agg((pl.col("status") == "diverged").mean().alias("diverged"))
summary = intervals.means(test, KEY, METRICS).join(diverged, on=KEY)
summary = summary.join(losses, on=[*RUN_COLUMNS, "b", "epoch"], how="left")
for name, mark in marks.items():
    mark = mark.select(KEY).with_columns(pl.lit(True).alias(name))
    summary = summary.join(mark, on=KEY, how="left").with_columns(pl.col(name).fill_null(False))
parquet.write(summary.sort(*KEY, "metric"), args.output)
