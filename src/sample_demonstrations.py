"""Draw demonstrations: the one table of draws and orders that every learner uses.

A draw depends on the task and the number of the draw alone, so designs with more shots
extend those with fewer. Classes are balanced as far as the number of shots allows. The binding of
classes to label words may be drawn with them, so that a finding is not one of a single binding.
"""

import re
from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--task", type=cli.existing, required=True, help="task table")
parser.add_argument("--design", required=True, help="name of the design in the output")
parser.add_argument("--shots", type=int, required=True, help="demonstrations per draw")
parser.add_argument("--orders", default="1", help="orders per draw: a number, or 'all' (shots!)")
parser.add_argument(
    "--bindings",
    default="fixed",
    choices=["fixed", "drawn"],
    help="drawn: every draw gives the label words to the classes anew",
)
parser.add_argument(
    "--conflict", action="store_true", help="show every input twice, with different labels"
)
parser.add_argument(
    "--like", type=cli.existing, help="task table whose draws, orders and bindings these are"
)
parser.add_argument(
    "--wrong", type=float, default=0.0, help="share of rows shown by their twin with the next label"
)
parser.add_argument("--draws", required=True, help="first and last draw, such as 0-4")
parser.add_argument("--output", type=Path, required=True, help="demonstrations table to write")
args = parser.parse_args()
cli.table_step()

from iclgd.io import parquet  # after parsing: --help is quick
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.task import TASK
from iclgd.tasks import sampling

if not re.fullmatch(r"\d+-\d+", args.draws):
    parser.error(f"--draws {args.draws}: two numbers are needed, such as 0-4")
first, last = map(int, args.draws.split("-"))
if first > last or args.shots < 1:
    parser.error("at least one draw and one shot are needed")
if not re.fullmatch(r"all|[1-9]\d*", args.orders):
    parser.error(f"--orders {args.orders}: a number or 'all' is needed")
orders = "all" if args.orders == "all" else int(args.orders)
task = parquet.read(args.task, TASK)
draws, drawn = range(first, last + 1), args.bindings == "drawn"
like = parquet.read(args.like, TASK) if args.like else None
more = {"conflict": args.conflict, "like": like, "wrong": args.wrong}
table = sampling.demonstrations(task, args.design, args.shots, orders, draws, drawn, **more)
parquet.write(table, args.output, DEMONSTRATIONS)
