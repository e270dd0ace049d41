"""Summarise agreement tables: every metric per epoch, with 95 % intervals.

Estimates are over test queries. `chosen` marks, for every family of learners, the rate and
epoch with the best accuracy on the validation queries, which are disjoint from those.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument(
    "--agreement", type=cli.existing, nargs="+", required=True, help="agreement tables"
)
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.table_step()

from iclgd.io import parquet  # after parsing: --help is quick
from iclgd.metrics import registry
from iclgd.statistics import agreement_summary

pairs = (parquet.read(path, registry.AGREEMENT) for path in args.agreement)
parquet.write(agreement_summary.summarise(pairs), args.output)
