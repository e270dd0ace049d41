"""Measure what first-order steps in each group of weights can reach of ICL's change.

Reads a model's manifest, a task and the demonstrations table; writes a row for each draw, group of
weights (a matrix of a layer, the rest, all), part of the change (which label; whether a label at
all) and kind of demonstrations (the draw's own, the same with wrong labels, other texts): the share
of how ICL's change differs between queries that their gradients reach on test queries, with weights
of no negative sign fitted on validation queries, and the cosine of the plain step. The first order
of each draw.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--model", type=cli.existing, required=True, help="manifest, models/X.json")
parser.add_argument("--task", type=cli.existing, required=True, help="task table, tasks/X.parquet")
parser.add_argument("--demonstrations", type=cli.existing, required=True, help="table of orders")
parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
parser.add_argument("--threads", type=int, default=1, help="CPU threads")
parser.add_argument("--output", type=Path, required=True, help="table to write")
args = parser.parse_args()
cli.torch_step()

import polars as pl  # after parsing: --help is quick
import torch

from iclgd.io import parquet
from iclgd.io.schemas.reach import REACH
from iclgd.learners import inputs, teaching
from iclgd.metrics import reach
from iclgd.metrics.reach_measures import DEMONSTRATIONS, LABELS, MAPPING
from iclgd.models import architectures, attention, probes, row_check
from iclgd.tasks import answer_tokens, prompts
from iclgd.tasks.readouts.next_token import NextToken

loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, "reach", args.device, args.threads, orders=1
)
del constant["learner"]
readout = NextToken.of_task(loaded.tokenizer, task, runs, loaded.model)
model, labels, words = loaded.model, readout.targets, prompts.labels(task)
attention.simplify(model)
if model.dtype in (torch.bfloat16, torch.float16):
    raise cli.InputError(f"model {loaded.name}: gradients need 'dtype: float32' or float64")
if len(reach.groups(model)) > 1 and architectures.row(model.config).mlp:
    row_check.check(model, matrices=architectures.MATRICES)
ways, groups = probes.Ways(loaded, prefixes=True), reach.groups(model)
validates = (queries["split"] == "validation").to_numpy()
if not validates.any():
    raise cli.InputError(f"task {names['task']} has no validation queries to fit on")
PARTS = {MAPPING: slice(0, len(labels)), LABELS: slice(len(labels), None)}


def encoded(rows: pl.DataFrame, shift: int = 0) -> list[tuple[list[int], int]]:
    """Demonstrations alone with their answers, or with those of the label ``shift`` further."""
    texts = (rows["instruction"] + rows["text"]).to_list()
    answers = [words[(label + shift) % len(words)] for label in rows["label"]]
    made = answer_tokens.encode_answers(loaded.tokenizer, texts, answers)
    prompts.check_length([len(tokens) for tokens, _ in made], loaded.context, **names)
    return made


found = []
for run in cli.progress(runs, len(runs), "draws"):
    rows = prompts.bound(task, run, words)
    shown = pl.concat([rows.filter(example=one) for one in run.examples])
    others = prompts.unshown(rows, run, len(shown))
    if len(others) < len(shown):
        raise cli.InputError(
            f"task {names['task']}: as many other training rows are needed as demonstrations"
        )
    lesson = teaching.lesson(loaded, ways, task, run, queries, readout)
    change = reach.scores(teaching.logits(model, lesson.after).double(), labels)
    change = (change - reach.scores(teaching.logits(model, lesson.alone).double(), labels)).cpu()
    with reach.trainable(model):
        sets = [
            [reach.of_loss(model, one) for one in some]
            for some in (encoded(shown), encoded(shown, 1), encoded(others))
        ]
        images = torch.stack(
            [reach.images(model, one, labels, sets) for one in lesson.alone.sequences]
        )  # [queries, sets, demonstrations, groups, scores]
    for which, demonstrations in enumerate(DEMONSTRATIONS):
        for at, group in enumerate(groups):
            for part, of in PARTS.items():
                own, wanted = images[:, which, :, at, of], change[:, of]
                fit, test = torch.from_numpy(validates), torch.from_numpy(~validates)
                r2, cosine = reach.reached(own[fit], wanted[fit], own[test], wanted[test])
                found.append(
                    {
                        **constant,
                        **{"draw": run.draw, "order": run.order, **group._asdict()},
                        **{"part": part, "demonstrations": demonstrations},
                        **{"r2": r2, "cosine": cosine},
                    }
                )
table = pl.DataFrame(found, schema=REACH).with_columns(pl.col("r2", "cosine").fill_nan(None))
parquet.write(table, args.output, REACH)
