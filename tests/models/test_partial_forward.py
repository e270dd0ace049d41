"""Entering a model above its lowest trained block, and checkpoints, change no number."""

import pytest
import torch
from support.descents import QUERIES, RUNS, followed
from support.models import LABELS, VOCABULARY, tiny_model

from iclgd.io import memory
from iclgd.learners import batches, evaluation, gradient_descent, trainable, training_batch
from iclgd.learners.settings import Learner
from iclgd.models import forward, partial_forward
from iclgd.tasks.readouts.next_token import NextToken

TOP = {"layers": [2], "matrices": ["v"]}


@pytest.mark.parametrize("block", [1, 2])
def test_the_upper_blocks_alone_give_the_same_logits(architecture, block):
    model = tiny_model(architecture)
    tokens = forward.pad(QUERIES)
    expected = model(tokens).logits
    hidden = partial_forward.entering(model, block, tokens)
    assert hidden.shape == (*tokens.shape, 16)
    seen = []
    name, stack = partial_forward.blocks(model)
    for number, one in enumerate(stack):
        one.register_forward_hook(lambda *_, number=number: seen.append(number))
    with partial_forward.entered(model, block, hidden):
        assert torch.equal(model(tokens).logits, expected)
        # The embeddings' output is not read either: other tokens of the same length, same logits.
        assert torch.equal(model(tokens.flip(0)).logits, expected)
    assert seen == 2 * list(range(block, 3))
    torch.testing.assert_close(model(tokens).logits, expected, rtol=0, atol=0)
    assert partial_forward.blocks(model)[0] == name and len(seen) == 2 * (3 - block) + 3


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gptj", "opt"], indirect=True)
def test_mixed_precision_is_the_same_above_and_below(architecture):
    model = tiny_model(architecture, "bfloat16")
    tokens = forward.pad(QUERIES)
    positions = torch.tensor([[len(row) - 1] for row in QUERIES])
    expected = forward.logits_at(model, tokens, positions)
    hidden = partial_forward.entering(model, 2, tokens)
    with partial_forward.entered(model, 2, hidden):
        assert torch.equal(forward.logits_at(model, tokens, positions), expected)


def test_the_lowest_block_of_what_is_trained(architecture):
    model, chosen = trainable.choose(tiny_model(architecture), TOP)
    assert partial_forward.lowest(model, chosen.start) == 2
    assert partial_forward.lowest(model, [*chosen.start, *dict(model.named_parameters())]) == 0
    model, chosen = trainable.choose(tiny_model(architecture), {**TOP, "layers": [2, 1]})
    assert partial_forward.lowest(model, chosen.start) == 1


def test_adapters_begin_at_the_first_block():
    model, chosen = trainable.choose(tiny_model("llama"), {"lora": {"rank": 2, "matrices": ["q"]}})
    assert partial_forward.lowest(model, chosen.start) == 0


@pytest.mark.parametrize("runs", [RUNS, RUNS[:1]])
def test_nothing_below_the_lowest_trained_block_is_computed_twice(runs):
    model, chosen = trainable.choose(tiny_model("llama"), TOP)
    calls = [0, 0, 0]

    def count(number):
        def hook(*_):
            calls[number] += 1

        return hook

    for number, layer in enumerate(model.model.layers):
        layer.register_forward_hook(count(number))
    queries = evaluation.Queries(model, chosen, QUERIES, "cpu")
    batches = [training_batch.tensors(run, "label") for run in runs]
    learner = Learner(rate=0.1, epochs=5, train=TOP, record=(2,))
    for _, weights, *_ in gradient_descent.descend(model, chosen, batches, learner):
        list(evaluation.answers(model, weights, queries, NextToken(LABELS, 4)))
    # Below: once for the queries, once for the demonstrations. Above: five steps, and three
    # records of the loss and of the queries.
    assert calls == [2, 2, 5 + 3 + 3]


def test_queries_beyond_the_memory_for_hidden_states_run_whole(monkeypatch):
    learner = Learner(rate=0.5, epochs=2, train=TOP)
    model, chosen = trainable.choose(tiny_model("llama"), TOP)
    whole = evaluation.Queries(model, chosen, QUERIES, "cpu")
    assert len(whole.hidden) == len(QUERIES)
    monkeypatch.setitem(batches.HIDDEN_PER_BATCH, "cpu", 1)
    monkeypatch.setattr(evaluation, "HIDDEN_BYTES", 8 * 16 * sum(sorted(map(len, QUERIES))[:2]))
    part = evaluation.Queries(model, chosen, QUERIES, "cpu")
    assert len(part.hidden) == 2
    for _, weights, *_ in gradient_descent.descend(
        model, chosen, [training_batch.tensors(run, "label") for run in RUNS], learner
    ):
        ((_, one),) = evaluation.answers(model, weights, whole, NextToken(LABELS, VOCABULARY))
        ((_, other),) = evaluation.answers(model, weights, part, NextToken(LABELS, VOCABULARY))
        for a, b in zip(one, other, strict=True):
            assert abs(a.label_logprobs - b.label_logprobs).max() < 1e-6


@pytest.mark.parametrize("train", [None, TOP])
@pytest.mark.parametrize("batch", [None, 2])
def test_checkpoints_change_no_bit(architecture, train, batch, monkeypatch):
    learner = Learner(rate=0.05, epochs=2, train=train, batch=batch)
    plain = {}
    for when in (False, True):
        monkeypatch.setattr(gradient_descent, "large", lambda *_, when=when: when)
        found = followed(tiny_model(architecture), RUNS[:1], learner)
        plain = plain or found
        for epoch in plain:
            assert torch.equal(found[epoch][0], plain[epoch][0])
            assert torch.equal(found[epoch][1], plain[epoch][1])


def test_checkpoints_are_for_more_than_the_free_memory(monkeypatch):
    model = tiny_model("llama", "float32")
    batch = training_batch.tensors(RUNS[0], "label")
    kept = 4 * gradient_descent.KEPT_PER_UNIT * 16 * batch.tokens.numel()

    def found(small: int, free: int) -> list[bool]:
        monkeypatch.setattr(gradient_descent, "SMALL_BYTES", small)
        monkeypatch.setattr(memory, "free", lambda threads: free)
        return [gradient_descent.large(model, lowest, batch) for lowest in range(3)]

    # There are three blocks; half of what is free may be kept.
    assert found(0, 6 * kept) == [False, False, False]
    assert found(0, 4 * kept) == [True, False, False]
    assert found(0, 0) == [True, True, True]
    assert found(2 * kept, 0) == [True, False, False]
