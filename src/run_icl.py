"""In-context learning: next-token distributions of every query after its demonstrations.

Reads a model's manifest, a task and the demonstrations table; writes the logits table, one
row for each draw, order and query. The prompt is the instruction, every demonstration in
its stored order, and the query; a prompt that does not fit the context is an error. A model with
the same vocabulary may answer in the place of the one that is compared. With `--imagined` one more
demonstration stands last, a training row under each label in turn, and answers are their mixture.
"""

import json

from iclgd.io import cli

parser = cli.learner_parser(__doc__, "icl")
parser.add_argument(
    "--compared",
    type=cli.existing,
    help="manifest of the model in whose place this one answers (none: it is this one)",
)
parser.add_argument("--imagined", type=int, default=0, choices=[0, 1], help="examples to imagine")
args = parser.parse_args()
cli.torch_step()

from iclgd.io import parquet  # after parsing: --help is quick
from iclgd.io.schemas.logits import LOGITS
from iclgd.learners import batches, imagined, in_context, inputs
from iclgd.models import loading
from iclgd.tasks import prompts
from iclgd.tasks.readouts.next_token import NextToken

loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.name, args.device, args.threads
)
if args.compared and args.compared != args.model:
    manifest = json.loads(args.compared.read_text())
    constant["model"], folder = manifest["model"], args.compared.with_suffix("")
    other = loading.load_tokenizer(folder, manifest["model"], loading.trust(manifest))
    loading.check_same_tokens(loaded.tokenizer, other)
words = prompts.labels(task)
parts = list(queries.iter_slices(batches.QUERIES))
answer, asked, shown = in_context.answers, runs, runs
if args.imagined:
    task, asked = imagined.imagine(task, runs)
    answer, shown = imagined.answers, [one for case in asked for one in case.after]
readout = NextToken.of_task(loaded.tokenizer, task, shown, loaded.model, args.keep)

answers = answer(loaded, task, asked, parts, readout, names)
with parquet.Parts(args.output, LOGITS) as table:
    for run, part, found in cli.progress(answers, len(runs) * len(parts), "blocks of queries"):
        keys = {"draw": run.draw, "order": run.order, "epoch": 0}
        rows = readout.rows(found, {**constant, **keys}, prompts.bound(part, run, words))
        table.add((*keys.values(), part["example"][0]), rows)
