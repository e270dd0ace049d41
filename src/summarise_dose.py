"""Summarise how agreement falls as a model departs from the construction of gradient descent.

The one model without a list is the construction, dose 0 of every departure; `name@value`
is the departure `name` at that dose. GD takes as many steps (epochs) as the model has layers. In
the departure `steps of GD` GD itself departs: the construction against every recorded epoch, the
dose being the steps beyond the layers. `nature` is what the departed model computes, compared with
the learner: GD with another kernel, rate or number of steps, or not GD. Metrics are those of the
agreement tables and `sen_a`, `sen_b` (order sensitivity of each learner); estimates over test
queries with 95 % intervals. `response` is how a metric of agreement changes as the dose grows: it
`falls`, `wavers`, or is `blind` (null for metrics that do not measure agreement). `tv_slope`,
without a dose, is the slope of total variation over the dose, with its interval over draws.
"""

import json
from pathlib import Path

from iclgd.io import cli, parquet
from iclgd.io.schemas.keys import RUN_COLUMNS
from iclgd.io.schemas.logits import LOGITS
from iclgd.metrics import registry

parser = cli.figure_parser(__doc__)
parser.add_argument(
    "--agreement", type=cli.existing, nargs="+", required=True, help="agreement tables"
)
parser.add_argument("--logits", type=cli.existing, nargs="+", required=True, help="their logits")
parser.add_argument(
    "--manifests", type=cli.existing, nargs="+", required=True, help="of the models"
)
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()

import polars as pl  # after parsing: --help is quick

from iclgd.metrics import order_sensitivity
from iclgd.reporting.kinds import dose
from iclgd.statistics import intervals, summaries

RUN = list(RUN_COLUMNS)
manifests = {m["model"]: m for m in (json.loads(path.read_text()) for path in args.manifests)}
layers = {name: manifest["layers"] for name, manifest in manifests.items()}
natures = {name: dose.nature(m["pretraining"] or {}) for name, m in manifests.items()}
found, distances, learners = [], [], set()
for path in args.agreement:
    rows = parquet.read(path, registry.AGREEMENT).filter(pl.col("split") == "test")
    found.append(intervals.means(rows, [*RUN, "epoch"], registry.METRICS.values()))
    distances.append(summaries.draw_means(rows, [*RUN, "epoch", "draw"], ["tv"]))
    learners.add((parquet.only(rows, "a"), parquet.only(rows, "b")))
if len(learners) > 1:
    raise cli.InputError(f"--agreement: one pair of learners is needed, found {sorted(learners)}")
side = {name: f"sen_{letter}" for name, letter in zip(learners.pop(), "ab", strict=True)}
for path in args.logits:
    rows = parquet.read(path, LOGITS).filter(pl.col("split") == "test")
    name, sens = side[parquet.only(rows, "learner")], []
    if rows["epoch"].n_unique() == 1:  # ICL is compared with this epoch of GD
        rows = rows.with_columns(epoch=pl.lit(layers[parquet.only(rows, "model")], pl.Int32))
    for _, group in rows.group_by("epoch", "draw", maintain_order=True):
        if answers := order_sensitivity.read(group):
            first = group.select(*RUN, "epoch", "draw").head(1)
            own = pl.DataFrame({"example": answers.examples, name: order_sensitivity.sen(answers)})
            sens.append(first.join(own, how="cross"))
    found.append(
        intervals.means(pl.concat(sens), [*RUN, "epoch"], [order_sensitivity.SEN_OF[name]])
    )
graded = dose.graded(pl.concat(found), layers, natures)
slopes = dose.slopes(pl.concat(distances), layers, natures)
parquet.write(pl.concat([graded, slopes], how="diagonal"), args.output)
