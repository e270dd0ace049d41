"""The first-order step along the demonstrations' gradients that comes nearest to ICL.

Reads a model's manifest, a task and the demonstrations table; writes the logits table, one row for
each draw, order and query, asked alone of the tangent of the model (iclgd.learners.tangent): its
logits, and what small steps on the demonstrations add to them. How large a step each demonstration
gets is chosen for every draw and order by the Kullback-Leibler divergence from ICL on the
validation queries; the log has what was chosen.
"""

import sys

from iclgd.io import cli

example = '{"train": {"layers": [0.5], "matrices": ["v"]}}'
parser = cli.learner_parser(__doc__, "tangent", example, orders=True)
args = parser.parse_args()
cli.torch_step()

import torch

from iclgd.io import parquet
from iclgd.io.schemas.logits import LOGITS
from iclgd.learners import batches, inputs, settings, tangent, teaching, trainable
from iclgd.models import probes
from iclgd.tasks import answer_tokens, prompts
from iclgd.tasks.readouts.next_token import NextToken

train = settings.trained(args.learner)
loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.name, args.device, args.threads, args.orders
)
words = prompts.labels(task)
readout = NextToken.of_task(loaded.tokenizer, task, runs, loaded.model, args.keep)
alone = prompts.encode_queries(loaded.tokenizer, queries)
validation = prompts.validation(queries)
shown = answer_tokens.encode_demonstrations(loaded.tokenizer, task, runs)
lengths = [len(tokens) for tokens in [*alone, *(tokens for run in shown for tokens, _ in run)]]
prompts.check_length(lengths, loaded.context, **names)
inputs.check_exact(loaded)
ways = probes.Ways(loaded, prefixes=True)
model, chosen = trainable.choose(loaded.model, train, seed=names["task"])
asked = teaching.Texts(alone, ways.of(alone)[0])

with parquet.Parts(args.output, LOGITS) as table:
    for run, own in cli.progress(zip(runs, shown, strict=True), len(runs), "draws and orders"):
        judge = teaching.lesson(loaded, ways, task, run, validation, readout)
        moves = []
        for one in own:  # gradients of a large model are held one at a time
            descent = tangent.descent(model, chosen, [one], [1.0])
            before, move = tangent.moved(model, chosen, judge.alone, descent)
            moves.append(move)
        icl = teaching.logits(loaded.model, judge.after)
        weights = tangent.fitted(before, torch.stack(moves, 1), icl).tolist()
        print(
            f"draw {run.draw}, order {run.order}: steps {', '.join(f'{w:.3g}' for w in weights)}",
            file=sys.stderr,
        )
        step = tangent.descent(model, chosen, own, weights)
        keys = {"draw": run.draw, "order": run.order, "epoch": 0}
        for first in range(0, len(queries), batches.QUERIES):
            numbers = list(range(len(alone)))[first : first + batches.QUERIES]
            before, move = tangent.moved(model, chosen, asked.these(numbers), step)
            part = prompts.bound(queries.slice(first, batches.QUERIES), run, words)
            rows = readout.rows(readout.read(before + move), {**constant, **keys}, part)
            table.add((*keys.values(), first), rows)
