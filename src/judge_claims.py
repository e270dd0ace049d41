"""Judge the claims of the papers by the summaries of a study: holds, fails, or cannot tell."""

from pathlib import Path

from iclgd.io import cli, parquet

parser = cli.parser(__doc__)
parser.add_argument(
    "--summaries", type=cli.existing, nargs="*", default=[], help="summary tables of figures"
)
parser.add_argument("--kinds", type=cli.json_object, required=True, help="JSON: figure to its kind")
parser.add_argument(
    "--roles",
    type=cli.json_object,
    default={},
    help='JSON: what is no plain model or learner, such as {"m-random": "control"}',
)
parser.add_argument(
    "--claims", type=cli.existing, required=True, help="the claims: claims.yaml, or one like it"
)
parser.add_argument("--output", type=Path, required=True, help="table of claims to write")
args = parser.parse_args()

from iclgd.reporting import findings  # after parsing: --help is quick
from iclgd.reporting.claims import judge

names = {path: findings.figure(path, args.kinds) for path in args.summaries}
figures = [(name, args.kinds[name], parquet.read(path)) for path, name in names.items()]
parquet.write(judge.judged(figures, args.roles, judge.read(args.claims)), args.output)
