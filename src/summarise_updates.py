"""Summarise how alike the change that imitates ICL and that of GD are, as means over draws.

By model, task, design, patch, learner, layer, matrix and kind of demonstrations: each measure with
its interval.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument("--updates", type=cli.existing, nargs="+", required=True, help="tables")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.updates import UPDATES
from iclgd.metrics.update_measures import MEASURES
from iclgd.statistics import summaries

GROUP = [*RUN_COLUMNS, "a", "b", "layer", "matrix", "demonstrations"]
rows = pl.concat(parquet.read(path, UPDATES) for path in args.updates).sort(*GROUP, "draw")
values = rows.unpivot(list(MEASURES), index=[*GROUP, "draw"], variable_name="metric")
by = [*GROUP, "metric"]
parquet.write(summaries.bands(values, by, MEASURES.values()).sort(by), args.output)
