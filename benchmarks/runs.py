"""Many small runs of GD side by side, and one after the other with transformers and torch.optim.

The built-in models, 64 runs on 8 demonstrations each. Also: what a reset costs, and the queries
evaluated on trained runs beside plain scoring of the pretrained model.
"""

import copy

import measure
import polars as pl
import torch
from transformers import AutoModelForCausalLM

from iclgd.learners import evaluation, gradient_descent, in_context, trainable, training_batch
from iclgd.learners.settings import Learner
from iclgd.models.loading import Loaded
from iclgd.tasks.readouts.next_token import NextToken

RUNS, SHOTS, EPOCHS, QUERIES = 64, 8, 20, 128
LABELS = [140, 133]


def one_by_one(model, batches: list[training_batch.Batch], learner: Learner) -> None:
    """Each run on a copy of the model: what one would write."""
    for batch in batches:
        own = copy.deepcopy(model).requires_grad_(True)
        optimiser = torch.optim.SGD(own.parameters(), lr=learner.rate)
        rows = torch.arange(len(batch.tokens))
        for _ in range(learner.epochs):
            optimiser.zero_grad()
            logits = own(batch.tokens).logits[rows, batch.positions[:, 0]]
            torch.nn.functional.cross_entropy(logits, batch.targets[:, 0]).backward()
            optimiser.step()


def cases(name: str) -> list[pl.DataFrame]:
    model = AutoModelForCausalLM.from_pretrained(
        measure.ROOT / f"models/{name}", dtype=torch.float32
    )
    model = model.eval().requires_grad_(False)
    plain = copy.deepcopy(model)
    learner = Learner(rate=0.01, epochs=EPOCHS, record=())
    model, chosen = trainable.choose(model, None)
    batches = [
        training_batch.tensors(measure.demonstrations(SHOTS, 6, 140, seed), "label")
        for seed in range(RUNS)
    ]
    size = gradient_descent.runs_at_once(model, chosen, batches, learner)
    blocks = [batches[i : i + size] for i in range(0, RUNS, size)]
    sequences = [row for row, _ in measure.demonstrations(QUERIES, 5, 140, RUNS)]
    queries = evaluation.Queries(model, chosen, sequences, "cpu")
    weights = {name: tensor.detach() for name, tensor in chosen.copies(RUNS).items()}
    untouched = Loaded(name, plain, None, "cpu", None)

    def side_by_side() -> None:
        for block in blocks:
            for _ in gradient_descent.descend(model, chosen, block, learner):
                pass

    return [
        measure.take_turns(
            f"GD of {name}, runs",
            {
                "side by side": side_by_side,
                "one by one, transformers and torch.optim": lambda: one_by_one(
                    plain, batches[:8], learner
                ),
            },
            {"side by side": RUNS, "one by one, transformers and torch.optim": 8},
        ),
        measure.take_turns(
            f"queries of {name}, evaluated",
            {
                "trained runs": lambda: list(
                    evaluation.answers(model, weights, queries, NextToken(LABELS, 1024))
                ),
                "plain scoring": lambda: [
                    in_context.score(untouched, sequences, NextToken(LABELS, 1024))
                    for _ in range(8)
                ],
            },
            {"trained runs": RUNS * QUERIES, "plain scoring": 8 * QUERIES},
        ),
        measure.take_turns(
            f"GD of {name}, 64 runs of 20 epochs",
            {"reset": lambda: chosen.copies(RUNS), "run": side_by_side},
            {"reset": 1, "run": 1},
        ),
    ]


tables = [table for name in ("llama-small", "llama-large", "gptj") for table in cases(name)]
measure.save(pl.concat(tables), "runs")
