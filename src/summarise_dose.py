"""Summarise how agreement falls as a model departs from the construction of gradient descent.

The one model without a list is the construction, dose 0 of every departure; `name@value`
is the departure `name` at that dose. Agreement is read twice (`reading`): `tuned`, with GD at the
rate and epoch that are nearest to the model's ICL on validation queries, of all that the
learner has, so that what is left is departure and not another rate; and `untuned`, with GD as the
construction does it: its rate, and as many steps (epochs) as the model has layers. `at_end` says
that the tuned rate or epoch is the first or last that was tried. In the departure
`steps of GD` GD itself departs: the construction against every recorded epoch at its own rate, the
dose being the steps beyond the layers. `nature` is what the departed model computes, compared with
the learner: GD with another kernel, rate or number of steps, or not GD. Metrics are those of the
agreement tables and `sen_a`, `sen_b` (order sensitivity of each learner); estimates over test
queries with 95 % intervals, and total variation of every draw alone in rows with its number in
`draw`. `response` is how a metric of agreement changes as the dose grows: it `falls`,
`wavers`, or is `blind` (null for metrics that do not measure agreement). `tv_slope`, without
a dose, is the slope of total variation over the dose, with its interval over draws.
"""

import json
from pathlib import Path

from iclgd.io import cli, parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.logits import LOGITS
from iclgd.metrics import registry

parser = cli.figure_parser(__doc__)
parser.add_argument(
    "--agreement", type=cli.existing, nargs="+", required=True, help="those of the construction"
)
parser.add_argument(
    "--logits",
    type=cli.existing,
    nargs="+",
    required=True,
    help="of ICL of every model, and of GD of the construction",
)
parser.add_argument(
    "--manifests", type=cli.existing, nargs="+", required=True, help="of the models"
)
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()

import polars as pl  # after parsing: --help is quick

from iclgd.reporting import tuning
from iclgd.reporting.kinds import dose

manifests = {m["model"]: m for m in (json.loads(path.read_text()) for path in args.manifests)}
entries = {name: manifest["pretraining"] or {} for name, manifest in manifests.items()}
layers = {name: manifest["layers"] for name, manifest in manifests.items()}
natures = {name: dose.nature(entry) for name, entry in entries.items()}
root = dose.construction(layers)
agreement = [parquet.read(path, registry.AGREEMENT) for path in args.agreement]
pairs = sorted({(parquet.only(rows, "a"), parquet.only(rows, "b")) for rows in agreement})
own = tuning.learner_of_rate(pairs, entries[root].get("rate"))
logits = tuning.by_run(parquet.read(path, LOGITS) for path in args.logits)

found = []
for place, (icl, gd) in tuning.sides(logits, pairs, root).items():
    parts = [rows for rows in agreement if rows.select(list(RUN_COLUMNS)).row(0) == place]
    grid = pl.concat(parts) if parts else tuning.distances(icl, gd)
    best = tuning.nearest(grid)
    steps = range(1 + max(gd[own]["epoch"])) if place[0] == root else [layers[place[0]]]
    for reading, learner, epochs in (
        (dose.TUNED, best.learner, [best.epoch]),
        (dose.UNTUNED, own, steps),
    ):
        rows = (
            pl.concat(parts).filter(b=learner) if parts else tuning.rows(icl, gd[learner], epochs)
        )
        found.append(
            tuning.estimates(
                rows.filter(pl.col("epoch").is_in(epochs)), icl, gd[learner]
            ).with_columns(
                reading=pl.lit(reading),
                rate=pl.lit(tuning.rate(learner), pl.Float64),
                at_end=pl.lit(best.at_end if reading == dose.TUNED else None, pl.Boolean),
            )
        )
graded = dose.graded(pl.concat(found), layers, natures)
parquet.write(pl.concat([graded, dose.slopes(graded, root)], how="diagonal"), args.output)
