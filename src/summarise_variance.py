"""Summarise why the order matters: the variance over all N! orders, split by source.

The variance of the answer's log-odds against the other label words is split into the label
of the last demonstration, which demonstration is last, the position of every demonstration,
and the rest. Shares are of the sum of squares over test queries; bands are 95 % over draws.
Draws with diverged rows, or with nothing but rounding noise, are left out.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument("--logits", type=cli.existing, nargs="+", required=True, help="logits tables")
parser.add_argument(
    "--demonstrations",
    type=cli.existing,
    nargs="+",
    required=True,
    help="tables with all N! orders",
)
parser.add_argument("--task", type=cli.existing, nargs="+", required=True, help="task tables")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.metrics import order_variance
from iclgd.statistics import summaries

BY = [*RUN_COLUMNS, "learner", "epoch"]
task = pl.concat(parquet.read(path, TASK) for path in args.task)
demonstrations = pl.concat(parquet.read(path, DEMONSTRATIONS) for path in args.demonstrations)
values = []
for path in args.logits:
    rows = parquet.read(path, LOGITS).drop("top_ids", "top_logprobs")
    test = rows.filter(pl.col("split") == "test")
    for key, group in test.group_by(*BY, "draw", maintain_order=True):
        found = order_variance.shares_of(group, demonstrations, task)
        values += [(*key, source, share) for source, share in found.items()]

kinds = {**RUN_COLUMNS, "learner": pl.String, "epoch": pl.Int32, "draw": pl.Int32}
table = pl.DataFrame(
    values, schema={**kinds, "source": pl.String, "value": pl.Float64}, orient="row"
)
summary = summaries.bands(table, [*BY, "source"], order_variance.SOURCES.values(), "source")
parquet.write(summary.sort(*BY, "source"), args.output)
