"""Captures of attention against plain formulae, for every architecture and kind of training."""

import itertools
from dataclasses import replace

import pytest
import torch
from support.descents import demonstrations
from support.models import tiny_model, tolerance
from support.projections import LAYER, per_head, weights, without_biases

from iclgd.io.cli import InputError
from iclgd.learners import gradient_descent, trainable, training_batch
from iclgd.learners.settings import Learner
from iclgd.metrics import activations
from iclgd.models import architectures, attention

KV = {"layers": "all", "matrices": ["k", "v"]}
DAI = {"rate": 0.1, "epochs": 1, "batch": 1, "loss": "all", "train": KV}

TOKENS = [0, 7, 40, 90, 12]


@pytest.fixture
def model(architecture):
    return without_biases(architecture)


def plainly(model) -> tuple[torch.Tensor, torch.Tensor]:
    """The attention's input [T, d] and weights [heads, T, T] in LAYER, as transformers has them."""
    where, seen = architectures.row(model.config), {}
    handle = model.get_submodule(f"{where.blocks}.{LAYER}.{where.q}").register_forward_hook(
        lambda _, inputs, __: seen.update(input=inputs[0][0])
    )
    found = model(torch.tensor([TOKENS]), output_attentions=True).attentions[LAYER][0]
    handle.remove()
    return seen["input"], found


def captured(model, sequences=(TOKENS,)) -> activations.Captured:
    model, _ = trainable.choose(model, KV)
    return activations.at_last(model, list(sequences), {})


def test_outputs_and_queries_are_those_of_the_formulae(model):
    x, weights_of = plainly(model)
    values = torch.einsum("td,hwd->htw", x, per_head(model, "v"))
    output = torch.einsum("hs,hsw,hdw->d", weights_of[:, -1], values, weights(model, "o"))
    query = torch.einsum("d,hwd->hw", x[-1], weights(model, "q")).flatten()
    found = captured(model)
    # transformers takes its softmax in float32, whatever the model's dtype.
    torch.testing.assert_close(found.outputs[0, LAYER], output, rtol=0, atol=1e-6)
    torch.testing.assert_close(found.queries[0, LAYER], query, rtol=0, atol=1e-6)


def test_scores_are_the_logarithm_of_the_attention(model):
    """Up to a constant, and to what position adds: the weights of a model with q = 0."""
    found = captured(model).scores[0, LAYER]
    model.set_attn_implementation("eager")
    _, attended = plainly(model)
    weights(model, "q").zero_()
    _, bias = plainly(model)
    seen = bias[:, -1] > 0  # a local layer of GPT-Neo does not see them all
    expected = attended[:, -1].log() - bias[:, -1].log()
    for head, mask in enumerate(seen):
        difference = (found[head] - expected[head])[mask]
        assert mask.sum() > 2 and found[head][mask].std() > 1e-3
        torch.testing.assert_close(
            difference, difference.mean().expand_as(difference), rtol=0, atol=1e-5
        )


def test_a_batch_with_padding_captures_what_single_rows_do(architecture):
    model = tiny_model(architecture)
    rows = [[0, 7, 9], TOKENS, [0, 5, 6, 8]]
    together = captured(model, rows)
    for i, row in enumerate(rows):
        alone = captured(model, [row])
        for name in ("outputs", "queries"):
            torch.testing.assert_close(
                getattr(together, name)[i], getattr(alone, name)[0], rtol=0, atol=1e-6
            )
        scores = together.scores[i, ..., : len(row)]
        torch.testing.assert_close(scores, alone.scores[0], rtol=0, atol=1e-5)


def test_nothing_is_left_behind_in_the_model(architecture):
    model, _ = trainable.choose(tiny_model(architecture), KV)
    before = model(torch.tensor([TOKENS])).logits
    hooks = sum(len(m._forward_hooks) for m in model.modules())
    activations.at_last(model, [TOKENS], {})
    assert sum(len(m._forward_hooks) for m in model.modules()) == hooks
    assert not any("see" in vars(m) or "_attn" in vars(m) for m in model.modules())
    assert torch.equal(model(torch.tensor([TOKENS])).logits, before)


def test_training_is_the_descent_and_leaves_the_model_alone(architecture):
    model, chosen = trainable.choose(tiny_model(architecture), KV)
    start = {name: tensor.clone() for name, tensor in chosen.start.items()}
    shown, learner = demonstrations(3), Learner(**DAI)
    batch = training_batch.tensors(shown, "all")
    tuned = activations.train(model, chosen, batch, learner)
    assert all(torch.equal(chosen.start[name], start[name]) for name in start)
    run = gradient_descent.descend(model, chosen, [batch], learner)
    assert [now.epoch for now in itertools.islice(run, 1)] == [0]
    next(run)
    assert all(torch.equal(chosen.start[name], tuned.weights[name]) for name in start)
    run.close()
    # The first demonstration is seen untrained, the second behind one step on the first.
    torch.testing.assert_close(tuned.during[0], tuned.before[0], rtol=0, atol=1e-12)
    one = activations.train(
        model, chosen, training_batch.tensors(shown[:1], "all"), learner
    ).weights
    length = len(shown[1][0])
    with torch.no_grad():
        for name in start:
            chosen.start[name].copy_(one[name])
    second = activations.queries(model, torch.tensor([shown[1][0]]))[0]
    torch.testing.assert_close(
        tuned.during[1][:, :length], second, rtol=0, atol=tolerance(architecture)
    )
    assert (tuned.during[1] - tuned.before[1]).abs().max() > 1e-4


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("train", [None, {"lora": {"rank": 2, "matrices": ["q", "k", "v"]}}])
def test_any_learner_and_half_precision_are_captured(architecture, dtype, train):
    model, chosen = trainable.choose(tiny_model(architecture, dtype), train)
    learner = Learner(**{**DAI, "train": train})
    tuned = activations.train(
        model, chosen, training_batch.tensors(demonstrations(2), "all"), learner
    )
    before, after = (activations.at_last(model, [TOKENS], own) for own in ({}, tuned.weights))
    assert before.scores.dtype == before.outputs.dtype == tuned.during.dtype == torch.float32
    assert (after.outputs - before.outputs).abs().max() > 1e-3


def test_of_several_epochs_the_last_is_seen():
    model, chosen = trainable.choose(tiny_model("llama"), KV)
    batch = training_batch.tensors(demonstrations(3), "all")
    found = [
        activations.train(model, chosen, batch, Learner(**{**DAI, "epochs": n})).during
        for n in (1, 2)
    ]
    assert found[0].shape == found[1].shape == (3, 3, batch.tokens.shape[1], 16)
    assert (found[0][0] - found[1][0]).abs().max() > 1e-4


def test_a_model_with_momentum_keeps_it_while_it_is_watched():
    model = tiny_model("llama", attention_momentum=0.5)
    attention.activate(model)
    tokens = torch.arange(1, 9)[None]
    seen = []
    with torch.no_grad():
        alone = model(input_ids=tokens).logits
        with activations.scored(model, lambda query, key, scaling: seen.append(query)):
            watched = model(input_ids=tokens).logits
    assert len(seen) == 3
    assert torch.equal(alone, watched)


@pytest.mark.parametrize(
    ("row", "line"),
    [
        (
            {"shows": None},
            "the attention of 'gptj' shows neither queries nor keys (no `shows` in its row); leave "
            "the model out of figures of kind attention",
        ),
        (
            {"o": "attn.dense"},
            "the row of 'gptj' in src/iclgd/models/architectures.py names 'attn.dense', which a "
            "block does not have",
        ),
        (
            {"o": "self_attention.dense"},
            "the row of 'gptj' in src/iclgd/models/architectures.py names 'self_attention', which "
            "a block does not have",
        ),
    ],
)
def test_what_a_row_lacks_is_one_line(row, line, monkeypatch):
    model = tiny_model("gptj")
    changed = replace(architectures.ARCHITECTURES["gptj"], **row)
    monkeypatch.setitem(architectures.ARCHITECTURES, "gptj", changed)
    with pytest.raises(InputError) as error:
        activations.at_last(model, [TOKENS], {})
    assert str(error.value) == line
