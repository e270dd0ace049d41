"""Momentum attention: the scan, the attention, and models that have it in every step."""

import json

import numpy as np
import pytest
import torch
from support.models import LABELS, VOCABULARY, loaded, save_model, tiny_model
from support.shared_prompts import orders, same

from iclgd.io.cli import InputError
from iclgd.learners import in_context, trainable
from iclgd.models import attention, prefix_cache, pretraining
from iclgd.models.loading import load
from iclgd.tasks.readouts.next_token import NextToken


def pairwise(values: torch.Tensor, eta: float) -> torch.Tensor:
    """The formula as it stands, every pair of tokens for itself."""
    average = torch.zeros_like(values)
    for t in range(values.shape[-2]):
        for i in range(t):
            average[..., t, :] += eta ** (t - i) * values[..., i, :]
    return average


def with_momentum(eta: float, dtype: str = "float64", seed: int = 0):
    """A random llama with momentum attention (its key and value heads are shared by two)."""
    model = tiny_model("llama", dtype, seed, attention_momentum=eta)
    attention.activate(model)
    return model


def test_average_equals_hand_computed():
    values = torch.tensor([[1.0], [2.0], [4.0], [9.0]], dtype=torch.float64)
    # 0; .5 of 1; .5 of 2 and .25 of 1; .5 of 4, .25 of 2 and .125 of 1.
    expected = [0, 0.5, 1.25, 2.625]
    assert attention.moving_average(values, 0.5)[:, 0].tolist() == expected
    assert attention.moving_average(values, 0.0)[:, 0].tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("time", [1, 63, 64, 65, 150])
@pytest.mark.parametrize("eta", [0.0, 0.3, 0.99])
def test_scan_equals_all_pairs(time, eta):
    generator = torch.Generator().manual_seed(time)
    values = torch.randn(2, 3, time, 4, dtype=torch.float64, generator=generator)
    found = attention.moving_average(values, eta)
    torch.testing.assert_close(found, pairwise(values, eta), rtol=0, atol=1e-9)
    # Nothing looks ahead, and the average of a sum is the sum of the averages.
    cut = attention.moving_average(values[..., : time // 2 + 1, :], eta)
    torch.testing.assert_close(found[..., : time // 2 + 1, :], cut, rtol=0, atol=1e-12)
    twice = attention.moving_average(values + values.flip(0), eta)
    torch.testing.assert_close(twice, found + found.flip(0), rtol=0, atol=1e-9)


def test_time_is_linear():
    """Operations of a document twice as long are twice as many, where all pairs are four times."""
    from torch.utils.flop_counter import FlopCounterMode

    counts = []
    for time in (1024, 2048):
        with FlopCounterMode(display=False) as counter:
            attention.moving_average(torch.zeros(1, time, 4), 0.5)
        counts.append(counter.get_total_flops())
    assert 0 < counts[1] <= 2 * counts[0]


def test_attention_adds_the_average_of_the_values():
    torch.manual_seed(0)
    query, key, value = (torch.randn(2, heads, 7, 3, dtype=torch.float64) for heads in (4, 2, 2))
    mask = torch.full((7, 7), -torch.inf, dtype=torch.float64).triu(1)
    module = with_momentum(0.4).model.layers[0].self_attn
    found, _ = attention.momentum_attention(module, query, key, value, mask, 0.5)
    scores = query @ key.repeat_interleave(2, 1).mT * 0.5 + mask
    wanted = scores.softmax(-1) @ value.repeat_interleave(2, 1)
    wanted += pairwise(value, 0.4).repeat_interleave(2, 1)
    torch.testing.assert_close(found, wanted.transpose(1, 2), rtol=0, atol=1e-12)


def test_momentum_zero_is_plain_attention_and_any_other_is_not():
    tokens = torch.tensor([[0, 7, 9, 30, 7, 9]])
    plain = tiny_model("llama")
    logits = [model(tokens).logits for model in (plain, with_momentum(0.0), with_momentum(0.2))]
    torch.testing.assert_close(logits[1], logits[0], rtol=0, atol=1e-9)
    assert (logits[2] - logits[0]).abs().max() > 1e-3
    # The first token has none before it.
    torch.testing.assert_close(logits[2][:, 0], logits[0][:, 0], rtol=0, atol=1e-9)


def test_shared_beginnings_change_nothing():
    one = loaded(with_momentum(0.7))
    prefix = prefix_cache.Prefix(one.model)
    for sequences in orders():
        found = in_context.score(one, sequences, NextToken(LABELS, VOCABULARY), prefix)
        same(found, in_context.score(one, sequences, NextToken(LABELS, VOCABULARY)), 1e-9)


def test_descent_goes_through_the_momentum(monkeypatch):
    """GD starts at the model's own distribution, and its gradient is that of the formula."""
    model = with_momentum(0.5)
    tokens = torch.tensor([[0, 7, 9, 30, 7, 9]])
    before = model(tokens).logits
    chosen, parts = trainable.choose(model, {"layers": [1], "matrices": ["v"]})
    torch.testing.assert_close(chosen(tokens).logits, before, rtol=0, atol=0)
    gradients = []
    with parts.in_place() as weights:
        for average in (attention.moving_average, pairwise):
            monkeypatch.setattr(attention, "moving_average", average)
            (weight,) = weights.values()
            gradients += torch.autograd.grad(chosen(tokens).logits[0, -1, 5], weight)
    assert gradients[0].abs().max() > 0.1
    torch.testing.assert_close(gradients[0], gradients[1], rtol=0, atol=1e-9)


@pytest.mark.parametrize("eta", [0, 0.5])
def test_a_saved_model_has_its_momentum_again(eta, tmp_path):
    model = with_momentum(eta, "float32")
    again = load(save_model(model, tmp_path), "cpu").model
    assert again.config._attn_implementation == "momentum"
    tokens = torch.tensor([[0, 7, 9, 30, 7, 9]])
    assert torch.equal(again(tokens).logits, model(tokens).logits)


ENTRY = {
    "shape": {"model_type": "llama", "hidden_size": 8, "intermediate_size": 16,
              "num_hidden_layers": 1, "num_attention_heads": 2},
    "seed": 1, "mixture": {}, "batch": 4, "steps": 2, "decay": 1,
}  # fmt: skip


def test_twins_begin_with_the_same_weights_and_part(tmp_path):
    ends = []
    for eta in (0, 0.5):
        recipe = pretraining.read_entry(ENTRY | {"attention_momentum": eta})
        model = pretraining.build_model(recipe)
        start = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        rows = list(pretraining.pretrain(model, recipe))
        pretraining.save_model(model, tmp_path / str(eta))
        kept = json.loads((tmp_path / str(eta) / "config.json").read_text())
        assert kept["attention_momentum"] == eta
        ends.append((start, rows[-1]["loss"]))
    assert all(torch.equal(tensor, ends[1][0][name]) for name, tensor in ends[0][0].items())
    assert np.isfinite(ends[0][1]) and ends[0][1] != ends[1][1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention_momentum": 1.0}, "attention_momentum 1.0: it is in \\[0, 1\\)"),
        ({"attention_momentum": -0.1}, "attention_momentum -0.1"),
        (
            {"attention_momentum": 0.5, "shape": {"model_type": "gptj", "n_embd": 8, "n_head": 2,
                                                  "n_layer": 1, "rotary_dim": 2}},
            "architecture gptj does not take its attention",
        ),
    ],
)  # fmt: skip
def test_bad_momentum_is_named(change, message):
    with pytest.raises(InputError, match=message):
        pretraining.build_model(pretraining.read_entry(ENTRY | change))
