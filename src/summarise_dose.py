"""Summarise how agreement falls as a model departs from the construction of gradient descent.

The one model without a list is the construction, dose 0 of every departure; `name@value`
is the departure `name` at that dose. Agreement is read twice (`reading`): `tuned`, with GD at the
rate and epoch that are nearest to the model's ICL on validation queries, of all that the
learner has, so that what is left is departure and not another rate; and `untuned`, with GD as the
construction does it: its rate, and as many steps (epochs) as the model has layers. A learner of
method kernel among the pairs gives a third, `kernel`: GD on functions, at the nearest of its own
rates and epochs. `at_end` says that the tuned rate or epoch is the first or last that was tried. In
the departure `steps of GD` GD itself departs: the construction against every recorded epoch at its
own rate, the dose being the steps beyond the layers. `nature` is what the departed model computes,
compared with the learner: GD with another kernel, rate or number of steps, or not GD. Metrics are
those of the agreement tables and `sen_a`, `sen_b` (order sensitivity of each learner); estimates
over test queries with 95 % intervals, and total variation of every draw alone in rows with its
number in `draw`. `response` is how a metric of agreement changes as the dose grows: it `falls`,
`wavers`, or is `blind` (null for metrics that do not measure agreement). `tv_slope`, without a
dose, is the slope of total variation over the dose, with its interval over draws.
"""

import json
from pathlib import Path

from iclgd.io import cli

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
cli.table_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.logits import LOGITS
from iclgd.metrics import registry
from iclgd.reporting import tuning
from iclgd.reporting.kinds import dose
from iclgd.statistics.sensitivity import ON_FUNCTIONS
from iclgd.study.names import base

manifests = {m["model"]: m for m in (json.loads(path.read_text()) for path in args.manifests)}
entries = {name: manifest["pretraining"] or {} for name, manifest in manifests.items()}
layers = {name: manifest["layers"] for name, manifest in manifests.items()}
natures = {name: dose.nature(entry) for name, entry in entries.items()}
root = dose.construction(layers)
agreement = [parquet.read(path, registry.AGREEMENT) for path in args.agreement]
pairs = sorted({(parquet.only(rows, "a"), parquet.only(rows, "b")) for rows in agreement})
on_functions = {b for _, b in pairs if args.figure.roles[base(b)] in ON_FUNCTIONS}
descent = [pair for pair in pairs if pair[1] not in on_functions]
own = tuning.learner_of_rate(descent, entries[root].get("rate"))
logits = tuning.by_run(parquet.read(path, LOGITS) for path in args.logits)

found = []
for place, (icl, gd) in tuning.sides(logits, pairs, root).items():
    parts = [rows for rows in agreement if rows.select(list(RUN_COLUMNS)).row(0) == place]

    def nearest(learners: list[str], icl=icl, gd=gd, parts=parts) -> tuning.Nearest:
        mine = [rows for rows in parts if rows["b"][0] in learners]
        return tuning.nearest(
            pl.concat(mine) if mine else tuning.distances(icl, {one: gd[one] for one in learners})
        )

    best = {dose.TUNED: nearest([b for _, b in descent])}
    if on_functions:
        best[dose.KERNEL] = nearest(sorted(on_functions))
    read = {reading: (one.learner, [one.epoch]) for reading, one in best.items()}
    steps = range(1 + max(gd[own]["epoch"])) if place[0] == root else [layers[place[0]]]
    for reading, (learner, epochs) in {**read, dose.UNTUNED: (own, steps)}.items():
        rows = (
            pl.concat(parts).filter(b=learner) if parts else tuning.rows(icl, gd[learner], epochs)
        )
        at_end = best[reading].at_end if reading in best else None
        found.append(
            tuning.estimates(
                rows.filter(pl.col("epoch").is_in(epochs)), icl, gd[learner]
            ).with_columns(
                reading=pl.lit(reading),
                rate=pl.lit(tuning.rate(learner), pl.Float64),
                at_end=pl.lit(at_end, pl.Boolean),
            )
        )
graded = dose.graded(pl.concat(found), layers, natures)
parquet.write(pl.concat([graded, dose.slopes(graded, root)], how="diagonal"), args.output)
