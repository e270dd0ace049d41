"""Gradient descent: train on the demonstrations, then evaluate the queries alone.

Reads a model's manifest, a task and the demonstrations table; writes the logits table, one
row for each draw, order, recorded epoch and query. Epoch 0 is the pretrained model (zero-shot).
Runs that diverge get rows with the status `diverged`; runs that end before the last epoch
(converged or stalled) keep their answers in the rows of all later ones. A step that was
interrupted resumes after the runs that it had finished.
"""

import functools
import itertools
import json
import sys
from typing import NamedTuple

from iclgd.io import cli

example = '{"rate": 0.01, "train": {"layers": [0.5], "matrices": ["v"]}}'
parser = cli.learner_parser(__doc__, "gd", example, orders=True)
parser.add_argument(
    "--reach", type=cli.existing, help="reach table of the same draws, for train: {reach: rank}"
)
args = parser.parse_args()
cli.torch_step()

from iclgd.io import fingerprints, parquet  # after parsing: --help is quick
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.reach import REACH
from iclgd.learners import (
    batches,
    evaluation,
    gradient_descent,
    inputs,
    settings,
    trainable,
    training_batch,
)
from iclgd.metrics import reach_measures
from iclgd.models import probes
from iclgd.tasks import answer_tokens, prompts
from iclgd.tasks.readouts.next_token import NextToken

learner = settings.learner(args.learner)
loaded, task, runs, queries, names, constant = inputs.read(
    args.model, args.task, args.demonstrations, args.name, args.device, args.threads, args.orders
)
words = prompts.labels(task)
readout = NextToken.of_task(loaded.tokenizer, task, runs, loaded.model, args.keep)

sequences = prompts.encode_queries(loaded.tokenizer, queries)
shown = answer_tokens.encode_demonstrations(loaded.tokenizer, task, runs)
texts = [*sequences, *(tokens for run in shown for tokens, _ in run)]
prompts.check_length([len(tokens) for tokens in texts], loaded.context, **names)
together, _ = probes.Ways(loaded).of(texts)
trained_on = training_batch.batches(shown, learner.loss, loaded.device, together)

trains = [learner.train] * len(runs)
if "reach" in (learner.train or {}):
    if not args.reach:
        raise cli.InputError("learner: train {reach: rank} needs the reach of the same draws")
    reached = parquet.read(args.reach, REACH)
    trains = [reach_measures.trained(reached, run.draw, learner.train["reach"]) for run in runs]
    said = [f"draw {run.draw}: {json.dumps(one)}" for run, one in zip(runs, trains, strict=True)]
    print("\n".join(dict.fromkeys(said)), file=sys.stderr)


class Stack(NamedTuple):
    """Runs, by number, that train the same weights of a model side by side; ``part``: which."""

    part: int
    numbers: list[int]


# Neighbours that train the same; all runs, but where each draw has a matrix of its own.
parts, stacks = [], []
for train, same in itertools.groupby(range(len(runs)), key=trains.__getitem__):
    numbers = list(same)
    model, chosen = trainable.choose(loaded.model, train, seed=names["task"])
    size = gradient_descent.runs_at_once(model, chosen, [trained_on[i] for i in numbers], learner)
    stacks += [Stack(len(parts), numbers[at : at + size]) for at in range(0, len(numbers), size)]
    parts.append((model, chosen))
starts = range(0, len(queries), batches.QUERIES)
files = {"folder": args.model.with_suffix(""), "output": None}
fingerprint = fingerprints.of({**vars(args), **files, "device": loaded.device})


@functools.lru_cache(maxsize=1)
def asked(part: int) -> evaluation.Queries:
    """The queries, for models that train the weights of a part."""
    return evaluation.Queries(*parts[part], sequences, loaded.device, together)


def finished(stack: Stack) -> bool:
    """Whether all parts of all its runs are there, from a step that was interrupted."""
    keys = itertools.product(stack.numbers, learner.recorded(), starts)
    return all((runs[i].draw, runs[i].order, *key) in table.parts for i, *key in keys)


@functools.cache
def untouched() -> list:
    """The answers of the pretrained model, which are those of every run at epoch 0."""
    return list(evaluation.answers(parts[0][0], {}, asked(0), readout))


def answers_of(stack: Stack, now: gradient_descent.Recorded):
    """The answers of a stack of runs; those before training are computed once, and kept where
    they are no more than is in memory at once anyway."""
    if now.epoch > 0 or len(queries) > batches.QUERIES:
        model, _ = parts[stack.part]
        return evaluation.answers(model, now.weights, asked(stack.part), readout)
    return [(start, found * len(stack.numbers)) for start, found in untouched()]


with parquet.Parts(args.output, LOGITS, fingerprint) as table:
    left = [stack for stack in stacks if not finished(stack)]
    steps = (
        (stack, now)
        for stack in left
        for now in gradient_descent.descend(
            *parts[stack.part], [trained_on[i] for i in stack.numbers], learner
        )
    )
    total, before = len(left) * len(learner.recorded()), 0
    for stack, now in cli.progress(steps, total, "recorded epochs"):
        numbers = stack.numbers
        keys = [{"draw": runs[i].draw, "order": runs[i].order, "epoch": now.epoch} for i in numbers]
        ends = [
            {"loss": loss, "state": state, "trained": trained}
            for loss, state, trained in zip(
                now.losses.tolist(), now.states, now.trained, strict=True
            )
        ]
        if now.moved:
            for start, answers in answers_of(stack, now):
                part = queries.slice(start, batches.QUERIES)
                for i, key, end, found in zip(numbers, keys, ends, answers, strict=True):
                    own = prompts.bound(part, runs[i], words)
                    rows = readout.rows(found, {**constant, **key}, own, **end)
                    table.add((*key.values(), start), rows)
        else:  # the same weights give the same answers
            for start, (key, end) in itertools.product(starts, zip(keys, ends, strict=True)):
                earlier = (*{**key, "epoch": before}.values(), start)
                table.repeat((*key.values(), start), earlier, epoch=now.epoch, **end)
        before = now.epoch
