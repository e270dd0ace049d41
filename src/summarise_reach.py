"""Summarise what first-order steps reach of ICL's change, as means over draws with intervals.

By model, task, design, group of weights (a matrix of a layer, the rest, all), part of the change
and kind of demonstrations: each measure.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument("--reach", type=cli.existing, nargs="+", required=True, help="reach tables")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.reach import REACH
from iclgd.metrics.reach_measures import MEASURES
from iclgd.statistics import summaries

GROUP = [*RUN_COLUMNS, "layer", "matrix", "part", "demonstrations"]
rows = pl.concat(parquet.read(path, REACH) for path in args.reach).sort(*GROUP, "draw")
values = rows.unpivot(list(MEASURES), index=[*GROUP, "draw"], variable_name="metric")
by = [*GROUP, "metric"]
parquet.write(summaries.bands(values, by, MEASURES.values()).sort(by), args.output)
