"""Ask a model, and look at results: python -m iclgd study | show | reference

study: composes a study of one model on one task, writes it to a file, runs it, prints its answer.
show: of a table its description, each column with its values and meaning, and the first rows; of a
manifest the meaning of its entries; of a folder the artifacts in it.
reference: the numbers of one run of a study that come with the workflow (docs/reference/STUDY.csv),
which pages quote and the report shows beside its own.
"""

import argparse
import signal
import sys
from pathlib import Path

from iclgd.io import cli


def pair(text: str) -> tuple[str, str]:
    """Argparse type: ``0=Negative``."""
    value, equals, word = text.partition("=")
    if not (value and equals and word):
        raise argparse.ArgumentTypeError(f"{text!r}: VALUE=WORD is needed, such as 0=Negative")
    return value, word


parser = cli.parser(__doc__)
parser.prog = "python -m iclgd"
commands = parser.add_subparsers(dest="command", metavar="study | show | reference", required=True)
study = commands.add_parser("study", help="ask a model", description=__doc__)
study.add_argument(
    "--model", required=True, help="folder, GGUF file, owner/name of the hub, or a name as smollm2"
)
study.add_argument(
    "--task", required=True, help="CSV, JSONL, JSON or Parquet file, or a name as sst2"
)
study.add_argument("--text", default="text", help="column of the inputs (default: text)")
study.add_argument("--label", default="label", help="column of the labels (default: label)")
study.add_argument(
    "--words",
    nargs="+",
    type=pair,
    default=[],
    metavar="VALUE=WORD",
    help="label words (default: the labels themselves)",
)
study.add_argument("--shots", type=int, default=4, help="demonstrations (default: 4)")
study.add_argument(
    "--minutes", type=float, default=20, help="about how long it may take (default: 20)"
)
study.add_argument("--cores", type=int, help="default: all")
study.add_argument("--name", help="of the study and its file (default: MODEL-TASK)")
study.add_argument("--plan", action="store_true", help="write the file, and run nothing")
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
if args.command == "study" and args.shots < 2:
    study.error(
        "--shots: a number from 2 is needed: the order of one says nothing of ICL's own noise"
    )
if args.command == "show" and args.rows < 0:
    show.error("--rows: a number from 0 is needed")

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as in `… | head`
if args.command == "show":
    from rich.console import Console  # after parsing: --help is quick

    from iclgd.reporting import show

    Console(highlight=False).print(*show.show(args.path, args.rows, args.where), sep="\n")
    sys.exit()

if args.command == "study":
    from iclgd import ask

    sys.exit(ask.run(args))

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
