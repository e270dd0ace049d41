"""Gradient descent on functions: by hand, beside GD on weights, beside attention that does it."""

import json
import math

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st
from support.models import loaded, save_model, tiny_model
from support.on_functions import answered, regressions, settled
from support.steps import run_step
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.learners import (
    functional,
    gradient_descent,
    kernels,
    settings,
    trainable,
    training_batch,
)
from iclgd.metrics import pairing
from iclgd.models import linear_attention

GUESS = {"parameters": ["model.guess.weight"]}


def test_a_step_by_hand():
    """Two demonstrations, x = 1 and 2, y = 3 and 0; one query, x = -1."""
    shown, asked = torch.tensor([[1.0], [2.0]]).double(), torch.tensor([[-1.0]]).double()
    assert functional.weights("linear", asked, shown).tolist() == [[-0.5, -1.0]]
    assert functional.weights("relu", asked, shown).tolist() == [[0.0, 0.0]]
    assert functional.weights("exp", asked, shown, 0.5)[0].tolist() == pytest.approx(
        [math.exp(-2) / 2, math.exp(-4) / 2]
    )
    share = 1 / (1 + math.exp(-1))
    assert functional.weights("softmax", asked, shown)[0].tolist() == pytest.approx(
        [share, 1 - share]
    )
    y, none = torch.tensor([[3.0], [0.0]]).double(), torch.zeros(2, dtype=torch.long)
    task = functional.Task(shown, asked, 0 * y, 0 * asked, none, y)
    first, second = functional.descend(task, settled("linear", 0.5, 1))
    assert (first.epoch, first.loss, first.answers.item()) == (0, 9 / 4, 0)
    # What is missing is 3 and 0, a step's half of it 1.5 and 0; f = 1.5 x / 2: .75, 1.5 and -.75.
    assert second.answers.item() == -0.75
    assert second.loss == pytest.approx((2.25**2 + 1.5**2) / 4)


def test_what_is_missing_by_hand():
    answers, targets = torch.zeros(1, 2).double(), torch.tensor([1])
    y = torch.tensor([[3.0, -1.0]]).double()
    task = functional.Task(answers, answers, answers, answers, targets, y)
    assert task.missing("label", answers).tolist() == [[-0.5, 0.5]]
    assert task.missing("squared", answers).tolist() == y.tolist()
    head = torch.tensor([[2.0, 0.0], [0.0, 4.0]]).double()
    assert task._replace(head=head).missing("label", answers).tolist() == [[-1.0, 2.0]]


@pytest.mark.parametrize("steps", [1, 2, 4])
def test_with_the_linear_kernel_it_is_gd_on_weights(steps):
    x, y, query, start = regressions()
    weight = linear_attention.descend(x, y, start, 0.7, steps)
    expected = (weight @ query[..., None])[..., 0]
    found = answered("linear", 0.7, steps, x, y, query, start)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("steps", [1, 2, 4])
@pytest.mark.parametrize("kernel", kernels.KERNELS)
def test_attention_with_a_kernel_is_gd_on_functions(kernel, steps):
    x, y, query, start = regressions()
    layers = [linear_attention.weights(start, 0.3)] * steps
    prompt = linear_attention.tokens(x, y, query, start)
    given = {"softmax": 1.0} if kernel == kernels.SOFTMAX else {"kernel": kernel}
    attention = linear_attention.predict(layers, prompt, 3, **given)
    found = answered(kernel, 0.3, steps, x, y, query, start)
    torch.testing.assert_close(found, attention, rtol=0, atol=1e-12)
    # Each kernel's answers are its own.
    other = "exp" if kernel == "relu" else "relu"
    assert (answered(other, 0.3, steps, x, y, query, start) - attention).abs().max() > 1e-2


def test_every_kernel_has_its_function():
    assert {*linear_attention.KERNELS, kernels.SOFTMAX} == set(kernels.KERNELS)


@pytest.mark.parametrize("headed", [False, True])
def test_the_cross_entropy_is_that_of_gd_on_weights(headed):
    """Beside autograd on W of logits H W x."""
    x, _, query, start = (one[0] if one.ndim > 2 else one for one in regressions())
    query, targets = query[:1], torch.tensor([0, 4, 1, 1, 3])
    head = torch.randn(5, 2, generator=torch.Generator().manual_seed(1)).double()
    head, start = (head, start) if headed else (None, head @ start)
    weight = start.clone().requires_grad_()

    def logits(z):
        return z @ weight.mT if head is None else z @ weight.mT @ head.mT

    losses = []
    for _ in range(3):
        loss = torch.nn.functional.cross_entropy(logits(x), targets)
        (slope,) = torch.autograd.grad(loss, weight)
        losses.append(loss.item())
        weight = (weight - 0.4 * slope).detach().requires_grad_()
    task = functional.Task(x, query, x @ start.mT, query @ start.mT, targets, None, head)
    found = list(functional.descend(task, settled("linear", 0.4, 3, "label")))
    assert [one.loss for one in found[:3]] == pytest.approx(losses, abs=1e-12)
    mine = found[-1].answers if head is None else found[-1].answers @ head.mT
    torch.testing.assert_close(mine, logits(query), rtol=0, atol=1e-12)


def test_on_what_enters_the_unembedding_it_is_gd_of_the_unembedding():
    """Beside the workflow's own GD of one matrix of a language model."""
    model = tiny_model("llama", tie_word_embeddings=False)
    rows = [([0, 7, 9, 4], 3), ([0, 8, 30, 31, 5], 4), ([0, 50, 4], 2)]
    trained = settings.learner(
        {"rate": 0.5, "epochs": 4, "record": [4], "train": {"parameters": ["lm_head.weight"]}}
    )
    queries, targets = [[0, 7, 30], [0, 12]], torch.tensor([row[start] for row, start in rows])
    entry = settled("linear", 0.5, 4, "label", layer="unembedding")
    reader = functional.reader(loaded(model), entry)
    shown, asked = (reader.read(x) for x in ([row[:start] for row, start in rows], queries))
    task = functional.Task(*reader.compared(shown, asked), shown.start, asked.start, targets)
    *_, last = functional.descend(task, entry)
    model, chosen = trainable.choose(model, trained.train)
    batch = training_batch.tensors(rows, "label")
    *_, end = gradient_descent.descend(model, chosen, [batch, batch], trained)
    expected = asked.x @ end.weights["lm_head.weight"][0].mT
    torch.testing.assert_close(last.answers, expected, rtol=0, atol=1e-9)


def test_gd_plus_plus_is_the_layer_that_moves_its_inputs():
    x, y, query, start = regressions()
    layer = linear_attention.weights(0 * start, 0.5, gamma=0.2)
    prompt = linear_attention.tokens(x, y, query, 0 * start)
    expected = linear_attention.predict([layer] * 3, prompt, 3)
    found = answered("linear", 0.5, 3, x, y, query, 0 * start, plus=0.2)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    plain = answered("linear", 0.5, 3, x, y, query, 0 * start)
    assert (found - plain).abs().max() > 1e-3


@hypothesis(deadline=None, max_examples=25)
@given(st.sampled_from(kernels.KERNELS), st.integers(1, 6), st.integers(0, 99))
def test_the_order_of_demonstrations_is_nothing_to_it(kernel, shots, seed):
    x, y, query, start = regressions(seed, 2, shots)
    order = torch.randperm(shots, generator=torch.Generator().manual_seed(seed))
    one, other = (
        answered(kernel, 0.2, 3, *z, query, start) for z in ((x, y), (x[:, order], y[:, order]))
    )
    torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


# --- as a step of the workflow --------------------------------------------------------------

MODELS = {
    "softmax": {"layers": 2, "rate": 1.0, "softmax": 1.0},
    "exp": {"layers": 2, "rate": 0.5, "kernel": "exp"},
    "relu": {"layers": 3, "rate": 1.0, "kernel": "relu"},
    "linear": {"layers": 2, "rate": 1.0},
    "rotated": {"layers": 2, "rate": 1.0, "rotate": 1},
    "label": {"layers": 1, "rate": 0.05, "loss": "label"},
    "half": {"layers": 2, "rate": 0.05, "precondition": 0.5},
    "whole": {"layers": 2, "rate": 0.05, "precondition": 1.0},
}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("functional")
    task = tiny_task("topic4", rows=80, classes=4, queries=16)
    parquet.write(task, folder / "task.parquet", TASK)
    run_step(
        *("sample_demonstrations", "--task", folder / "task.parquet", "--design", "n8"),
        *("--shots", "8", "--orders", "2", "--draws", "0-1", "--output", folder / "shown.parquet"),
    )
    for name, entry in MODELS.items():
        made = folder / f"made-{name}"
        run_step("construct_model", "--entry", json.dumps(entry), "--output", made)
        whole = json.dumps({"construct": entry, "dtype": "float64"})
        run_step(
            *("fetch_model", "--name", name, "--entry", whole, "--source", made),
            *("--folder", folder / name, "--manifest", folder / f"{name}.json"),
        )
    save_model(tiny_model("llama", "float32"), folder, "llama")
    return folder


def answers(folder, step: str, model: str, /, **entry) -> pl.DataFrame:
    output = folder / "answers.parquet"
    given = ["--learner", json.dumps(entry)] if entry else []
    run_step(
        *(step, "--model", folder / f"{model}.json", "--task", folder / "task.parquet", *given),
        *("--demonstrations", folder / "shown.parquet", "--output", output),
    )
    return parquet.read(output, LOGITS)


def apart(icl: pl.DataFrame, other: pl.DataFrame) -> tuple[float, float]:
    """Largest Jensen-Shannon divergence and smallest token overlap, at the last epoch."""
    last = other.filter(pl.col("epoch") == pl.col("epoch").max())
    table = pairing.metrics(pairing.paired(icl, last))[0]
    return table["js"].max(), table["token_overlap"].min()


@pytest.mark.slow
@pytest.mark.parametrize("kernel", kernels.KERNELS)
def test_a_construction_and_its_own_kernel_are_equal(places, kernel):
    """Any other learner is not: neither another kernel nor one step more."""
    rate, steps = MODELS[kernel]["rate"], MODELS[kernel]["layers"]
    icl = answers(places, "run_icl", kernel)
    entry = {"kernel": kernel, "rate": rate, "epochs": steps, "record": [], "loss": "squared"}
    js, overlap = apart(icl, answers(places, "run_kernel", kernel, **entry))
    assert js < 1e-12 and overlap == 1
    for other in set(kernels.KERNELS) - {kernel}:
        js, overlap = apart(
            icl, answers(places, "run_kernel", kernel, **{**entry, "kernel": other})
        )
        assert js > 1e-4 and overlap < 1
    more = answers(places, "run_kernel", kernel, **{**entry, "epochs": steps + 1})
    assert apart(icl, more)[0] > 1e-4


@pytest.mark.slow
def test_a_basis_is_nothing_to_it(places):
    entry = {"kernel": "linear", "rate": 1.0, "epochs": 2, "record": [], "loss": "squared"}
    icl = answers(places, "run_icl", "rotated")
    assert apart(icl, answers(places, "run_kernel", "rotated", **entry)) == (pytest.approx(0), 1)


@pytest.mark.slow
def test_preconditioned_attention_is_preconditioned_gd(places):
    """And the farther from plain GD the more it is so, at the best of many rates."""
    entry = {"kernel": "linear", "epochs": 2, "record": [], "loss": "squared"}
    nearest = {"linear": 0.0}
    for model, power in (("half", 0.5), ("whole", 1.0)):
        icl = answers(places, "run_icl", model)
        own = {**entry, "rate": 0.05, "precondition": power}
        js, overlap = apart(icl, answers(places, "run_kernel", model, **own))
        assert js < 1e-12 and overlap == 1
        rates = (0.25, 0.5, 1.0, 2.0, 4.0)
        plain = [answers(places, "run_kernel", model, **entry, rate=rate) for rate in rates]
        nearest[model] = min(apart(icl, one)[0] for one in plain)
    assert 1e-9 < nearest["half"] < nearest["whole"]


@pytest.mark.slow
def test_one_layer_is_a_step_on_the_cross_entropy(places):
    """Of the workflow's own GD, and of the linear kernel; the squared loss is another step."""
    icl = answers(places, "run_icl", "label")
    step = {"rate": 0.05, "epochs": 1, "record": []}
    for entry in (
        {"kernel": "linear", **step},
        {"train": GUESS, **step},
    ):
        ran = "run_kernel" if "kernel" in entry else "run_gd"
        js, overlap = apart(icl, answers(places, ran, "label", **entry))
        assert js < 1e-12 and overlap == 1
    js, _ = apart(icl, answers(places, "run_gd", "label", train=GUESS, loss="squared", **step))
    assert js > 1e-3


@pytest.mark.slow
def test_a_language_model_is_read_at_its_hidden_states(places):
    entry = {"kernel": "softmax", "rate": 4.0, "epochs": 3, "record": [1], "layer": 1}
    table = answers(places, "run_kernel", "llama", temperature=0.1, **entry)
    assert sorted(table["epoch"].unique()) == [0, 1, 3]
    assert table.filter(epoch=0)["state"].is_null().all()
    assert table.filter(epoch=1)["state"].unique().to_list() == ["training"]
    assert table.filter(epoch=3)["state"].unique().to_list() == ["capped"]
    # Before the first step it is the model as it is, as for any GD.
    gd = answers(places, "run_gd", "llama", rate=0.1, epochs=1, record=[0])
    a, b = (
        parquet.matrix(one.filter(epoch=0).sort("draw", "order", "example")["label_logprobs"])
        for one in (table, gd)
    )
    np.testing.assert_allclose(a, b, atol=1e-5)
    losses = table.group_by("epoch").agg(pl.col("loss").mean()).sort("epoch")["loss"].to_list()
    assert losses[0] > losses[1] > losses[2]
    wide = table.filter(epoch=3).sort("draw", "example")
    one, two = (parquet.matrix(wide.filter(order=o)["label_logprobs"]) for o in (0, 1))
    np.testing.assert_allclose(one, two, atol=1e-5)


@pytest.mark.slow
def test_newton_on_the_last_layer_of_a_language_model(places):
    entry = {"kernel": "linear", "layer": "unembedding", "step": "newton", "ridge": 0.01}
    table = answers(places, "run_kernel", "llama", **entry, epochs=6, record=[1])
    losses = dict(table.group_by("epoch").agg(pl.col("loss").mean()).rows())
    assert losses[0] > losses[1] >= losses[6] and losses[6] < 0.5 * losses[0]
    # Steps along the gradient of the same rows, which no ridge holds back, come there slowly.
    slow = {"kernel": "linear", "layer": "unembedding", "rate": 0.1, "epochs": 1, "record": []}
    gd = answers(places, "run_kernel", "llama", **slow)
    assert gd.filter(epoch=1)["loss"].mean() > losses[1]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"kernel": "cubic", "rate": 1}, "kernel 'cubic' is none of linear, exp, relu, softmax"),
        ({"rate": 1}, "kernel '' is none of"),
        ({"kernel": "exp", "rate": 1, "loss": "all"}, "loss 'all' is none of label, squared"),
        ({"kernel": "exp", "rate": 1, "batch": 2}, "batch has no meaning for a kernel"),
        ({"kernel": "exp"}, "there is no rate"),
        ({"kernel": "exp", "step": "leap", "rate": 1}, "step 'leap' is none of gradient, newton"),
        (
            {"kernel": "linear", "step": "newton"},
            "'ridge' is of 'step: newton' with the loss label",
        ),
        ({"kernel": "exp", "rate": 1, "ridge": 0.1}, "'ridge' is of 'step: newton'"),
        ({"kernel": "softmax", "step": "newton", "loss": "squared"}, "kernel linear or exp"),
        ({"kernel": "exp", "rate": 1, "plus": 1.0}, "moves the inputs of a linear kernel"),
    ],
)
def test_bad_entries(entry, said):
    with pytest.raises(InputError, match=said):
        functional.entry(entry)


def test_logits_are_no_vectors_to_be_reached():
    entry = functional.entry({"kernel": "exp", "rate": 1, "loss": "squared"})
    with pytest.raises(InputError, match="loss squared needs a construction"):
        functional.reader(loaded(tiny_model("llama")), entry)
    entry = functional.entry({"kernel": "exp", "rate": 1, "precondition": 1.0})
    with pytest.raises(InputError, match="precondition needs a construction"):
        functional.reader(loaded(tiny_model("llama")), entry)
