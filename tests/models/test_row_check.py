"""A wrong row of an architecture is refused by the model itself, a right one never."""

import itertools
from dataclasses import replace

import pytest
import torch
from support.models import tiny_model

from iclgd.io.cli import InputError
from iclgd.learners import trainable
from iclgd.models import architectures, row_check


@pytest.mark.parametrize("dtype", ["float64", "bfloat16"])
def test_every_row_is_right(architecture, dtype, capsys):
    model = tiny_model(architecture, dtype)
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    for number in range(3):
        row_check.check(model, number)
    assert "not tried" not in capsys.readouterr().err
    assert all(torch.equal(weight, before[name]) for name, weight in model.named_parameters())


@pytest.mark.parametrize("matrix", "qkvo")
def test_every_other_order_of_axes_is_refused(architecture, matrix, monkeypatch):
    model = tiny_model(architecture)
    own = architectures.row(model.config)
    for axes in set(itertools.permutations(own.axes)) - {own.axes}:
        monkeypatch.setitem(architectures.ARCHITECTURES, architecture, replace(own, axes=axes))
        with pytest.raises(InputError, match=f"the row of {architecture!r} in src/iclgd/models/"):
            row_check.check(model, 1, matrix)


@pytest.mark.parametrize("pair", itertools.combinations("qkvo", 2))
def test_names_that_changed_places_are_refused(pair, monkeypatch):
    one, other = pair
    for architecture in ("llama", "opt", "gpt_neo"):
        model = tiny_model(architecture)
        own = architectures.row(model.config)
        swapped = replace(own, **{one: getattr(own, other), other: getattr(own, one)})
        monkeypatch.setitem(architectures.ARCHITECTURES, architecture, swapped)
        with pytest.raises(InputError, match=f"the row of {architecture!r} in"):
            row_check.check(model, 1)


def test_the_line_is_the_learners_before_it_trains(monkeypatch):
    model = tiny_model("gpt2")
    wrong = replace(architectures.row(model.config), axes=("heads", "matrix", "width"))
    monkeypatch.setitem(architectures.ARCHITECTURES, "gpt2", wrong)
    line = (
        "W_V set to zero leaves an output of attention: the row of 'gpt2' in "
        "src/iclgd/models/architectures.py has the wrong axes"
    )
    for train in (
        {"layers": [0.5], "matrices": ["v"]},
        {"lora": {"rank": 2, "matrices": ["q", "k", "v"]}},
    ):
        with pytest.raises(InputError) as error:
            trainable.choose(model, train)
        assert str(error.value) == line
    trainable.choose(model, None)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mlp": ("mlp.gate_proj", "mlp.down_proj")}, "mlp leaves out 'mlp.up_proj.weight'"),
        ({"o": "self_attn.out"}, "names 'self_attn.out', which a block does not have"),
        ({"blocks": "transformer.h"}, "names 'transformer.h', which is no list of blocks"),
        (
            {"tuples": True},
            r"a block returns hidden alone \(`tuples`\): the row of 'llama' in .* wrong",
        ),
        ({"transposed": True}, "W_V is 16 wide, not 2 x 4"),
    ],
)
def test_what_else_a_row_can_have_wrong(change, said, monkeypatch):
    model = tiny_model("llama")
    wrong = replace(architectures.row(model.config), **change)
    monkeypatch.setitem(architectures.ARCHITECTURES, "llama", wrong)
    with pytest.raises(InputError, match=said):
        row_check.check(model, 1)


def test_an_attention_that_calls_no_modules_is_told(monkeypatch, capsys):
    """Nothing is refused that could not be asked; the log has it."""
    model = tiny_model("llama")
    attention = model.model.layers[1].self_attn
    monkeypatch.setattr(attention, "forward", lambda hidden_states, **_: (hidden_states, None))
    row_check.check(model, 1)
    assert "the row of 'llama' in src/iclgd/models/architectures.py was not tried (_Unlike: it" in (
        capsys.readouterr().err
    )


def test_a_row_is_tried_where_weights_are_only_read(monkeypatch):
    config = tiny_model("gpt2").config
    before = config.to_dict()
    row_check.check_config(config)
    assert config.to_dict() == before
    wrong = replace(architectures.row(config), axes=("heads", "matrix", "width"))
    monkeypatch.setitem(architectures.ARCHITECTURES, "gpt2", wrong)
    with pytest.raises(InputError, match="W_V set to zero leaves an output of attention"):
        row_check.check_config(config)
