"""Summarise how near gradient descent comes to ICL, by rate, epoch and training loss.

Distances and similarities over test queries with 95 % intervals, and the mean loss of the
demonstrations at that epoch, which makes rates comparable. `nearest` marks the rate and epoch of
every family with the least total variation on validation queries.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument(
    "--agreement", type=cli.existing, nargs="+", required=True, help="agreement tables"
)
parser.add_argument("--logits", type=cli.existing, nargs="+", required=True, help="their logits")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics import registry
from iclgd.statistics import choice, intervals
from iclgd.statistics.distances import PLACE

KEY = [*PLACE, "b", "epoch"]
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
mark = choice.chosen(trained, PLACE, "b", choice.SCORES["nearest"])
test = rows.filter(pl.col("split") == "test")
diverged = test.group_by(KEY).agg((pl.col("status") == "diverged").mean().alias("diverged"))
summary = intervals.means(test, KEY, METRICS).join(diverged, on=KEY)
summary = summary.join(losses, on=[*RUN_COLUMNS, "b", "epoch"], how="left")
mark = mark.with_columns(nearest=pl.lit(True))
summary = summary.join(mark, on=KEY, how="left").with_columns(pl.col("nearest").fill_null(False))
parquet.write(summary.sort(*KEY, "metric"), args.output)
