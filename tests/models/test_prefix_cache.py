"""Prompts that share their beginning have the distributions of prompts computed whole."""

import pytest
import torch
from support.models import FLOAT32_INSIDE, LABELS, VOCABULARY, loaded, tiny_model
from support.shared_prompts import orders, same

from iclgd.learners import batches, in_context
from iclgd.models import forward, prefix_cache
from iclgd.tasks.readouts.next_token import NextToken


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_shared_beginnings_change_nothing(architecture, dtype):
    one = loaded(tiny_model(architecture, dtype))
    prefix = prefix_cache.Prefix(one.model)
    atol = 1e-5 if dtype == "float32" or architecture in FLOAT32_INSIDE else 1e-9
    for sequences in orders():
        found = in_context.score(one, sequences, NextToken(LABELS, VOCABULARY), prefix)
        same(found, in_context.score(one, sequences, NextToken(LABELS, VOCABULARY)), atol)


@pytest.mark.parametrize("budget", [1, 200, 1 << 19])
def test_the_size_of_batches_changes_nothing(budget, monkeypatch):
    one = loaded(tiny_model("llama"))
    whole = [in_context.score(one, s, NextToken(LABELS, VOCABULARY)) for s in orders()]
    monkeypatch.setitem(batches.HIDDEN_PER_BATCH, "cpu", budget)
    prefix = prefix_cache.Prefix(one.model)
    for sequences, expected in zip(orders(), whole, strict=True):
        same(
            in_context.score(one, sequences, NextToken(LABELS, VOCABULARY), prefix), expected, 1e-9
        )


def test_a_window_that_slides_over_the_prefix():
    one = loaded(tiny_model("mistral", sliding_window=5))
    prefix = prefix_cache.Prefix(one.model)
    for sequences in orders():
        found = in_context.score(one, sequences, NextToken(LABELS, VOCABULARY), prefix)
        same(found, in_context.score(one, sequences, NextToken(LABELS, VOCABULARY)), 1e-9)


def test_only_what_is_new_goes_through_the_model():
    one = loaded(tiny_model("llama"))
    seen = []
    one.model.model.embed_tokens.register_forward_hook(lambda _, x, y: seen.append(x[0].shape))
    prefix = prefix_cache.Prefix(one.model)
    counts = []
    for sequences in orders():
        in_context.score(one, sequences, NextToken(LABELS, 4), prefix)
        counts.append([shape.numel() for shape in seen if shape[0] == 1])
        seen.clear()
    # BOS and three demonstrations; none; two; two; none (a is cut from c + a: BOS is shared) ...
    assert counts == [[19], [], [12], [12], [6], [12]]


def test_nothing_is_kept_from_one_batch_to_the_next():
    model = tiny_model("llama")
    prefix = prefix_cache.Prefix(model)
    with torch.no_grad():
        prefix.move_to([0, 7, 9])
        for _ in range(2):
            cache = prefix.in_front()
            forward.logits_at(model, torch.tensor([[8, 11]]), torch.tensor([[1]]), cache=cache)
    assert [layer.keys.shape[-2] for layer in prefix.cache.layers] == [3, 3, 3]


@pytest.mark.parametrize(
    ("sequences", "count"),
    [
        ([[0, 1, 2], [0, 1, 3]], 2),
        ([[0, 1, 2], [0, 1, 2]], 2),  # one token stays each sequence's own
        ([[0, 1], [0, 1, 2]], 1),
        ([[0, 1, 2]], 2),
        ([[4], [0, 1]], 0),
        ([[0, 5, 9], [0, 5, 1], [0, 6, 1]], 1),
    ],
)
def test_how_much_is_shared(sequences, count):
    assert prefix_cache.shared(sequences) == count
