"""Judge whether gradient descent is as near to ICL as ICL is to itself: verdicts and bounds.

One row per run, family of learners, choice of rate and epoch (best accuracy, or nearest to
ICL, on validation queries), measure of distance, and multiple of the smallest effect of interest
(1: the verdict).
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
from iclgd.statistics import equivalence

figure = args.figure
tests = equivalence.Tests(
    reference=figure.reference,
    smallest=figure.smallest_effect or equivalence.SMALLEST,
    primary=None if figure.primary is None else frozenset(map(tuple, figure.primary)),
    replicates=figure.replicates,
    solvers=frozenset(name for name, role in figure.roles.items() if role == "solver"),
)
pairs = (parquet.read(path, registry.AGREEMENT) for path in args.agreement)
parquet.write(equivalence.judged(pairs, tests), args.output)
