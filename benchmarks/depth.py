"""GD of one W_V near the top of 32 layers: epochs per second beside freezing the rest.

Layer 30 of 0 ... 31 (15/16 of the way), 8 demonstrations of about 60 tokens, 32 queries at the end of
every tenth epoch. Both arms train the same tensor; the plain one runs the whole model.
"""

import copy

import measure
import polars as pl
import torch

from iclgd import asking, descent, projections, scoring, trained
from iclgd.learners import Learner
from iclgd.models import Loaded

TRAIN = {"layers": [30], "matrices": ["v"]}
EPOCHS, RECORD = 20, (10, 20)
model = measure.llama(
    vocab_size=4000,
    hidden_size=256,
    intermediate_size=704,
    num_hidden_layers=32,
    num_attention_heads=4,
)
plain = copy.deepcopy(model)
model, chosen = trained.choose(model, TRAIN)
batch = descent.tensors(measure.demonstrations(8, 60, 4000), "label")
sequences = [row for row, _ in measure.demonstrations(32, 60, 4000, seed=1)]
learner = Learner(rate=0.01, epochs=EPOCHS, train=TRAIN, record=RECORD)
(name,) = projections.parameter_names(model.config, 30, "v")
start = plain.get_parameter(name).detach().clone()


def above() -> torch.Tensor:
    queries = asking.Queries(model, chosen, sequences, "cpu")
    for epoch, weights, _ in descent.descend(model, chosen, [batch], learner):
        if epoch in RECORD:
            (found,) = asking.ask(model, weights, queries, [5, 6], 1024)
    return torch.from_numpy(found.label_logprobs)


def whole() -> torch.Tensor:
    weight = plain.get_parameter(name)
    weight.data.copy_(start)
    weight.requires_grad_(True)
    optimiser = torch.optim.SGD([weight], lr=learner.rate)
    rows = torch.arange(len(batch.tokens))
    for epoch in range(EPOCHS):
        optimiser.zero_grad()
        logits = plain(batch.tokens).logits[rows, batch.positions[:, 0]]
        torch.nn.functional.cross_entropy(logits, batch.targets[:, 0]).backward()
        optimiser.step()
        if epoch + 1 in RECORD:
            loaded = Loaded("plain", plain, None, "cpu", None)
            found = scoring.score(loaded, sequences, [5, 6], 1024)
    return torch.from_numpy(found.label_logprobs)


difference = (above() - whole()).abs().max().item()
print(f"log-probabilities after {EPOCHS} epochs differ by {difference:.1e}")
table = measure.take_turns(
    "GD of W_V in layer 30 of 32, epochs",
    {"above the lowest trained layer": above, "whole model, the rest frozen": whole},
    {"above the lowest trained layer": EPOCHS, "whole model, the rest frozen": EPOCHS},
)
measure.save(table.with_columns(pl.lit(difference).alias("difference")), "depth")
