"""Summarise logits tables: accuracy per learner and epoch, with 95 % intervals.

Estimates are over test queries. `chosen` marks, for every family of learners, the rate and
epoch with the best accuracy on the validation queries, which are disjoint from those. Rows that
have `against` are differences of such accuracies, cell by cell over the same draws and queries:
`accuracy_more` and `accuracy_past_icl` with the most demonstrations from a design with the fewest;
of checkpoints `accuracy_change` from the one before.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument("--logits", type=cli.existing, nargs="+", required=True, help="logits tables")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.logits import LOGITS
from iclgd.metrics.accuracy import METRICS
from iclgd.statistics import choice, contrasts, intervals

RUN = [*RUN_COLUMNS, "learner"]
ok = pl.col("status") == "ok"
rows = pl.concat(
    parquet.read(path, LOGITS)
    .with_columns(
        pl.when(ok).then(pl.col("label_logprobs").list.arg_max()).alias("predicted").cast(pl.Int32),
        pl.when(ok)
        .then((pl.col("top_ids").list.first() == pl.col("answer_id")).cast(pl.Float64))
        .alias("accuracy"),
    )
    .with_columns((pl.col("predicted") == pl.col("label")).cast(pl.Float64).alias("label_accuracy"))
    .drop("label_logprobs", "top_ids", "top_logprobs")
    for path in args.logits
)
test = rows.filter(pl.col("split") == "test")
by = [*RUN, "epoch"]
estimates = pl.concat(
    [
        intervals.means(test, by, [METRICS["accuracy"], METRICS["label_accuracy"]]),
        intervals.macro_f1(test, by, "predicted", METRICS["macro_f1"]),
    ]
)
diverged = test.group_by(*RUN, "epoch").agg((~ok).mean().alias("diverged"))
best = choice.chosen(rows, list(RUN_COLUMNS), "learner", pl.col("accuracy"))
chosen = test.join(best, on=by, how="semi")
if args.figure.kind == "checkpoints":
    differences = contrasts.by_steps(chosen, by)
else:
    icl = [name for name, role in args.figure.roles.items() if role == "icl"]
    differences = contrasts.by_shots(chosen, icl, by)
estimates = pl.concat([estimates, differences], how="diagonal")
summary = (
    estimates.join(diverged, on=by)
    .join(best.with_columns(pl.lit(True).alias("chosen")), on=by, how="left")
    .with_columns(pl.col("chosen").fill_null(False))
)
parquet.write(summary.sort(*RUN, "epoch", "metric", "against"), args.output)
