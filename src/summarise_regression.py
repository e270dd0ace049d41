"""Summarise the metrics of von Oswald et al.: how near constructed models are to GD.

Each model, and GD with as many steps as the model has layers, answer the same prompts of linear
regression, with inputs at the training scale (1) and at others. The step size of GD is the one
whose predictions are nearest to the model's on separate prompts. Metrics:
`prediction_distance`, `sensitivity_distance` and `sensitivity_cosine` between the two, and
the losses `loss_model` and `loss_gd` against the targets (1/2 of the squared error); means
over prompts with 95 % bands. Models in a rotated basis, which mixes x and y, are left out.
"""

from functools import partial
from pathlib import Path

from iclgd.io import cli

parser = cli.figure_parser(__doc__)
parser.add_argument("--models", type=cli.existing, nargs="+", required=True, help="manifests")
parser.add_argument("--threads", type=int, default=1, help="CPU threads")
parser.add_argument("--output", type=Path, required=True, help="summary to write")
args = parser.parse_args()
cli.torch_step()

import polars as pl
import torch

from iclgd.io import parquet
from iclgd.metrics.model_metrics import REGRESSION
from iclgd.models import gd_transformer, linear_attention, loading
from iclgd.statistics import summaries

SCALES = (0.25, 0.5, 1.0, 1.5, 2.0)
RATES = [step / 8 for step in range(1, 65)]  # up to 8, where GD is no longer stable
PROMPTS = 100

torch.set_num_threads(args.threads)
generator = torch.Generator().manual_seed(0)
size = (linear_attention.SHOTS, gd_transformer.D_X, gd_transformer.D_Y)
calibration = linear_attention.regression(generator, PROMPTS, *size)
prompts = {s: linear_attention.regression(generator, PROMPTS, *size, scale=s) for s in SCALES}

values = []
for manifest in cli.progress(args.models, len(args.models), "models"):
    name, learner, start, steps = gd_transformer.regressor(loading.load(manifest, "cpu"))
    rate = linear_attention.nearest_rate(learner, start, steps, calibration, RATES)
    for scale, (*shown, query, target) in prompts.items():
        weight = linear_attention.descend(*shown, start, rate, steps)
        by_gd = (weight @ query[..., None])[..., 0]
        by_model = learner(*shown, query)
        slope = linear_attention.sensitivity(partial(learner, *shown), query)
        measured = {
            "prediction_distance": linear_attention.prediction_distance(by_model, by_gd),
            "sensitivity_distance": linear_attention.sensitivity_distance(slope, weight),
            "sensitivity_cosine": linear_attention.sensitivity_cosine(slope, weight),
            "loss_model": (by_model - target).square().sum(-1) / 2,
            "loss_gd": (by_gd - target).square().sum(-1) / 2,
        }
        values += [
            pl.DataFrame({"value": found.detach().numpy()}).with_columns(
                model=pl.lit(name), rate=pl.lit(rate), scale=pl.lit(scale), metric=pl.lit(metric)
            )
            for metric, found in measured.items()
        ]
BY = ["model", "rate", "scale", "metric"]
summary = summaries.bands(pl.concat(values), BY, REGRESSION.values()).rename({"draws": "prompts"})
parquet.write(summary.sort(BY), args.output)
