"""Layer-causal GD: no layer learns from those above it; both readings against a plain twin."""

import pytest
import torch
from support.descents import RUNS, compare, followed
from support.models import ARCHITECTURES, ONE_BY_ONE, tiny_model, tolerance

from iclgd.io.cli import InputError
from iclgd.learners import gradient_descent, layer_causal, settings, trainable, training_batch
from iclgd.learners.settings import Learner
from iclgd.models import architectures

KV = {"layers": "all", "matrices": ["k", "v"]}


def gradients(model, reading: str) -> dict[str, torch.Tensor]:
    model, chosen = trainable.choose(model, KV)
    for parameter in chosen.start.values():
        parameter.requires_grad_(True)
    batch = training_batch.tensors(RUNS[0], "all")
    gradient_descent.summed_loss(model, 0, {}, *batch.inputs(), reading=reading).backward()
    return {name: parameter.grad.clone() for name, parameter in chosen.start.items()}


@pytest.mark.parametrize("reading", layer_causal.READINGS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_gradient_depends_on_a_later_layer(architecture, reading):
    before = gradients(tiny_model(architecture), reading)
    model = tiny_model(architecture)
    where = architectures.row(model.config)
    last = f"{where.blocks}.2."
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.startswith(last):
                parameter += 0.3
    after = gradients(model, reading)
    lower = [name for name in before if not name.startswith(last)]
    assert len(lower) > 1
    for name in lower:
        assert before[name].abs().max() > 1e-6
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=0)
    assert any((after[name] - before[name]).abs().max() > 1e-6 for name in before)


def plain_loss(model, tokens: list[int], reading: str) -> torch.Tensor:
    """The loss of one demonstration, all tokens, layer by layer, written down for LLaMA."""
    base = model.model
    ids = torch.tensor([tokens])
    hidden = base.embed_tokens(ids)
    cos_sin = base.rotary_emb(hidden, torch.arange(len(tokens))[None])
    mask = torch.full((len(tokens), len(tokens)), -torch.inf, dtype=hidden.dtype).triu(1)
    total = 0.0
    for layer in base.layers:
        x = hidden.detach()
        attended, _ = layer.self_attn(
            layer.input_layernorm(x), position_embeddings=cos_sin, attention_mask=mask[None, None]
        )
        h = x + attended
        hidden = h + layer.mlp(layer.post_attention_layernorm(h))
        logits = model.lm_head(base.norm(h if reading == "attention" else hidden))
        total = total + torch.nn.functional.cross_entropy(
            logits[0, :-1], ids[0, 1:], reduction="sum"
        )
    return total


@pytest.mark.parametrize("reading", layer_causal.READINGS)
def test_the_loss_and_its_gradient_are_those_of_a_plain_loop(reading):
    found = gradients(tiny_model("llama"), reading)
    model, chosen = trainable.choose(tiny_model("llama"), KV)
    for parameter in chosen.start.values():
        parameter.requires_grad_(True)
    loss = sum(plain_loss(model, tokens, reading) for tokens, _ in RUNS[0])
    loss.backward()
    for name, parameter in chosen.start.items():
        torch.testing.assert_close(found[name], parameter.grad, rtol=0, atol=1e-9)
    batch = training_batch.tensors(RUNS[0], "all")
    with torch.no_grad():
        summed = gradient_descent.summed_loss(model, 0, {}, *batch.inputs(), reading=reading)
    torch.testing.assert_close(summed, loss.detach(), rtol=0, atol=1e-9)


@pytest.mark.parametrize("reading", layer_causal.READINGS)
def test_the_block_reading_of_the_last_layer_is_the_model(reading):
    model, _ = trainable.choose(tiny_model("gpt2"), KV)
    tokens, at = torch.tensor([[0, 7, 9, 11]]), torch.tensor([[3]])
    found = layer_causal.logits(model, reading, 0, {}, tokens, at)
    same = torch.allclose(found[-1, 0], model(tokens).logits[0, -1], rtol=0, atol=1e-12)
    assert found.shape[:2] == (3, 1) and same == (reading == "block")


STACKED = [name for name in ARCHITECTURES if name not in ONE_BY_ONE]


@pytest.mark.parametrize("reading", layer_causal.READINGS)
@pytest.mark.parametrize("architecture", STACKED)
def test_stacked_runs_are_single_ones(architecture, reading):
    # With the block's reading, what lies below the lowest trained layer is computed once.
    train = KV if reading == "attention" else {"layers": [1, 2], "matrices": ["k", "v"]}
    learner = Learner(rate=0.05, epochs=2, batch=2, loss="all", train=train, causal=reading)
    together = followed(tiny_model(architecture), RUNS, learner)
    single = [followed(tiny_model(architecture), [run], learner) for run in RUNS]
    twins = [
        {epoch: (rows[0], losses[0]) for epoch, (rows, losses) in one.items()} for one in single
    ]
    compare(together, twins, tolerance(architecture))


@pytest.mark.parametrize(
    "entry",
    [
        {"causal": "attention"},
        {"causal": "block", "train": {"lora": {"rank": 1, "matrices": ["q"]}}},
    ],
)
def test_it_needs_weights_of_blocks(entry):
    with pytest.raises(InputError, match="causal needs train with layers and matrices"):
        settings.learner({"rate": 0.1, **entry})


def test_an_unknown_reading_is_named():
    with pytest.raises(InputError, match="causal 'layer' is none of attention, block"):
        settings.learner({"rate": 0.1, "train": KV, "causal": "layer"})


def test_all_layers_are_every_layer():
    model, chosen = trainable.choose(tiny_model("llama"), KV)
    _, listed = trainable.choose(model, {**KV, "layers": [0, 1, 2]})
    assert list(chosen.start) == list(listed.start) and len(listed.start) == 6
