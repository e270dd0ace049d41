"""The views of q, k, v and o are what the attention of every architecture computes with."""

import itertools
from dataclasses import replace

import pytest
import torch
from support.models import tiny_model
from support.projections import LAYER, per_head, weights, without_biases

from iclgd.io.cli import InputError
from iclgd.models import architectures


@pytest.fixture
def model(architecture):
    return without_biases(architecture)


def look(model) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The attention's input [T, d], weights [heads, T, T] and output [T, d] in LAYER.

    All tokens stand at position 0, where rotary embeddings do nothing.
    """
    tokens = torch.tensor([[0, 7, 40, 90, 12]])
    arguments = {"attention_mask": torch.ones_like(tokens), "output_attentions": True}
    if model.config.model_type != "bloom":
        arguments["position_ids"] = torch.zeros_like(tokens)
    seen = {}
    where = architectures.row(model.config)
    handles = [
        model.get_submodule(f"{where.blocks}.{LAYER}.{where.q}").register_forward_hook(
            lambda _, inputs, __: seen.update(input=inputs[0][0])
        ),
        model.get_submodule(f"{where.blocks}.{LAYER}.{where.o}").register_forward_hook(
            lambda _, __, output: seen.update(output=output.view(-1, output.shape[-1]))
        ),
    ]
    attention = model(tokens, **arguments).attentions[LAYER][0]
    for handle in handles:
        handle.remove()
    return seen["input"], attention, seen["output"]


def test_v_and_o_give_the_attention_output(model):
    x, attention, output = look(model)
    values = torch.einsum("td,hwd->htw", x, per_head(model, "v"))
    expected = torch.einsum("hts,hsw,hdw->td", attention, values, weights(model, "o"))
    torch.testing.assert_close(output, expected, rtol=0, atol=1e-12)


def test_q_and_k_give_the_attention_weights(model):
    """Scores relative to those of a model with q = 0, where only a position bias is left."""
    x, attention, _ = look(model)
    q, k = per_head(model, "q"), per_head(model, "k").clone()
    queries = torch.einsum("td,hwd->htw", x, q)
    keys = torch.einsum("td,hwd->htw", x, k)
    scale = 1 if model.config.model_type == "gpt_neo" else q.shape[1] ** -0.5
    weights(model, "q").zero_()
    _, bias, _ = look(model)
    causal = torch.ones_like(attention).tril().bool()
    scores = (scale * queries @ keys.mT + bias.log()).where(causal, -torch.inf)
    expected = scores.softmax(-1).where(bias > 0, 0.0)
    # transformers takes this softmax in float32, whatever the model's dtype.
    torch.testing.assert_close(attention, expected, rtol=0, atol=1e-6)


def test_views_write_through_and_cover_every_matrix_of_a_block_once(model):
    config = model.config
    prefix = f"{architectures.row(config).blocks}.{LAYER}."
    block = {n: p for n, p in model.named_parameters() if n.startswith(prefix) and p.dim() == 2}
    written = {name: torch.zeros_like(parameter) for name, parameter in block.items()}
    for matrix in architectures.MATRICES:
        for name in architectures.parameter_names(config, LAYER, matrix):
            architectures.view(config, matrix)(written[name]).add_(1)
    assert written
    for name, tensor in written.items():
        assert (tensor == 1).all(), name


@pytest.mark.parametrize("matrix", ["q", "k", "v"])
def test_shapes_count_heads(architecture, matrix):
    model = tiny_model(architecture)
    grouped = architecture in ("llama", "mistral", "qwen2") and matrix != "q"
    assert weights(model, matrix).shape == (2 if grouped else 4, 4, 16)
    assert weights(model, "o").shape == (4, 16, 4)


@pytest.mark.parametrize("axes", list(itertools.permutations(("matrix", "heads", "width"))))
def test_a_fused_order_is_data(monkeypatch, axes):
    """Any order of the axes of one weight, as the row of an architecture names it."""
    config = tiny_model("gpt_neox").config
    own = architectures.row(config)
    monkeypatch.setitem(architectures.ARCHITECTURES, "gpt_neox", replace(own, axes=axes))
    parts = torch.randn(3, 4, 4, 16)  # matrix, heads, head width, model width
    places = [("matrix", "heads", "width").index(axis) for axis in axes]
    weight = parts.permute(*places, 3).reshape(48, 16)
    for number, matrix in enumerate("qkv"):
        assert torch.equal(architectures.view(config, matrix)(weight), parts[number])
    found = architectures.queries(config)(torch.randn(2, 5, 16) @ weight.mT)
    assert found.shape == (2, 5, 16)
    x = torch.randn(7, 16)
    expected = torch.einsum("td,hwd->thw", x, parts[0]).flatten(1)
    torch.testing.assert_close(architectures.queries(config)(x @ weight.mT), expected)


@pytest.mark.parametrize(
    ("layers", "layer", "number"),
    [(32, 0.484, 15), (32, 0.968, 30), (32, 0.0, 0), (32, 1.0, 31), (32, 31, 31), (2, 0.5, 0)],
)
def test_layers_by_number_or_fraction(layers, layer, number):
    config = tiny_model("llama").config
    config.num_hidden_layers = layers
    assert architectures.layer_number(config, layer) == number


@pytest.mark.parametrize("layer", [3, -1, 1.3, -0.4])
def test_layers_outside_the_model_are_named(layer):
    with pytest.raises(InputError, match=f"layer {layer} is outside .* 0 ... 2"):
        architectures.layer_number(tiny_model("llama").config, layer)


def test_an_unknown_architecture_is_named():
    config = tiny_model("llama").config
    config.model_type = "mamba"
    with pytest.raises(InputError, match=r"mamba.*llama, mistral"):
        architectures.parameter_names(config, 0, "q")


def test_names_differ_between_layers(architecture):
    model = tiny_model(architecture)
    known = dict(model.named_parameters())
    names = [
        name
        for layer, matrix in itertools.product(range(3), architectures.MATRICES)
        for name in architectures.parameter_names(model.config, layer, matrix)
    ]
    assert set(names) <= set(known)
    fused = architectures.row(model.config).fused
    assert len(names) - len(set(names)) == (6 if fused else 0)
