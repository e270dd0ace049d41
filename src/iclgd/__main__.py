"""Look at results: python -m iclgd show results/…, python -m iclgd reference compare results/…

show: of a table its description, each column with its values and meaning, and the first rows; of a
manifest the meaning of its entries; of a folder the artifacts in it.
reference: the numbers of one run of a study that come with the workflow (docs/reference/STUDY.csv),
which pages quote and the report shows beside its own.
"""

import signal
import sys
from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.prog = "python -m iclgd"
commands = parser.add_subparsers(dest="command", metavar="show | reference", required=True)
show = commands.add_parser("show", help="a table, a manifest or a folder", description=__doc__)
show.add_argument(
    "path", type=Path, nargs="?", default=Path("results"), help="what to look at (default: results)"
)
show.add_argument("--rows", type=int, default=3, help="rows of the head (default: 3)")
show.add_argument("--where", help="condition in SQL, such as \"split = 'test' AND js > 0.5\"")
reference = commands.add_parser("reference", help="numbers of reference runs", description=__doc__)
actions = reference.add_subparsers(dest="action", metavar="compare | write | pages", required=True)
for name, what in (
    ("compare", "print what a finished run prints otherwise than the reference (exit 1), if any"),
    ("write", "make a finished run the reference of the study of its name"),
):
    action = actions.add_parser(name, help=what, description=what)
    action.add_argument("run", type=Path, help="the study's folder, such as results/default")
pages = "write the tables that README.md and docs/results.md quote from the references"
actions.add_parser("pages", help=pages, description=pages)
args = parser.parse_args()
if args.command == "show" and args.rows < 0:
    show.error("--rows: a number from 0 is needed")

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as in `… | head`
if args.command == "show":
    from rich.console import Console  # after parsing: --help is quick

    from iclgd.reporting import show

    Console(highlight=False).print(*show.show(args.path, args.rows, args.where), sep="\n")
    sys.exit()

from iclgd.reporting import quantities, quotes
from iclgd.study import places

if args.action == "pages":
    for page in map(Path, map(places.own, quotes.PAGES)):
        page.write_text(quotes.rewritten(page.read_text(), quantities.reference))
    sys.exit()
run = quantities.of_run(args.run)
study = args.run.resolve().name
if args.action == "write":
    quantities.write(Path(places.reference(study)), run.values())
    sys.exit()
lines = quantities.differences(run, quantities.reference(study))
print(*lines, sep="\n", end="\n" if lines else "")
sys.exit(bool(lines))
