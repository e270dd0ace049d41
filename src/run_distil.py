"""Weights trained on ICL's own answers to texts without labels: how near weights can come to ICL.

Reads a model's manifest, a task and the demonstrations table; writes the logits table, one
row for each draw, order, recorded epoch and query, asked alone. Epoch 0 is the pretrained model.
The texts are training rows that the draw does not show. `loss` is that of the last epoch's steps:
the Kullback-Leibler divergence, or the squared distance of attention's outputs.
"""

import functools
import itertools

from iclgd.io import cli

example = '{"rate": 0.002, "optimiser": "adam", "epochs": 100, "texts": 128}'
parser = cli.learner_parser(__doc__, "distil", example, orders=True)
args = parser.parse_args()
cli.torch_step()

from iclgd.io import fingerprints, parquet  # after parsing: --help is quick
from iclgd.io.schemas.logits import LOGITS
from iclgd.learners import (
    batches,
    distillation,
    endings,
    evaluation,
    inputs,
    teachers,
    teaching,
    trainable,
)
from iclgd.models import probes
from iclgd.tasks import prompts
from iclgd.tasks.readouts.next_token import NextToken

entry = teachers.distilling(args.learner)
learner = entry.learner
loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.name, args.device, args.threads, args.orders
)
words = prompts.labels(task)
readout = NextToken.of_task(loaded.tokenizer, task, runs, loaded.model, args.keep)
sequences = prompts.encode_queries(loaded.tokenizer, queries)
prompts.check_length([len(tokens) for tokens in sequences], loaded.context, **names)
ways = probes.Ways(loaded, prefixes=True)
together, _ = ways.of(sequences)
model, chosen = trainable.choose(loaded.model, learner.train, seed=names["task"])
evaluated = evaluation.Queries(model, chosen, sequences, loaded.device, together)
files = {"folder": args.model.with_suffix(""), "output": None}
fingerprint = fingerprints.of({**vars(args), **files, "device": loaded.device})
starts = range(0, len(queries), batches.QUERIES)


@functools.cache
def untouched() -> list:
    """The answers of the pretrained model, which are those of every run at epoch 0."""
    return list(evaluation.answers(model, {}, evaluated, readout))


def taught(run: prompts.Demonstrations):
    """The model after each recorded epoch of learning from ICL after a run's demonstrations."""
    texts = prompts.unshown(task, run, entry.texts)
    lesson = teaching.lesson(loaded, ways, task, run, texts, readout)
    places = teaching.shuffled(len(texts), run) if entry.shuffled else None
    return distillation.descend(model, chosen, lesson, learner, entry.match, places)


def finished(run: prompts.Demonstrations) -> bool:
    """Whether all its parts are there, from a step that was interrupted."""
    keys = itertools.product(learner.recorded(), starts)
    return all((run.draw, run.order, *key) in table.parts for key in keys)


with parquet.Parts(args.output, LOGITS, fingerprint) as table:
    left = [run for run in runs if not finished(run)]
    steps = ((run, now) for run in left for now in taught(run))
    total = len(left) * len(learner.recorded())
    for run, now in cli.progress(steps, total, "recorded epochs"):
        keys = {"draw": run.draw, "order": run.order, "epoch": now.epoch}
        end = endings.of_epoch(now.epoch, learner.epochs, now.loss)
        found = evaluation.answers(model, {}, evaluated, readout) if now.epoch else untouched()
        for start, (answers,) in found:
            own = prompts.bound(queries.slice(start, batches.QUERIES), run, words)
            rows = readout.rows(answers, {**constant, **keys}, own, **end)
            table.add((*keys.values(), start), rows)
