"""W_Q, W_K, W_V and W_O of every row are what the attention computes with, found without the row's
own reading of a weight: a matrix is set to zero through it, and the output tells which one it was.
"""

import itertools
from dataclasses import replace

import pytest
import small
import torch

from iclgd.io.cli import InputError
from iclgd.models import architectures, dimensions, forward, row_check

KNOWN = sorted(architectures.ARCHITECTURES.keys() & set(small.KINDS))
BIASED = ("bloom", "mpt")  # ALiBi: attention without queries is not uniform
TOKENS = torch.tensor([[5, 80, 17, 140, 9, 33]])


def output(kind: str, *matrices: str, name: str = "") -> torch.Tensor:
    """What a module of layer 0 (default: W_O) gives, without biases, with matrices at zero."""
    model = small.build(kind, torch.float64)
    where, weights = architectures.row(model.config), dict(model.named_parameters())
    prefix = f"{where.blocks}.0."
    for own, weight in weights.items():
        if own.startswith(f"{prefix}{where.attention}.") and own.endswith("bias"):
            weight.zero_()
    for matrix in matrices:
        for own in architectures.parameter_names(model.config, 0, matrix):
            architectures.view(model.config, matrix)(weights[own]).zero_()
    seen = []
    module = model.get_submodule(prefix + (name or where.o))
    module.register_forward_hook(lambda _, __, out: seen.append(out))
    with torch.no_grad():
        model(**forward.arguments(TOKENS))
    (found,) = seen
    return found


def test_every_row_is_tried():
    """All but the construction's, whose attention is in tests/models/test_gd_transformer.py."""
    assert set(architectures.ARCHITECTURES) == {*KNOWN, "constructed"}


@pytest.mark.parametrize("kind", KNOWN)
def test_without_values_nothing_comes_out(kind):
    assert output(kind).abs().max() > 0.01
    for matrix in "vo":
        assert output(kind, matrix).abs().max() == 0


@pytest.mark.parametrize("kind", KNOWN)
def test_without_queries_or_keys_attention_is_the_mean_of_values(kind):
    model = small.build(kind, torch.float64)
    where = architectures.row(model.config)
    heads, _, width = dimensions.heads(model.config)
    for matrix in "qk":
        found = output(kind, matrix)
        torch.testing.assert_close(found, output(kind, "q", "k"), rtol=0, atol=1e-12)
        values = architectures.part(model.config, output(kind, matrix, name=where.v), "v")[0]
        values = values.repeat_interleave(heads // values.shape[1], 1)
        count = torch.arange(1, TOKENS.shape[1] + 1)[:, None, None]
        mean = (values.cumsum(0) / count).view(-1, heads * width)
        (name,) = architectures.parameter_names(model.config, 0, "o")
        weight = model.get_parameter(name)
        expected = mean @ (weight if where.transposed else weight.T)
        near = torch.allclose(found.view_as(expected), expected, rtol=0, atol=1e-6)
        assert near != (kind in BIASED)


@pytest.mark.parametrize("kind", KNOWN)
def test_without_mlp_a_block_adds_its_attention_alone(kind):
    model = small.build(kind, torch.float64)
    where, weights = architectures.row(model.config), dict(model.named_parameters())
    for name in where.mlp:
        for end in ("weight", "bias"):
            if (own := f"{where.blocks}.0.{name}.{end}") in weights:
                weights[own].zero_()
    block, seen = model.get_submodule(f"{where.blocks}.0"), {}
    block.register_forward_hook(
        lambda _, given, named, out: seen.update(
            into=given[0] if given else named["hidden_states"],
            out=out[0] if isinstance(out, tuple) else out,
        ),
        with_kwargs=True,
    )
    block.get_submodule(where.o).register_forward_hook(lambda _, __, out: seen.update(added=out))
    with torch.no_grad():
        model(**forward.arguments(TOKENS))
    added = seen["added"].view_as(seen["into"])
    torch.testing.assert_close(seen["out"], seen["into"] + added, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("kind", KNOWN)
def test_the_check_of_a_run_finds_every_wrong_order_of_axes(kind, dtype, monkeypatch):
    model = small.build(kind, dtype)
    own, name = architectures.row(model.config), dimensions.text_config(model.config).model_type
    row_check.check(model)
    for axes in set(itertools.permutations(own.axes)) - {own.axes}:
        monkeypatch.setitem(architectures.ARCHITECTURES, name, replace(own, axes=axes))
        with pytest.raises(InputError, match=f"the row of {name!r} in src/iclgd/models/architect"):
            row_check.check(model, 0, ["v"])
