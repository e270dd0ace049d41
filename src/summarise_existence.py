"""Summarise how far from ICL each learner is, in units of ICL's distance from itself.

Total variation over test queries with 95 % intervals (`tv`); that over the distance of ICL from
itself under another order of the same demonstrations (`units`), and minus that of the nearest
learner that ICL taught (`beyond`). GD is there at the rate and epoch nearest to ICL on
validation queries, at that of best accuracy, and untouched, at epoch 0.
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
from iclgd.statistics import existence

pairs = (parquet.read(path, registry.AGREEMENT) for path in args.agreement)
parquet.write(existence.summarised(pairs, args.figure.roles), args.output)
