"""The exact Bayesian reader: next-token distributions of every query after its demonstrations.

Reads tasks of GINC, the language of hidden concepts, and writes the logits table, one row for each
draw, order and query. The reader knows the language and reads a prompt as a document of it;
of the model it takes the name and the tokenizer alone. Impossible tokens get `ginc.FLOOR`.
"""

from pathlib import Path

from iclgd.io import cli

parser = cli.parser(__doc__)
parser.add_argument("--model", type=cli.existing, required=True, help="manifest, models/X.json")
parser.add_argument("--task", type=cli.existing, required=True, help="task table, tasks/X.parquet")
parser.add_argument("--demonstrations", type=cli.existing, required=True, help="table of orders")
parser.add_argument("--name", default="bayes", help="learner's name in the output")
parser.add_argument("--keep", type=int, default=1024, help="most likely tokens to keep")
parser.add_argument("--output", type=Path, required=True, help="logits table to write")
args = parser.parse_args()
cli.torch_step()

from iclgd.io import parquet  # after parsing: --help is quick
from iclgd.io.schemas.logits import LOGITS
from iclgd.learners import bayes, inputs
from iclgd.tasks import ginc, prompts
from iclgd.tasks.readouts.next_token import NextToken

loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.name, device="cpu", threads=1
)
ginc.check_tokenizer(loaded.tokenizer, loaded.name)
words = prompts.labels(task)
readout = NextToken.of_task(loaded.tokenizer, task, runs, loaded.model, args.keep)

with parquet.Parts(args.output, LOGITS) as table:
    for run in cli.progress(runs, len(runs), "draws and orders"):
        found = bayes.answer(loaded.tokenizer, task, run, queries, readout)
        keys = {"draw": run.draw, "order": run.order, "epoch": 0}
        own = prompts.bound(queries, run, words)
        table.add((*keys.values(), 0), readout.rows(found, {**constant, **keys}, own))
