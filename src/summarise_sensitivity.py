"""Summarise how near each protocol of gradient descent comes to ICL, by rate and epoch.

Total variation, accuracy, training loss and the excess over ICL under another order, over test
queries; `closest` marks a row for the point of each protocol that the other draws choose.
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
from iclgd.statistics import sensitivity
from iclgd.statistics.equivalence import SMALLEST

figure = args.figure
smallest = SMALLEST if figure.smallest_effect is None else figure.smallest_effect
pairs = (parquet.read(path, registry.AGREEMENT) for path in args.agreement)
parquet.write(sensitivity.summarised(pairs, figure.roles, smallest), args.output)
