"""A model's tangent: by hand, beside finite differences, and where ICL is a first-order step."""

import json
import math

import polars as pl
import pytest
import torch
from support.models import save_model, sequences, tiny_model
from support.steps import run_step
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.learners import settings, tangent, teaching, trainable
from iclgd.metrics import pairing
from iclgd.models import float64, forward, gd_transformer

SHOWN = [([0, 7, 9, 4, 140], 4), ([0, 8, 30, 31, 4, 133], 5)]
GUESS = {"parameters": ["model.guess.weight"]}


def logits(*rows) -> torch.Tensor:
    return torch.tensor(rows).double()


# --- the weights ------------------------------------------------------------------------------


def test_weights_by_hand():
    """Two tokens, both at 0: the first demonstration lifts the first by 1, the other one by -1."""
    moves = logits([[1, 0], [-1, 0]])
    found = tangent.fitted(logits([0, 0]), moves, logits([2, 0]))
    assert found.tolist() == pytest.approx([2, 0], abs=1e-6)
    # Of two queries that ask for different weights the sum of the divergences is least where
    # 2 sigmoid(c) = sigmoid(1) + sigmoid(3).
    both = tangent.fitted(
        logits([0, 0], [0, 0]), logits([[1, 0]], [[1, 0]]), logits([1, 0], [3, 0])
    )
    mean = (1 / (1 + math.exp(-1)) + 1 / (1 + math.exp(-3))) / 2
    assert both.tolist() == pytest.approx([math.log(mean / (1 - mean))], abs=1e-6)


def test_weights_follow_the_size_of_the_steps_and_nothing_else():
    generator = torch.Generator().manual_seed(0)
    start, wanted = (torch.randn(6, 5, generator=generator, dtype=torch.float64) for _ in "ab")
    moves = torch.randn(6, 3, 5, generator=generator, dtype=torch.float64)
    scale = torch.tensor([1e-3, 1.0, 1e4]).double()
    found = tangent.fitted(start, moves, wanted)
    assert (found >= 0).all() and (found > 0.01).any()
    scaled = tangent.fitted(start, moves * scale[:, None], wanted)
    torch.testing.assert_close(scaled * scale, found, rtol=1e-5, atol=1e-7)
    # What is added to all logits of a query is nothing to a distribution.
    shifted = tangent.fitted(start + 7, moves + 3, wanted)
    torch.testing.assert_close(shifted, found, rtol=0, atol=1e-6)


def test_a_demonstration_that_moves_nothing_gets_no_weight():
    moves = torch.stack([logits([1, 0]), logits([0, 0])], 1)
    assert tangent.fitted(logits([0, 0]), moves, logits([1, 0])).tolist() == pytest.approx([1, 0])


def test_what_is_not_finite_has_no_step():
    with pytest.raises(InputError, match="no first-order step: ICL, or what the gradients move"):
        tangent.fitted(logits([0, 0]), logits([[math.inf, 0]]), logits([1, 0]))


def test_no_other_weights_are_nearer():
    """The best of a fine grid is not below what is found."""
    generator = torch.Generator().manual_seed(1)
    start, wanted = (torch.randn(4, 6, generator=generator, dtype=torch.float64) for _ in "ab")
    moves = torch.randn(4, 2, 6, generator=generator, dtype=torch.float64)

    def divergence(weights: torch.Tensor) -> float:
        now = start + torch.einsum("i,qiv->qv", weights, moves)
        p = wanted.softmax(-1)
        return float((p * (p.log() - now.log_softmax(-1))).sum(-1).mean())

    ours = divergence(tangent.fitted(start, moves, wanted))
    steps = torch.linspace(0, 3, 61, dtype=torch.float64)
    grid = [divergence(torch.stack([a, b])) for a in steps for b in steps]
    assert ours <= min(grid) + 1e-12


# --- the tangent --------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["llama", "gptj", "gpt2", "gpt_neox", "opt"])
@pytest.mark.parametrize("train", [None, {"layers": [1], "matrices": ["v", "mlp"]}])
def test_it_is_what_a_small_step_does(architecture, train):
    model = tiny_model(architecture)
    float64.complete(model)
    model, chosen = trainable.choose(model, train)
    texts = teaching.Texts(sequences(5), True)
    step = tangent.descent(model, chosen, SHOWN, [0.25, 2.0])
    one, two = (tangent.descent(model, chosen, [own], [1.0]) for own in SHOWN)
    for name, own in step.items():
        torch.testing.assert_close(own, 0.25 * one[name] + 2 * two[name])
    before, found = tangent.moved(model, chosen, texts, step)
    torch.testing.assert_close(before, teaching.logits(model, texts), rtol=0, atol=1e-12)
    size = 1e-5
    ends = []
    with torch.no_grad():
        for sign in (1, -1):
            weights = {n: own + sign * size * step[n] for n, own in chosen.start.items()}
            rows = {}
            for part in texts.parts(model):
                own = forward.logits_at(model, part.tokens, part.last, weights)[:, 0]
                rows |= dict(zip(part.numbers, own, strict=True))
            ends.append(teaching.in_order(rows))
    moved = (ends[0] - ends[1]) / (2 * size)
    torch.testing.assert_close(found, moved, rtol=0, atol=1e-6 * float(moved.abs().max()) + 1e-9)
    assert float(moved.abs().max()) > 1e-4


def test_a_model_that_keeps_its_fused_attention_has_a_tangent():
    model, fused = tiny_model("llama"), tiny_model("llama")
    fused.set_attn_implementation("sdpa")
    found = []
    for own in (model, fused):
        chosen = trainable.Trained({n: p.detach() for n, p in own.named_parameters()})
        descent = tangent.descent(own, chosen, SHOWN, [1.0, 0.5])
        texts = teaching.Texts(sequences(3), True)
        found.append(tangent.moved(own, chosen, texts, descent)[1])
    torch.testing.assert_close(*found, rtol=1e-5, atol=1e-5)


def test_an_architecture_with_a_function_of_its_own_is_refused():
    """BLOOM's activation tells torch its backward pass alone."""
    model, chosen = trainable.choose(tiny_model("bloom"), None)
    with pytest.raises(InputError, match="architecture bloom: torch takes no tangent of it: "):
        tangent.descent(model, chosen, SHOWN, [1.0, 1.0])


def test_a_descent_is_one_step_of_torchs_own_on_that_demonstration():
    """Minus the gradient of the mean loss: what SGD at rate 1 adds."""
    model = tiny_model("gpt2")
    _, chosen = trainable.choose(model, {"layers": [0], "matrices": ["q", "o"]})
    found = tangent.descent(model, chosen, SHOWN[1:], [1.0])
    tokens, at = SHOWN[1]
    plain = tiny_model("gpt2").requires_grad_(True)
    logits = plain(torch.tensor([tokens[:at]])).logits[0, -1]
    torch.nn.functional.cross_entropy(logits[None], torch.tensor([tokens[at]])).backward()
    gradients = {n: p.grad for n, p in plain.named_parameters()}
    for name, own in found.items():
        wanted = -gradients[name] * chosen.masks.get(name, 1)
        torch.testing.assert_close(own, wanted, rtol=1e-4, atol=1e-7)
    # Of a fused matrix the queries' third alone moves.
    fused = next(own for name, own in found.items() if "c_attn" in name and "weight" in name)
    assert fused.abs().sum() > 0 and (fused == 0).float().mean() > 0.6


# --- the step -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tangent")
    task = tiny_task("topic4", rows=80, classes=4, queries=24)
    parquet.write(task, folder / "task.parquet", TASK)
    run_step(
        *("sample_demonstrations", "--task", folder / "task.parquet", "--design", "n4"),
        *("--shots", "4", "--orders", "2", "--draws", "0-1", "--output", folder / "shown.parquet"),
    )
    made, _ = gd_transformer.build({"layers": 1, "rate": 0.05, "loss": "label"})
    made.config.dtype = torch.float64
    save_model(made, folder, "exact", dtype="float64")
    save_model(tiny_model("llama"), folder, "llama")
    return folder


def answered(folder, step: str, model: str, learner: dict | None = None, **more) -> pl.DataFrame:
    given = ["--learner", json.dumps(learner)] if learner is not None else []
    given += [part for key, value in more.items() for part in (f"--{key}", str(value))]
    run_step(
        *(step, "--model", folder / f"{model}.json", "--task", folder / "task.parquet"),
        *("--demonstrations", folder / "shown.parquet", "--keep", "300", *given),
        *("--output", folder / "out.parquet"),
    )
    return parquet.read(folder / "out.parquet", LOGITS)


def test_where_icl_is_a_step_on_the_labels_the_tangent_answers_as_icl(places):
    """Its weights are the rate over the number of demonstrations, all the same."""
    icl = answered(places, "run_icl", "exact", name="icl")
    found = answered(places, "run_tangent", "exact", {"train": GUESS})
    agreement = pairing.metrics(pairing.paired(icl, found))[0]
    assert agreement["tv"].max() < 1e-5 and len(agreement) == len(icl)
    other = answered(places, "run_tangent", "exact", {"train": {"parameters": ["lm_head.weight"]}})
    assert pairing.metrics(pairing.paired(icl, other))[0]["tv"].max() > 0.1


def test_one_row_for_each_query_and_orders_are_left_out(places, capsys):
    table = answered(places, "run_tangent", "llama", {}, orders=1, name="first-order")
    assert table["learner"].unique().to_list() == ["first-order"]
    keys = table.select("draw", "order", "epoch").unique().sort("draw").rows()
    assert keys == [(0, 0, 0), (1, 0, 0)]
    assert len(table) == 2 * 24
    assert capsys.readouterr().err.count("steps ") == 2


@pytest.mark.parametrize(
    "entry, said",
    [
        ({"rate": 1}, "rate has no meaning here"),
        ({"train": {"layers": [0]}}, "needs just the keys layers, matrices"),
        ({"train": {"layers": [0], "matrices": ["x"]}}, "matrix 'x' is none of"),
    ],
)
def test_what_is_no_setting_is_refused(entry, said):
    with pytest.raises(InputError, match=said):
        settings.trained(entry)
