"""Judge the papers' claims by the summaries of a study: each holds, fails, or stays undecided."""

from pathlib import Path

from iclgd.io import cli, figures

parser = cli.parser(__doc__)
parser.add_argument(
    "--summaries", type=cli.existing, nargs="*", default=[], help="summary tables of figures"
)
parser.add_argument(
    "--figures",
    type=figures.figures,
    required=True,
    help="JSON: figures by name, each with its kind and roles (iclgd.io.figures)",
)
parser.add_argument(
    "--claims", type=cli.existing, required=True, help="the claims: claims.yaml, or one like it"
)
parser.add_argument("--output", type=Path, required=True, help="table of claims to write")
args = parser.parse_args()
cli.table_step()

from iclgd.io import parquet  # after parsing: --help is quick
from iclgd.reporting import findings
from iclgd.reporting.claims import judge

names = {path: findings.figure(path, args.figures) for path in args.summaries}
summaries = [(args.figures[name], parquet.read(path)) for path, name in names.items()]
parquet.write(judge.judged(summaries, judge.read(args.claims)), args.output)
