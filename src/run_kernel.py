"""Gradient descent on functions, in the space of a kernel: no weights of the model are trained.

Reads a model's manifest, a task and the demonstrations table; writes the logits table, one
row for each draw, order, recorded epoch and query. Epoch 0 is the model as it is (zero-shot). Each
epoch is one step on all demonstrations. Inputs are hidden states of the model, those of a
construction what its attention compares (iclgd.learners.functional).
"""

from iclgd.io import cli

example = '{"kernel": "softmax", "rate": 1.0, "epochs": 4, "layer": 0.5}'
parser = cli.learner_parser(__doc__, "kernel", example, orders=True)
args = parser.parse_args()
cli.torch_step()

import torch  # after parsing: --help is quick

from iclgd.io import parquet
from iclgd.io.schemas.logits import LOGITS
from iclgd.learners import batches, endings, functional, inputs
from iclgd.tasks import answer_tokens, prompts
from iclgd.tasks.readouts.next_token import NextToken

entry = functional.entry(args.learner)
learner, recorded = entry.learner, entry.learner.recorded()
loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.name, args.device, args.threads, args.orders
)
readout = NextToken.of_task(loaded.tokenizer, task, runs, loaded.model, args.keep)
words = prompts.labels(task)
encoded = answer_tokens.encode_demonstrations(loaded.tokenizer, task, runs)
alone = prompts.encode_queries(loaded.tokenizer, queries)
lengths = [len(tokens) for tokens in [*alone, *(tokens for run in encoded for tokens, _ in run)]]
prompts.check_length(lengths, loaded.context, **names)

reader = functional.reader(loaded, entry)
# Each text once, whatever the runs that show it.
texts = list(dict.fromkeys(tuple(tokens[:start]) for run in encoded for tokens, start in run))
number, everything = {text: i for i, text in enumerate(texts)}, reader.read(list(map(list, texts)))
blocks = [
    (first, run, tokens)
    for first in range(0, len(queries), batches.QUERIES)
    for run, tokens in zip(runs, encoded, strict=True)
]

with parquet.Parts(args.output, LOGITS) as table:
    asked, read = None, None
    for first, run, tokens in cli.progress(blocks, len(blocks), "draws and orders"):
        if read != first:
            asked, read = reader.read(alone[first : first + batches.QUERIES]), first
        rows = [number[tuple(ids[:start])] for ids, start in tokens]
        shown = functional.Seen(everything.x[rows], everything.start[rows])
        targets = torch.tensor([ids[start] for ids, start in tokens], device=loaded.device)
        given = functional.Task(
            *reader.compared(shown, asked),
            shown.start,
            asked.start,
            targets,
            reader.wanted(targets),
            reader.head,
        )
        own = prompts.bound(queries.slice(first, batches.QUERIES), run, words)
        for step in functional.descend(given, entry):
            if step.epoch not in recorded:
                continue
            keys = {"draw": run.draw, "order": run.order, "epoch": step.epoch}
            end = endings.of_epoch(step.epoch, learner.epochs, step.loss)
            found = readout.read(given.logits(step.answers))
            rows = readout.rows(found, {**constant, **keys}, own, **end)
            table.add((*keys.values(), first), rows)
