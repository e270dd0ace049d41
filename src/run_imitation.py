"""ICL imitated without training: by a task vector, or by a static patch of the MLPs.

Reads a model's manifest, a task and the demonstrations table; writes the logits table, one
row for each draw, order and query, asked alone of a model that is changed at the last token. The
change comes from ICL's states on training texts that the draw does not show, without labels. Which
layer, or which ridge, is chosen for every draw and order by total variation from ICL on the
validation queries; the log has what was chosen.
"""

import sys
from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--model", type=cli.existing, required=True, help="manifest, models/X.json")
parser.add_argument("--task", type=cli.existing, required=True, help="task table, tasks/X.parquet")
parser.add_argument("--demonstrations", type=cli.existing, required=True, help="table of orders")
parser.add_argument(
    "--learner",
    type=cli.json_object,
    required=True,
    help='JSON such as {"method": "vector", "how": "add"} or {"method": "patch", "texts": 256}',
)
parser.add_argument("--orders", type=int, help="imitate the first so many orders of a draw only")
parser.add_argument("--name", default="imitation", help="learner's name in the output")
parser.add_argument("--keep", type=int, default=1024, help="most likely tokens to keep")
parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])
parser.add_argument("--threads", type=int, default=1, help="CPU threads")
parser.add_argument("--output", type=Path, required=True, help="logits table to write")
args = parser.parse_args()
cli.torch_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.logits import LOGITS
from iclgd.learners import batches, inputs, teachers, teaching
from iclgd.models import attention, probes
from iclgd.tasks import prompts
from iclgd.tasks.readouts.next_token import NextToken

entry = teachers.imitating(args.learner)
loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.name, args.device, args.threads, args.orders
)
words = prompts.labels(task)
readout = NextToken.of_task(loaded.tokenizer, task, runs, loaded.model, args.keep)
alone = prompts.encode_queries(loaded.tokenizer, queries)
validation = queries.filter(pl.col("split") == "validation")
if validation.is_empty():
    raise cli.InputError(f"task {names['task']} has no validation queries to choose a change by")
prompts.check_length([len(tokens) for tokens in alone], loaded.context, **names)
ways, model = probes.Ways(loaded, prefixes=True), loaded.model
attention.simplify(model)
asked = teaching.Texts(alone, ways.of(alone)[0])

with parquet.Parts(args.output, LOGITS) as table:
    for run in cli.progress(runs, len(runs), "draws and orders"):
        texts = prompts.unshown(task, run, entry.texts)
        lesson, judge = (
            teaching.lesson(loaded, ways, task, run, rows, readout) for rows in (texts, validation)
        )
        places = teaching.shuffled(len(texts), run) if entry.shuffled else None
        change, chosen, apart = teachers.nearest(model, lesson, judge, entry, places)
        print(
            f"draw {run.draw}, order {run.order}: {chosen}, {apart:.4f} from ICL", file=sys.stderr
        )
        keys = {"draw": run.draw, "order": run.order, "epoch": 0}
        for first in range(0, len(queries), batches.QUERIES):
            numbers = list(range(len(alone)))[first : first + batches.QUERIES]
            found = readout.read(teaching.logits(model, asked.these(numbers), change))
            own = prompts.bound(queries.slice(first, batches.QUERIES), run, words)
            table.add((*keys.values(), first), readout.rows(found, {**constant, **keys}, own))
