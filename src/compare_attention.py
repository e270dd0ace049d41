"""Compare ICL and gradient descent inside self-attention, layer by layer.

Trains as run_gd does, then runs every query three times: alone through the pretrained model
(ZS), after the demonstrations (ICL), and alone through the fine-tuned model (GD). Writes one row
per draw, order, query and layer: how alike the attention's output and its scores are, by the
measures of Dai et al. and those of Deutch et al. Of a learner with several epochs, the last.
"""

from iclgd.io import cli

parser = cli.asking_parser(__doc__, "attention table")
parser.add_argument(
    "--learner",
    type=cli.json_object,
    required=True,
    help='JSON such as {"rate": 0.01, "train": {"layers": "all", "matrices": ["k", "v"]}}',
)
parser.add_argument("--orders", type=int, help="train on the first so many orders of a draw only")
parser.add_argument("--name", default="gd", help="learner's name in the output")
args = parser.parse_args()
cli.torch_step()

import polars as pl  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.learners import batches, inputs, settings, trainable, training_batch
from iclgd.metrics import activations, attention_table, token_alignment
from iclgd.metrics.attention_similarity import ATTENTION
from iclgd.models import probes, row_check
from iclgd.tasks import answer_tokens, prompts
from iclgd.tasks.readouts.next_token import NextToken

learner = settings.learner(args.learner)
loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.name, args.device, args.threads, args.orders
)
NextToken.of_task(loaded.tokenizer, task, runs, loaded.model)  # answers and tokens are checked
encoded = answer_tokens.encode_demonstrations(loaded.tokenizer, task, runs)
ways = probes.Ways(loaded)
row_check.check(loaded.model)
model, chosen = trainable.choose(loaded.model, learner.train, seed=names["task"])
with parquet.Parts(args.output, ATTENTION) as table:
    for run, shown in cli.progress(zip(runs, encoded, strict=True), len(runs), "runs"):
        batch = training_batch.tensors(shown, learner.loss, loaded.device)
        tuned = activations.train(model, chosen, batch, learner)
        for part in queries.iter_slices(batches.QUERIES):
            alone = prompts.encode_queries(loaded.tokenizer, part)
            ids = [tokens for tokens, _ in shown]
            aligned = token_alignment.align(loaded.tokenizer, task, run, ids, part, alone)
            prompts.check_length([len(p.tokens) for p in aligned], loaded.context, **names)
            if not ways.of([*ids, *alone, *(p.tokens for p in aligned)])[0]:
                raise cli.InputError(f"model {loaded.name}: its attention depends on the batch")
            seeds = [(run.draw, run.order, example) for example in part["example"]]
            found = attention_table.similarities(model, tuned, alone, aligned, seeds)
            keys = {"draw": run.draw, "order": run.order, "epoch": learner.epochs}
            rows = part.select("example", "split").with_row_index("row")
            rows = rows.join(found, on="row").drop("row")
            table.add(
                (*keys.values(), part["example"][0]),
                rows.with_columns(pl.lit(v).alias(k) for k, v in {**constant, **keys}.items()),
            )
