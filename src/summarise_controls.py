"""Summarise agreement, its negative controls, and the agreement of ICL with itself.

Every metric of the pair, of each control and of ICL with itself, over test queries, with 95 %
intervals; and (score - floor) / (ceiling - floor), the floor being the best control.
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
from iclgd.reporting.kinds import controls
from iclgd.reporting.names import Names
from iclgd.statistics import agreement_summary

pairs = (parquet.read(path, registry.AGREEMENT) for path in args.agreement)
summary = Names(args.figure.roles).with_roles(agreement_summary.summarise(pairs))
parquet.write(controls.lanes(summary, args.figure.controls), args.output)
