"""Summarise token overlap and OCS over K = 1 ... 100, with 95 % bands over draws.

Of every family of learners the rate and epoch with the best accuracy on the validation
queries is kept (references have but one).
"""

from pathlib import Path

from iclgd import cli, tables

parser = cli.parser(__doc__)
parser.add_argument(
    "--agreement", type=cli.existing, nargs="+", required=True, help="agreement tables"
)
parser.add_argument("--curves", type=cli.existing, nargs="+", required=True, help="their curves")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()

import polars as pl  # after parsing: --help is quick

from iclgd import statistics

PAIR = [*tables.RUN, "a", "b"]
rows = pl.concat(tables.read(path, tables.AGREEMENT) for path in args.agreement)
curves = pl.concat(tables.read(path, tables.CURVES) for path in args.curves)
choice = statistics.chosen(rows, [*tables.RUN, "a"], "b", "accuracy_b")
kept = curves.join(choice, on=[*PAIR, "epoch"], how="semi")
by = [*PAIR, "epoch", "k"]
values = statistics.draw_means(kept, [*by, "draw"], ["token_overlap", "ocs"])
summary = statistics.bands(values, [*by, "metric"]).sort(*by, "metric")
tables.write(summary, args.output)
