"""The exact Bayesian reader: next-token distributions of every query after its demonstrations.

Reads tasks of a made-up language, that of topics or GINC, and writes the logits table, one row for
each draw, order and query. The reader knows the language and reads a prompt as a document of it;
of the model it takes the name and the tokenizer alone. Impossible tokens get `ginc.FLOOR`. With
`--imagined` one more demonstration stands last, a training row under each label in turn, and
answers are their mixture.
"""

from pathlib import Path

from iclgd.io import cli
from iclgd.learners.languages import EXOGENOUS

parser = cli.parser(__doc__)
parser.add_argument("--model", type=cli.existing, required=True, help="manifest, models/X.json")
parser.add_argument("--task", type=cli.existing, required=True, help="task table, tasks/X.parquet")
parser.add_argument("--demonstrations", type=cli.existing, required=True, help="table of orders")
parser.add_argument("--language", required=True, choices=list(EXOGENOUS), help="of the task")
parser.add_argument("--imagined", type=int, default=0, choices=[0, 1], help="examples to imagine")
parser.add_argument("--name", default="bayes", help="learner's name in the output")
parser.add_argument("--keep", type=int, default=1024, help="most likely tokens to keep")
parser.add_argument("--output", type=Path, required=True, help="logits table to write")
args = parser.parse_args()
cli.torch_step()

from iclgd.io import parquet  # after parsing: --help is quick
from iclgd.io.schemas.logits import LOGITS
from iclgd.learners import bayes, imagined, inputs
from iclgd.tasks import prompts, synthetic
from iclgd.tasks.readouts.next_token import NextToken

if args.imagined and not EXOGENOUS[args.language]:
    raise cli.InputError(f"--imagined: inputs of {args.language} tell of what makes the labels")
loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.name, device="cpu", threads=1
)
synthetic.check_tokenizer(loaded.tokenizer, loaded.name)
words, answer, asked, shown = prompts.labels(task), bayes.answer, runs, runs
if args.imagined:
    task, asked = imagined.imagine(task, runs)
    answer, shown = bayes.imagined_answer, [one for case in asked for one in case.after]
readout = NextToken.of_task(loaded.tokenizer, task, shown, loaded.model, args.keep)
read = bayes.READERS[args.language]

with parquet.Parts(args.output, LOGITS) as table:
    pairs = zip(runs, asked, strict=True)
    for run, one in cli.progress(pairs, len(runs), "draws and orders"):
        found = answer(read, loaded.tokenizer, task, one, queries, readout)
        keys = {"draw": run.draw, "order": run.order, "epoch": 0}
        own = prompts.bound(queries, run, words)
        table.add((*keys.values(), 0), readout.rows(found, {**constant, **keys}, own))
