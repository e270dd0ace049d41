"""Show artifacts of the workflow: python -m iclgd show results/…

For a table: its description, each column with its values and meaning, and the first rows. For a
manifest: the meaning of its entries. For a folder: the artifacts in it.
"""

import signal
from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.prog = "python -m iclgd"
command = parser.add_subparsers(dest="command", metavar="show", required=True).add_parser(
    "show", help="a table, a manifest or a folder", description=__doc__
)
command.add_argument(
    "path", type=Path, nargs="?", default=Path("results"), help="what to look at (default: results)"
)
command.add_argument("--rows", type=int, default=3, help="rows of the head (default: 3)")
command.add_argument("--where", help="condition in SQL, such as \"split = 'test' AND js > 0.5\"")
args = parser.parse_args()
if args.rows < 0:
    command.error("--rows: a number from 0 is needed")

from rich.console import Console  # after parsing: --help is quick

from iclgd.reporting import show

signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # as in `… | head`
Console(highlight=False).print(*show.show(args.path, args.rows, args.where), sep="\n")
