"""Summarise how far from ICL each learner is after each of its steps.

Total variation over test queries with 95 % intervals, by model, learner and epoch, at the rate
that is nearest to ICL there on validation queries; `nearest` marks the number of steps that is
nearest on them. How much farther than Newton's method others are there (`past_newton`).
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
from iclgd.statistics import steps

pairs = (parquet.read(path, registry.AGREEMENT) for path in args.agreement)
parquet.write(steps.summarised(pairs, args.figure.roles), args.output)
