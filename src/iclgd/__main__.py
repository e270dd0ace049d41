"""Ask a model, run a study, and look at results: iclgd study | run | show | reference

study: composes a study of one model on one task, writes it to a file, runs it, prints its answer.
run: runs a study, the default one or that of a file, and prints its answer.
show: of a table its description, each column with its values and meaning, and the first rows; of a
manifest the meaning of its entries; of a folder the artifacts in it.
reference: the numbers of one run of a study that come with the workflow (docs/reference/STUDY.csv),
which pages quote and the report shows beside its own.
"""

from __future__ import annotations

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


def arguments() -> argparse.Namespace:
    """The command line, checked."""
    parser = cli.parser(__doc__)
    parser.prog = "iclgd"
    commands = parser.add_subparsers(
        dest="command", metavar="study | run | show | reference", required=True
    )

    study = commands.add_parser("study", help="ask a model", description=__doc__)
    option = study.add_argument
    option("--model", required=True, help="folder, GGUF file, owner/name of the hub, or a name")
    option("--task", required=True, help="CSV, JSONL, JSON or Parquet file, or a name as sst2")
    option("--text", default="text", help="column of the inputs (default: text)")
    option("--label", default="label", help="column of the labels (default: label)")
    words = "label words (default: the labels themselves)"
    option("--words", nargs="+", type=pair, default=[], metavar="VALUE=WORD", help=words)
    option("--shots", type=int, default=4, help="demonstrations (default: 4)")
    minutes = "about how long it may take (default: 20)"
    option("--minutes", type=float, default=20, help=minutes)
    option("--cores", type=int, help="default: all")
    option("--name", help="of the study and its file (default: MODEL-TASK)")
    option("--plan", action="store_true", help="write the file, and run nothing")

    run = commands.add_parser("run", help="run a study", description=__doc__)
    run.add_argument("file", nargs="?", help="as config/real.yaml (default: config.yaml)")
    run.add_argument("--cores", type=int, help="default: all")
    run.add_argument("--plan", action="store_true", help="what it would take, and run nothing")

    show = commands.add_parser("show", help="a table, a manifest, a folder", description=__doc__)
    results = Path("results")
    show.add_argument("path", type=Path, nargs="?", default=results, help="(default: results)")
    show.add_argument("--rows", type=int, default=3, help="rows of the head (default: 3)")
    show.add_argument("--where", help="condition in SQL, such as \"split = 'test' AND js > 0.5\"")

    about = "numbers of reference runs"
    reference = commands.add_parser("reference", help=about, description=__doc__)
    actions = reference.add_subparsers(
        dest="action", metavar="compare | write | pages", required=True
    )
    for name, what in (
        ("compare", "print what a finished run prints otherwise than the reference (exit 1)"),
        ("write", "make a finished run the reference of the study of its name"),
    ):
        action = actions.add_parser(name, help=what, description=what)
        action.add_argument("run", type=Path, help="the study's folder, such as results/default")
    pages = "write the tables that README.md and docs/results.md quote from the references"
    actions.add_parser("pages", help=pages, description=pages)

    args = parser.parse_args()
    if args.command == "study" and args.shots < 2:
        alone = "the order of one says nothing of ICL's own noise"
        study.error(f"--shots: a number from 2 is needed: {alone}")
    if args.command == "show" and args.rows < 0:
        show.error("--rows: a number from 0 is needed")
    return args


def main() -> int:
    """The exit status. Imports what a command needs after parsing: --help is quick."""
    args = arguments()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as in `… | head`
    if args.command == "study":
        from iclgd import ask

        return ask.run(args)
    if args.command == "run":
        from iclgd import launch

        return launch.run(args.file, args.cores, plan=args.plan)
    if args.command == "show":
        from rich.console import Console

        from iclgd.reporting import show

        Console(highlight=False).print(*show.show(args.path, args.rows, args.where), sep="\n")
        return 0
    return reference(args)


def reference(args: argparse.Namespace) -> int:
    """Compare a run with its reference, make it the reference, or write the pages that quote it."""
    from iclgd.reporting import quantities, quotes
    from iclgd.study import places

    if args.action != "compare" and places.WORKFLOW == places.CARRIED:
        raise cli.InputError(f"reference {args.action}: a clone of the workflow is needed")
    if args.action == "pages":
        for page in map(Path, map(places.own, quotes.PAGES)):
            page.write_text(quotes.rewritten(page.read_text(), quantities.reference))
        return 0
    run = quantities.of_run(args.run)
    study = args.run.resolve().name
    if args.action == "write":
        quantities.write(Path(places.reference(study)), run.values())
        return 0
    lines = quantities.differences(run, quantities.reference(study))
    print(*lines, sep="\n", end="\n" if lines else "")
    return bool(lines)


if __name__ == "__main__":
    sys.exit(main())
