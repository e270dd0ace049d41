"""Build the study's report: one page that opens in any browser, without a network.

The answer, the papers' claims, every figure with its data, example prompts with the answers of ICL
and the learners, a comparison with another such page, methods, the configuration and versions. The
same inputs give the same bytes.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument(
    "--parts", type=cli.existing, nargs="+", required=True, help="page.html and what belongs to it"
)
parser.add_argument(
    "--study",
    type=cli.json_object,
    required=True,
    help="JSON: figures (name to kind, title, caption, summary and files), labels, config",
)
parser.add_argument("--manifests", type=cli.existing, nargs="*", default=[], help="of the models")
parser.add_argument(
    "--examples", type=cli.existing, required=True, help="example prompts and answers"
)
parser.add_argument("--claims", type=cli.existing, help="table of claims (none: no such section)")
parser.add_argument("--answer", type=cli.existing, required=True, help="answer of the study")
parser.add_argument("--findings", type=cli.existing, required=True, help="its findings.csv")
parser.add_argument(
    "--reference", type=cli.existing, nargs="?", help="numbers of the reference run of this study"
)
parser.add_argument("--output", type=Path, required=True, help="page to write")
args = parser.parse_args()
cli.table_step()

import jinja2  # after parsing: --help is quick
import yaml
from markdown_it import MarkdownIt
from markupsafe import Markup

from iclgd.io import files, parquet
from iclgd.io.schemas.examples import EXAMPLES
from iclgd.reporting import answer, findings, quantities, select
from iclgd.reporting.claims import overview
from iclgd.reporting.kinds.registry import KINDS
from iclgd.reporting.names import Names
from iclgd.reporting.page import beside, carried, contents, svg
from iclgd.study import roles

parts = {path.name: path.read_text() for path in args.parts}
config = args.study["config"]
names = Names(roles.of_study(config), args.study["labels"])
manifests = select.manifests(args.manifests)
examples = parquet.read(args.examples, EXAMPLES)
claims = parquet.read(args.claims) if args.claims else None
configurations = {name: one["configuration"] for name, one in args.study["figures"].items()}
known = quantities.read(args.reference) if args.reference else {}
known = quantities.comparable(known, configurations)

figures, summaries, verdicts = [], [], []
for name, entry in args.study["figures"].items():
    summary = parquet.read(entry["summary"])
    summaries.append(summary)
    if entry["kind"] == "equivalence":
        verdicts.append(summary)
    plain = KINDS[entry["kind"]].findings(names.with_roles(summary))
    found = findings.of(KINDS[entry["kind"]], Path(entry["summary"]), names)
    drawn = svg.inline(Path(entry["files"][0]), name, found.headline or entry["title"])
    figures.append(
        {
            "name": name,
            **entry,
            "svg": Markup(drawn.markup),
            "alt": contents.alt(entry["title"], drawn.across, drawn.up),
            "headline": found.headline,
            "section": KINDS[entry["kind"]].SECTION,
            "means": KINDS[entry["kind"]].MEANS,
            "means_not": KINDS[entry["kind"]].MEANS_NOT,
            "table": found.table,
            "brackets": found.brackets,
            "beside": beside.verdicts(name, entry["kind"], plain, known),
            "links": [
                (contents.FORMATS[Path(path).suffix[1:]], contents.link(path, args.output))
                for path in entry["files"]
            ],
            "data": contents.link(entry["summary"], args.output),
            "csv": carried.csv(summary),
        }
    )

environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
# A page of docs/, here a section: without its title, its headings one level lower.
methods = parts["methods.md"].partition("\n")[2].replace("\n## ", "\n### ")
shown = contents.in_order(examples, list(manifests), names)
scripts = [text for name, text in parts.items() if name.endswith(".js")]
page = environment.from_string(parts["page.html"]).render(
    script=Markup("\n".join(scripts)),
    style=Markup(parts["style.css"]),
    hashed=contents.hashed,
    answer=answer.read(args.answer),
    meaning=answer.MEANING,
    figures=figures,
    sections=contents.sections(figures),
    summary=contents.summary(manifests.values(), summaries, config["tasks"]),
    claims=None if claims is None else contents.claims(claims, manifests.values()),
    papers=None if claims is None else overview.by_paper(claims),
    beside_cells=None if claims is None else beside.cells(claims, known),
    beside_claims=None if claims is None else beside.claims(claims, known),
    reference=Path(args.reference).name if known else None,
    verdicts=None if claims is None else overview.counts(claims),
    columns=contents.CLAIM,
    models=contents.models(manifests.values()),
    learned=findings.models(manifests.values()),
    examples=contents.explorer(shown, names),
    opened=contents.opened(shown, verdicts),
    found=carried.findings(quantities.read(args.findings)),
    methods=Markup(MarkdownIt("js-default").render(methods)),
    config=yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=100),
    versions=contents.versions(),
    folders=contents.folders({entry["kind"] for entry in args.study["figures"].values()}),
)
with files.whole(args.output) as temporary:
    temporary.write_text(page, encoding="utf-8")
