"""A float64 model has no float32 inside, and is the same function."""

import copy

import pytest
import torch
from support.descents import RUNS
from support.models import save_model, tiny_model

from iclgd.learners import gradient_descent, trainable, training_batch
from iclgd.learners.settings import Learner
from iclgd.models import float64, loading, pretraining
from iclgd.tasks import synthetic

TOKENS = torch.tensor([[0, 7, 30, 141, 9, 12]])
COMPLETED = ("llama", "mistral", "qwen2", "gptj")


@pytest.mark.parametrize("architecture", ["llama", "mistral", "qwen2"], indirect=True)
def test_norms_are_the_original_bit_for_bit_in_float32(architecture):
    model = tiny_model(architecture, "float32")
    norms = [one for one in model.modules() if "RMSNorm" in type(one).__name__]
    assert len(norms) == 7
    for norm in norms:
        hidden = 5 * torch.randn(3, 4, len(norm.weight))
        assert torch.equal(float64.root_mean_square(norm, hidden), norm(hidden))


def test_a_norm_by_hand():
    norm = tiny_model("llama").model.norm
    norm.weight.copy_(torch.full_like(norm.weight, 2.0))
    hidden = torch.full((1, 16), 3.0, dtype=torch.float64)
    expected = 2 * 3 / (9 + norm.variance_epsilon) ** 0.5
    assert float64.root_mean_square(norm, hidden)[0, 0].item() == pytest.approx(expected, abs=1e-15)


@pytest.mark.parametrize("architecture", COMPLETED, indirect=True)
def test_a_completed_model_is_the_same_function_without_float32(architecture):
    model = tiny_model(architecture)
    before = model(TOKENS).logits
    assert float64.narrow(model)
    float64.complete(model)
    assert float64.narrow(model) is None
    after = model(TOKENS).logits
    assert 0 < (after - before).abs().max() < 1e-5
    assert torch.equal(copy.deepcopy(model)(TOKENS).logits, after)


@pytest.mark.parametrize("architecture", ["gpt2", "gpt_neox", "opt"], indirect=True)
def test_what_is_float64_already_is_left_alone(architecture, capsys):
    model = tiny_model(architecture)
    kinds = [type(one) for one in model.modules()]
    float64.complete(model)
    assert [type(one) for one in model.modules()] == kinds
    assert "float32" not in capsys.readouterr().err


@pytest.mark.parametrize("architecture", ["gpt_neo"], indirect=True)
def test_float32_that_is_left_is_told(architecture, capsys):
    float64.complete(tiny_model(architecture))
    assert "float64 model: gpt_neo computes in float32 inside" in capsys.readouterr().err


def test_models_of_another_dtype_are_not_touched():
    model = tiny_model("llama", "float32")
    kinds = [type(one) for one in model.modules()]
    float64.complete(model)
    assert [type(one) for one in model.modules()] == kinds


def test_a_norm_that_is_another_function_is_left_alone(capsys):
    model = tiny_model("llama")
    kind = type(model.model.norm)
    shifted = type(
        "ShiftedRMSNorm", (kind,), {"forward": lambda norm, h: 1 + kind.forward(norm, h)}
    )
    model.model.norm.__class__ = shifted
    float64.complete(model)
    assert type(model.model.norm) is shifted
    assert "computes in float32 inside" in capsys.readouterr().err


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_loaded_model_is_completed(tmp_path, dtype):
    loaded = loading.load(save_model(tiny_model("llama"), tmp_path, dtype=dtype), "cpu")
    assert loaded.model.dtype == getattr(torch, dtype)
    if dtype == "float64":
        assert float64.narrow(loaded.model) is None


@pytest.mark.parametrize("architecture", COMPLETED, indirect=True)
def test_the_order_of_demonstrations_changes_nothing_in_float64(architecture):
    """50 epochs of monotone steps of the whole model: no sum's rounding is amplified."""
    model = tiny_model(architecture)
    float64.complete(model)
    model, chosen = trainable.choose(model, None)
    batches = [training_batch.tensors(run, "label") for run in (RUNS[0], RUNS[0][::-1])]
    learner = Learner(rate=0.3, epochs=50, optimiser="monotone", record=())
    for now in gradient_descent.descend(model, chosen, batches, learner):
        weights = {name: weight.clone() for name, weight in now.weights.items()}
    for name, (one, other) in weights.items():
        moved = (one - chosen.start[name]).norm()
        assert (one - other).norm() <= 1e-10 * one.norm(), name
        assert moved == 0 or moved > 1e-6 * one.norm(), name


@pytest.mark.parametrize("kind", ["llama", "gptj"])
def test_pretraining_in_float64_begins_with_the_same_weights(kind):
    shape = {"model_type": kind, "hidden_size": 16, "num_hidden_layers": 1}
    shape |= {"num_attention_heads": 2}
    shape |= {"intermediate_size": 24} if kind == "llama" else {"rotary_dim": 4}
    entry = {"shape": shape, "seed": 3, "mixture": {"repeat": 0.3}, "steps": 3, "decay": 1}
    entry |= {"batch": 4, "context": 16, "probe_every": 10}
    models, losses = {}, {}
    for dtype in ("float32", "float64"):
        recipe = pretraining.read_entry({**entry, "dtype": dtype})
        models[dtype] = model = pretraining.build_model(recipe)
        start = {name: one.detach().clone() for name, one in model.state_dict().items()}
        losses[dtype] = list(pretraining.pretrain(model, recipe))[-1]["loss"]
        models[f"{dtype} start"] = start
    for name, one in models["float64 start"].items():
        assert torch.equal(one, models["float32 start"][name].to(one.dtype))
    assert {one.dtype for one in models["float64"].parameters()} == {torch.float64}
    assert float64.narrow(models["float64"]) is None
    assert losses["float32"] == pytest.approx(losses["float64"], rel=1e-4)
    assert losses["float32"] != losses["float64"]
    assert len(synthetic.VOCABULARY) == models["float64"].config.vocab_size
