"""Compare two learners' logits, row by row: every metric of agreement, without a GPU.

Writes one row per draw, order, epoch and query, and the curves of token overlap and OCS
over K = 1 ... 100 as means over queries. With --shift, the second learner is the first one
under the next order of the same demonstrations, or with the demonstrations of the next
draw: the agreement of ICL with itself.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--a", type=cli.existing, nargs="+", required=True, help="logits of the first")
parser.add_argument("--b", type=cli.existing, nargs="+", help="logits of the second")
parser.add_argument("--shift", choices=["order", "draw"], help="take the first one's, shifted")
parser.add_argument("--name-b", required=True, help="name of the second learner in the output")
parser.add_argument("--output", type=Path, required=True, help="agreement table to write")
parser.add_argument("--curves", type=Path, required=True, help="curves over K to write")
args = parser.parse_args()
if (args.b is None) == (args.shift is None):
    parser.error("one of --b and --shift is needed")
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.curves import CURVES
from iclgd.io.schemas.logits import LOGITS
from iclgd.metrics import pairing, registry

a = pl.concat(parquet.read(path, LOGITS) for path in args.a)
if args.shift:
    b = pairing.shifted(a, args.shift)
else:
    b = pl.concat(parquet.read(path, LOGITS) for path in args.b)
table, curves = pairing.compare(a, b, args.name_b)
parquet.write(curves, args.curves, CURVES)
parquet.write(table, args.output, registry.AGREEMENT)
