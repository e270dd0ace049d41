"""GD of one W_V near the top of 32 layers: epochs per second beside freezing the rest.

Layer 30 of 0 ... 31 (15/16 of the way), 8 demonstrations of about 60 tokens. Both arms train
the same tensor; the plain one runs the whole model. In a second case both also answer 16
queries at six of the 30 epochs.
"""

import copy
from functools import partial

import measure
import polars as pl
import torch

from iclgd.learners import evaluation, gradient_descent, in_context, trainable, training_batch
from iclgd.learners.settings import Learner
from iclgd.models import architectures
from iclgd.models.loading import Loaded
from iclgd.tasks.readouts.next_token import NextToken

TRAIN = {"layers": [30], "matrices": ["v"]}
RATE, EPOCHS, RECORD, QUERIES = 0.01, 30, (1, 2, 5, 10, 20, 30), 16
model = measure.llama(
    vocab_size=4000,
    hidden_size=256,
    intermediate_size=704,
    num_hidden_layers=32,
    num_attention_heads=4,
)
plain = copy.deepcopy(model)
model, chosen = trainable.choose(model, TRAIN)
batch = training_batch.tensors(measure.demonstrations(8, 60, 4000), "label")
sequences = [row for row, _ in measure.demonstrations(QUERIES, 60, 4000, seed=1)]
(name,) = architectures.parameter_names(model.config, 30, "v")
start = plain.get_parameter(name).detach().clone()


def above(record: tuple[int, ...]) -> torch.Tensor | None:
    """Log-probabilities at the last recorded epoch, if any is."""
    learner = Learner(rate=RATE, epochs=EPOCHS, train=TRAIN, record=record)
    queries = evaluation.Queries(model, chosen, sequences if record else [], "cpu")
    found = None
    for epoch, weights, _ in gradient_descent.descend(model, chosen, [batch], learner):
        if epoch in record:
            ((_, (found,)),) = evaluation.answers(model, weights, queries, NextToken([5, 6], 1024))
    return found and torch.from_numpy(found.label_logprobs)


def whole(record: tuple[int, ...]) -> torch.Tensor | None:
    """The same as one would write it."""
    loaded = Loaded("plain", plain, None, "cpu", None)
    weight = plain.get_parameter(name)
    weight.data.copy_(start)
    weight.requires_grad_(True)
    optimiser = torch.optim.SGD([weight], lr=RATE)
    rows = torch.arange(len(batch.tokens))
    found = None
    for epoch in range(1, EPOCHS + 1):
        optimiser.zero_grad()
        logits = plain(batch.tokens).logits[rows, batch.positions[:, 0]]
        torch.nn.functional.cross_entropy(logits, batch.targets[:, 0]).backward()
        optimiser.step()
        if epoch in record:
            found = in_context.score(loaded, sequences, NextToken([5, 6], 1024))
    return found and torch.from_numpy(found.label_logprobs)


difference = (above(RECORD) - whole(RECORD)).abs().max().item()
print(f"log-probabilities after {EPOCHS} epochs differ by {difference:.1e}")
names = {"above the lowest trained layer": above, "whole model, the rest frozen": whole}
tables = [
    measure.take_turns(
        f"GD of W_V in layer 30 of 32, epochs{what}",
        {arm: partial(call, record) for arm, call in names.items()},
        dict.fromkeys(names, EPOCHS),
        rounds=3,
    )
    for what, record in (("", ()), (" with evaluation", RECORD))
]
measure.save(pl.concat(tables).with_columns(pl.lit(difference).alias("difference")), "depth")
