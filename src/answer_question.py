"""Answer the question of a study on one screen: a sentence, a line for each test, and notes.

As text to read, and as JSON for the report.
"""

from pathlib import Path

from iclgd.io import cli, figures

parser = cli.parser(__doc__)
parser.add_argument(
    "--summaries", type=cli.existing, nargs="+", required=True, help="summary tables"
)
parser.add_argument(
    "--figures",
    type=figures.figures,
    required=True,
    help="JSON: figures by name, each with its kind, roles and labels (iclgd.io.figures)",
)
parser.add_argument("--claims", type=cli.existing, help="table of claims (none: it says nothing)")
parser.add_argument("--report", required=True, help="where the whole report will be, to name it")
parser.add_argument("--text", type=Path, required=True, help="answer to read")
parser.add_argument("--output", type=Path, required=True, help="answer for other steps (JSON)")
args = parser.parse_args()
cli.table_step()

from iclgd.io import files, parquet  # after parsing: --help is quick
from iclgd.reporting import answer, findings
from iclgd.reporting.names import Names

roles, labels = {}, {}
for figure in args.figures.values():
    roles |= figure.roles
    labels |= figure.labels
names = Names(roles, labels)
summaries = {}
for path in args.summaries:
    figure = args.figures[findings.figure(path, args.figures)]
    summaries.setdefault(figure.kind, []).append(names.with_roles(parquet.read(path)))
claims = parquet.read(args.claims) if args.claims else None
found = answer.of_study(summaries, claims, names)
answer.write(found, args.output)
lines = [*found.lines(), f"The report: {args.report}; all tables: findings.txt beside it."]
with files.whole(args.text) as temporary:
    temporary.write_text("\n".join(lines) + "\n")
