"""Summarise how far from ICL each learner is after each of its steps.

Total variation over test queries with 95 % intervals, by model, learner and epoch, at the rate
that is nearest to ICL there on validation queries; `nearest` marks the number of steps that is
nearest on them.
"""

from pathlib import Path

from iclgd.io import cli, parquet
from iclgd.metrics import registry

parser = cli.figure_parser(__doc__)
parser.add_argument(
    "--agreement", type=cli.existing, nargs="+", required=True, help="agreement tables"
)
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()

from iclgd.statistics import steps  # after parsing: --help is quick

pairs = (parquet.read(path, registry.AGREEMENT) for path in args.agreement)
parquet.write(steps.summarised(pairs), args.output)
