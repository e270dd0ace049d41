"""Summarise twins: perplexity by position and in-context learning by shots, over seeds.

`mean` is over the seeds of one momentum; `difference` is the value minus that of the twin of the
same seed with momentum 0. `at` is the first position of a bucket, or the number of demonstrations.
Accuracies are over the label words, on held-out prompts (the same for all models), measured when
each model was made.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument(
    "--perplexity", type=cli.existing, nargs="+", required=True, help="tables of the models"
)
parser.add_argument("--manifests", type=cli.existing, nargs="+", required=True, help="of them")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

import json  # after parsing: --help is quick

import polars as pl

from iclgd.io import parquet
from iclgd.io.schemas.perplexity import PERPLEXITY
from iclgd.reporting.kinds import twins

manifests = [json.loads(path.read_text()) for path in args.manifests]
perplexity = pl.concat(parquet.read(path, PERPLEXITY) for path in args.perplexity)
values = pl.concat(
    [
        perplexity.select(
            "model",
            pl.lit("perplexity").alias("measure"),
            pl.col("first").alias("at"),
            pl.col("perplexity").alias("value"),
        ),
        twins.probes(manifests),
    ]
)
parquet.write(twins.compared(twins.arms(manifests), values), args.output)
