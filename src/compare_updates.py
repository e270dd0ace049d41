"""Compare the change of weights that imitates ICL with the change that gradient descent makes.

Reads a model's manifest, a task and the demonstrations table. For the first order of each draw it
fits a static patch of every matrix to ICL's states, as `run_imitation` does, and trains the model
on the demonstrations to the last epoch, as `run_gd` does; then on the same with wrong labels, and
on other texts. Writes how alike the patch and each update are, matrix by matrix, and how alike the
changes are that single texts would need; the log has the ridges that were chosen.
"""

import sys

from iclgd.io import cli

parser = cli.asking_parser(__doc__, "table")
parser.add_argument(
    "--patch", type=cli.json_object, required=True, help='JSON such as {"method": "patch"}'
)
parser.add_argument(
    "--learner", type=cli.json_object, required=True, help='JSON such as {"rate": 0.01}'
)
parser.add_argument("--a", default="patch", help="name of the patch in the output")
parser.add_argument("--b", default="gd", help="name of the learner in the output")
args = parser.parse_args()
cli.torch_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.updates import UPDATES
from iclgd.learners import inputs, nulls, settings, teachers, teaching, trainable, training_batch
from iclgd.metrics import updates
from iclgd.metrics.update_measures import MEASURES
from iclgd.models import probes
from iclgd.tasks import prompts
from iclgd.tasks.readouts.next_token import NextToken

entry, learner = teachers.imitating(args.patch), settings.learner(args.learner)
loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.b, args.device, args.threads, orders=1
)
constant = {**constant, "a": args.a, "b": constant.pop("learner")}
readout = NextToken.of_task(loaded.tokenizer, task, runs, loaded.model)
validation = prompts.validation(queries)
ways = probes.Ways(loaded, prefixes=True)
model, chosen = trainable.choose(loaded.model, learner.train, seed=names["task"])

found = []
for run in cli.progress(runs, len(runs), "draws"):
    texts = prompts.unshown(task, run, entry.texts)
    lesson, judge = (
        teaching.lesson(loaded, ways, task, run, rows, readout) for rows in (texts, validation)
    )
    places = teaching.shuffled(len(texts), run) if entry.shuffled else None
    best = teachers.nearest(loaded.model, lesson, judge, entry, places)
    print(f"draw {run.draw}: {best.called}, {best.apart:.4f} from ICL", file=sys.stderr)
    keys = {**constant, "draw": run.draw, "order": run.order}
    changes = {id(one.module): one.change for one in best.matrices}
    patches = {at: change.whole() for at, change in changes.items()}
    spreads = {at: updates.spread(change) for at, change in changes.items()}
    for which, shown in nulls.encoded(loaded, task, run, names).items():
        together, _ = ways.of([tokens for tokens, _ in shown])
        (batch,) = training_batch.batches([shown], learner.loss, loaded.device, together)
        pairs = updates.of_matrices(
            model, best.matrices, updates.trained(model, chosen, batch, learner, best.matrices)
        )
        if not pairs:
            raise cli.InputError(f"learner {args.b} trains no matrix that {args.a} patches")
        for one, name, update in pairs:
            patch = patches[id(one.module)]
            found.append(
                {
                    **keys,
                    "layer": one.layer,
                    "matrix": name.removesuffix(".weight").split(".")[-1],
                    "demonstrations": which,
                    "update_cosine": updates.cosine(patch, update),
                    "shared_inputs": updates.shared_inputs(patch, update, len(shown)),
                    "patch_spread": spreads[id(one.module)],
                }
            )
table = pl.DataFrame(found, schema=UPDATES).with_columns(pl.col(*MEASURES).fill_nan(None))
parquet.write(table, args.output, UPDATES)
