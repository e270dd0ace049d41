"""Summarise agreement tables: every metric per epoch, with 95 % bands over draws.

Estimates are over test queries. `chosen` marks, for every family of learners, the rate and
epoch with the best accuracy on the validation queries, which are disjoint from those.
"""

from pathlib import Path

from iclgd import cli, tables

parser = cli.parser(__doc__)
parser.add_argument(
    "--agreement", type=cli.existing, nargs="+", required=True, help="agreement tables"
)
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()

import polars as pl  # after parsing: --help is quick

from iclgd import statistics

PAIR = [*tables.RUN, "a", "b"]
summaries, choices = [], []
for path in args.agreement:
    rows = tables.read(path, tables.AGREEMENT)
    test = rows.filter(pl.col("split") == "test")
    by = [*PAIR, "epoch", "draw"]
    values = pl.concat(
        [
            statistics.draw_means(test, by, list(tables.METRICS)),
            statistics.f1_per_draw(test, by, "label_a", "macro_f1_a"),
            statistics.f1_per_draw(test, by, "label_b", "macro_f1_b"),
        ]
    )
    diverged = test.group_by(*PAIR, "epoch").agg(
        (pl.col("status") == "diverged").mean().alias("diverged")
    )
    bands = statistics.bands(values, [*PAIR, "epoch", "metric"])
    summaries.append(bands.join(diverged, on=[*PAIR, "epoch"]))
    choices.append(rows.filter(pl.col("split") == "validation"))

choice = statistics.chosen(pl.concat(choices), [*tables.RUN, "a"], "b", "accuracy_b")
summary = pl.concat(summaries).join(
    choice.with_columns(pl.lit(True).alias("chosen")), on=[*PAIR, "epoch"], how="left"
)
summary = summary.with_columns(pl.col("chosen").fill_null(False))
tables.write(summary.sort(*PAIR, "epoch", "metric"), args.output)
