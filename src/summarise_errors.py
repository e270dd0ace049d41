"""Summarise whether learners err where ICL errs, and with the same wrong label.

Over test queries, each draw at the rate and epoch nearest to ICL that the other draws choose.
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
from iclgd.statistics import errors

pairs = (parquet.read(path, registry.AGREEMENT) for path in args.agreement)
parquet.write(errors.summarised(pairs, args.figure.roles), args.output)
