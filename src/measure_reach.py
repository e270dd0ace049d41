"""Measure what first-order steps in each group of weights can reach of ICL's change.

Reads a model's manifest, a task and the demonstrations table; writes a row for each draw, group of
weights (a matrix of a layer, the rest, all), part of the change (which label; whether a label at
all) and kind of demonstrations (the draw's own, the same with wrong labels, other texts): the share
of how ICL's change differs between queries that their gradients reach on test queries, with weights
of no negative sign fitted on validation queries, and the cosine of the plain step. The first order
of each draw.
"""

from iclgd.io import cli

parser = cli.asking_parser(__doc__, "table")
args = parser.parse_args()
cli.torch_step()

import polars as pl  # after parsing: --help is quick
import torch

from iclgd.io import parquet
from iclgd.io.schemas.reach import REACH
from iclgd.learners import inputs, nulls, teaching
from iclgd.metrics import reach
from iclgd.metrics.reach_measures import LABELS, MAPPING, MEASURES
from iclgd.models import architectures, attention, probes, row_check
from iclgd.tasks import prompts
from iclgd.tasks.readouts.next_token import NextToken

loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, "reach", args.device, args.threads, orders=1
)
del constant["learner"]
readout = NextToken.of_task(loaded.tokenizer, task, runs, loaded.model)
model, labels = loaded.model, readout.targets
attention.simplify(model)
inputs.check_exact(loaded)
if len(reach.groups(model)) > 1 and architectures.row(model.config).mlp:
    row_check.check(model, matrices=architectures.MATRICES)
ways, groups = probes.Ways(loaded, prefixes=True), reach.groups(model)
validates = queries["example"].is_in(prompts.validation(queries)["example"].to_list()).to_numpy()
PARTS = {MAPPING: slice(0, len(labels)), LABELS: slice(len(labels), None)}

found = []
for run in cli.progress(runs, len(runs), "draws"):
    sets = nulls.encoded(loaded, task, run, names)
    lesson = teaching.lesson(loaded, ways, task, run, queries, readout)
    change = reach.scores(teaching.logits(model, lesson.after).double(), labels)
    change = (change - reach.scores(teaching.logits(model, lesson.alone).double(), labels)).cpu()
    with reach.trainable(model):
        gradients = [[reach.of_loss(model, one) for one in some] for some in sets.values()]
        images = torch.stack(
            [reach.images(model, one, labels, gradients) for one in lesson.alone.sequences]
        )  # [queries, sets, demonstrations, groups, scores]
    for which, demonstrations in enumerate(sets):
        for at, group in enumerate(groups):
            for part, of in PARTS.items():
                own, wanted = images[:, which, :, at, of], change[:, of]
                fit, test = torch.from_numpy(validates), torch.from_numpy(~validates)
                reached = reach.reached(own[fit], wanted[fit], own[test], wanted[test])
                found.append(
                    {
                        **constant,
                        **{"draw": run.draw, "order": run.order, **group._asdict()},
                        **{"part": part, "demonstrations": demonstrations},
                        **reached._asdict(),
                    }
                )
table = pl.DataFrame(found, schema=REACH).with_columns(pl.col(*MEASURES).fill_nan(None))
parquet.write(table, args.output, REACH)
