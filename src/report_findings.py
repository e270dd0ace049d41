"""Write short tables: which models learned in context, the papers' claims, and every figure.

As text to read, and every value of it as a row of one long table.
"""

import json
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
    help="JSON: figures by name, each with its kind and roles (iclgd.io.figures)",
)
parser.add_argument(
    "--manifests", type=cli.existing, nargs="+", required=True, help="of the models"
)
parser.add_argument("--claims", type=cli.existing, help="table of claims (none: no such section)")
parser.add_argument("--answer", type=cli.existing, required=True, help="answer of the study")
parser.add_argument(
    "--configurations",
    type=cli.json_object,
    required=True,
    help="JSON: by figure a hash of all entries that it needs",
)
parser.add_argument("--output", type=Path, required=True, help="text to write")
parser.add_argument("--quantities", type=Path, required=True, help="long table to write (CSV)")
args = parser.parse_args()
cli.table_step()

from iclgd.io import files, parquet  # after parsing: --help is quick
from iclgd.reporting import answer, findings, quantities
from iclgd.reporting.claims import overview
from iclgd.reporting.kinds.registry import KINDS
from iclgd.reporting.names import Names

manifests = [json.loads(path.read_text()) for path in args.manifests]
models = findings.models(manifests)
values = quantities.of_table(quantities.MODELS, quantities.MODELS, models)
values.append(quantities.of_answer(answer.read(args.answer).sentence))
lines = [
    *findings.layout(models),
    "",
    "Values are means over draws and queries of the test split; GD at the rate and epoch chosen on",
    "validation queries. In brackets, unless a table says otherwise: 95 % intervals over draws and",
    "queries.",
]
judged = parquet.read(args.claims) if args.claims else None
claims = [] if judged is None else overview.findings(judged)
if len(claims) > 1:
    values += quantities.of_claims(judged)
    head = "claims of the papers (cells: a model, a task, a number of demonstrations and a learner)"
    lines += ["", head, *(f"  {line}" for line in findings.layout(claims))]
for path in args.summaries:
    figure = args.figures[findings.figure(path, args.figures)]
    kind = KINDS[figure.kind]
    usual = kind.BRACKETS == findings.USUAL
    head = figure.name if usual else f"{figure.name} (in brackets: {kind.BRACKETS})"
    table = kind.findings(Names(figure.roles).with_roles(parquet.read(path)))
    values += quantities.of_table(figure.name, figure.kind, table)
    configuration = args.configurations[figure.name]
    values.append(quantities.of_configuration(figure.name, figure.kind, configuration))
    table = findings.with_models(table, manifests)
    lines += ["", head, *(f"  {line}" for line in findings.layout(table))]

with files.whole(args.output) as temporary:
    temporary.write_text("\n".join(lines) + "\n")
quantities.write(args.quantities, values)
