"""Summarise token overlap and OCS over K = 1 ... 100, with 95 % bands over draws.

Of every family of learners the rate and epoch with the best accuracy on the validation
queries is kept (references have but one).
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument(
    "--agreement", type=cli.existing, nargs="+", required=True, help="agreement tables"
)
parser.add_argument("--curves", type=cli.existing, nargs="+", required=True, help="their curves")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.curves import CURVES
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.metrics import registry
from iclgd.statistics import choice, summaries

PAIR, METRICS = [*RUN_COLUMNS, "a", "b"], ["token_overlap", "ocs"]
rows = pl.concat(parquet.read(path, registry.AGREEMENT) for path in args.agreement)
curves = pl.concat(parquet.read(path, CURVES) for path in args.curves)
best = choice.chosen(rows, [*RUN_COLUMNS, "a"], "b", choice.SCORES["accuracy"])
kept = curves.join(best, on=[*PAIR, "epoch"], how="semi")
by = [*PAIR, "epoch", "k"]
values = summaries.draw_means(kept, [*by, "draw"], METRICS)
summary = summaries.bands(values, [*by, "metric"], [registry.METRICS[name] for name in METRICS])
summary = summary.sort(*by, "metric")
parquet.write(summary, args.output)
