"""ICL as a teacher: the texts, weights trained on its answers, vectors and patches of states."""

import json

import numpy as np
import polars as pl
import pytest
import torch
from support.models import FLOAT32_INSIDE, save_model, sequences, tiny_model
from support.steps import run_step
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.learners import (
    distillation,
    patches,
    settings,
    taught,
    teachers,
    teaching,
    trainable,
    vectors,
)
from iclgd.models import gd_transformer, prefix_cache
from iclgd.tasks import prompts

# Every architecture with a row for its MLP, one of each shape.
SHAPES = ["llama", "gptj", "gpt2", "gpt_neox", "gpt_neo", "opt", "bloom"]
CONTEXT = [0, 17, 33, 4, 140, 1, 60, 21, 4, 133, 1]


def lesson(count: int = 3) -> teaching.Lesson:
    """Texts of different lengths, alone and after the same context."""
    alone = sequences(count)
    after = [[*CONTEXT, *one[1:]] for one in alone]
    return teaching.Lesson(teaching.Texts(alone, True), teaching.Texts(after, True))


def answers(model, texts, change=teaching.unchanged):
    return teaching.logits(model, texts, change)


def patched(model, given, ridge, places=None):
    found = patches.fitted(model, given, patches.states(model, given.after), ridge, places)
    return found, patches.applied(model, found)


# --- the texts ------------------------------------------------------------------------------


def test_texts_are_other_training_rows_and_depend_on_the_draw_alone():
    task = tiny_task("topic4", rows=60, classes=4, queries=16)
    train = task.filter(split="train")["example"].to_list()
    run = prompts.Demonstrations(2, 0, tuple(train[:4]))
    found = prompts.unshown(task, run, 10)
    assert len(found) == 10 and not set(found["example"]) & {*run.examples}
    assert set(found["split"]) == {"train"}
    again = prompts.unshown(task, prompts.Demonstrations(2, 1, tuple(train[3::-1])), 10)
    assert again.equals(found)
    assert not prompts.unshown(task, prompts.Demonstrations(3, 0, run.examples), 10).equals(found)
    # Fewer are the first of more, and no more than there are.
    assert prompts.unshown(task, run, 4).equals(found[:4])
    assert len(prompts.unshown(task, run, 999)) == len(train) - 4
    with pytest.raises(InputError, match="every training row is a demonstration"):
        prompts.unshown(task, prompts.Demonstrations(0, 0, tuple(train)), 4)


@pytest.mark.parametrize("count", [2, 3, 17])
def test_shuffled_texts_have_no_place_of_their_own(count):
    places = teaching.shuffled(count, prompts.Demonstrations(1, 0, ()))
    assert sorted(places) == list(range(count))
    assert all(place != i for i, place in enumerate(places))


def test_logits_under_a_change_are_in_the_order_of_the_texts():
    model, given = tiny_model("llama"), sequences(5)[::-1]
    with torch.no_grad():
        expected = torch.stack([model(torch.tensor([one])).logits[0, -1] for one in given])
    texts = teaching.Texts(given, True)
    torch.testing.assert_close(answers(model, texts), expected, rtol=0, atol=1e-9)
    one_by_one = answers(model, teaching.Texts(given))
    torch.testing.assert_close(one_by_one, expected, rtol=0, atol=1e-12)
    some = answers(model, texts.these([3, 1]))
    torch.testing.assert_close(some, expected[[3, 1]], rtol=0, atol=1e-9)
    # What all begin with is computed once, where there may be a prefix.
    after = lesson().after
    prefix = prefix_cache.Prefix(model)
    held = answers(model, after._replace(prefix=prefix))
    torch.testing.assert_close(held, answers(model, after), rtol=0, atol=1e-9)
    assert len(prefix.tokens) >= len(CONTEXT)


def test_total_variation_by_hand():
    a, b = (
        torch.tensor([[0.75, 0.25], [0.5, 0.5]]).log(),
        torch.tensor([[0.25, 0.75], [0.5, 0.5]]).log(),
    )
    assert teaching.total_variation(a, b) == pytest.approx(0.25)


# --- weights --------------------------------------------------------------------------------


def test_distances_by_hand():
    wanted, found = torch.tensor([[0.5, 0.5, 0.0]]).log(), torch.tensor([[0.25, 0.25, 0.5]]).log()
    assert distillation.distance(found, wanted, "answers").item() == pytest.approx(np.log(2))
    a, b = torch.tensor([[1.0, 2.0], [0.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert distillation.distance(a, b, "attention").item() == pytest.approx(2.0)
    right = torch.tensor([2])
    assert distillation.distance(found, right, "labels").item() == pytest.approx(np.log(2))
    # What is not finite is no answer that would be equal.
    lost = torch.tensor([[0.0, float("nan"), 0.0]])
    assert np.isnan(distillation.distance(lost, wanted, "answers").item())


@pytest.mark.parametrize("match", [taught.ANSWERS, taught.ATTENTION])
@pytest.mark.parametrize("batch", [None, 2])
def test_distilling_is_plain_steps_on_what_is_to_match(match, batch):
    """Beside autograd, one text at a time."""
    model, given = tiny_model("llama"), lesson(5)
    entry = {"rate": 0.05, "epochs": 2, "record": [], "optimiser": "sgd"}
    learner = settings.learner({**entry, **({"batch": batch} if batch else {})})
    twin = tiny_model("llama")
    model, trained = trainable.choose(model, {"layers": [1], "matrices": ["v", "mlp"]})
    names = list(trained.start)
    before = {name: tensor.clone() for name, tensor in trained.start.items()}
    after, losses = {}, []
    for now in distillation.descend(model, trained, given, learner, match):
        losses.append(now.loss)
        after[now.epoch] = {name: tensor.detach().clone() for name, tensor in trained.start.items()}
    assert losses[0] is None and losses[1] > 0

    def made(text: list[int]) -> torch.Tensor:
        outputs = []
        handles = [
            layer.self_attn.register_forward_hook(lambda _, __, out: outputs.append(out[0][0, -1]))
            for layer in twin.model.layers
        ]
        logits = twin(torch.tensor([text])).logits[0, -1]
        for handle in handles:
            handle.remove()
        return logits.log_softmax(-1) if match == "answers" else torch.cat(outputs)

    weights = [twin.get_parameter(name).requires_grad_() for name in names]
    with torch.no_grad():
        wanted = [made(text) for text in given.after.sequences]
    size = batch or 5
    for _ in range(2):
        for first in range(0, 5, size):
            rows = range(first, min(first + size, 5))
            parts = []
            for i in rows:
                found = made(given.alone.sequences[i])
                if match == "answers":
                    parts.append((wanted[i].exp() * (wanted[i] - found)).sum())
                else:
                    parts.append((wanted[i] - found).square().mean())
            slopes = torch.autograd.grad(sum(parts) / len(rows), weights, allow_unused=True)
            with torch.no_grad():
                for weight, slope in zip(weights, slopes, strict=True):
                    if slope is not None:
                        weight -= 0.05 * slope
    moved = False
    for name, weight in zip(names, weights, strict=True):
        torch.testing.assert_close(after[2][name], weight.detach(), rtol=0, atol=1e-9)
        moved |= bool((after[2][name] - before[name]).abs().max() > 1e-6)
        assert torch.equal(trained.start[name], before[name])  # as before at the end
    assert moved


def test_what_demonstrations_do_not_change_is_not_trained():
    model, alone = tiny_model("llama"), teaching.Texts(sequences(3), True)
    model, trained = trainable.choose(model, None)
    learner = settings.learner({"rate": 1.0, "epochs": 1, "optimiser": "sgd", "record": []})
    before = {name: tensor.clone() for name, tensor in trained.start.items()}
    for now in distillation.descend(model, trained, teaching.Lesson(alone, alone), learner):
        loss = now.loss
        moved = max((trained.start[name] - own).abs().max() for name, own in before.items())
    assert loss == pytest.approx(0, abs=1e-12) and moved < 1e-9


# --- vectors --------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", SHAPES)
@pytest.mark.parametrize("how", taught.HOWS)
def test_the_state_of_the_last_layer_of_one_text_is_its_answer(architecture, how):
    model, given = tiny_model(architecture), lesson(1)
    at = vectors.found(model, given, how)
    found = answers(model, given.alone, at(2))
    torch.testing.assert_close(found, answers(model, given.after), rtol=0, atol=1e-6)
    assert (found - answers(model, given.alone)).abs().max() > 1e-2
    # In a lower layer other tokens have not seen the context, so that it is another answer.
    assert (answers(model, given.alone, at(0)) - found).abs().max() > 1e-6


def test_a_vector_is_the_mean_over_texts():
    model, given = tiny_model("llama"), lesson(3)
    after, alone = (vectors.states(model, texts) for texts in (given.after, given.alone))
    assert after.shape == (3, 3, 16)
    hidden = model(
        torch.tensor([given.after.sequences[1]]), output_hidden_states=True
    ).hidden_states
    torch.testing.assert_close(after[0, 1], hidden[1][0, -1].detach(), rtol=0, atol=1e-9)
    replaced = answers(model, given.alone, vectors.found(model, given, "replace")(2))
    assert (replaced - replaced[0]).abs().max() < 1e-9  # the same state, whatever the text
    expected = model.lm_head(model.model.norm(alone[2] + (after - alone)[2].mean(0)))
    added = answers(model, given.alone, vectors.found(model, given, "add")(2))
    torch.testing.assert_close(added, expected.detach(), rtol=0, atol=1e-6)


# --- patches --------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", SHAPES)
def test_of_one_text_the_patch_is_of_rank_1_and_gives_icls_answer(architecture):
    model, given = tiny_model(architecture), lesson(1)
    found, change = patched(model, given, 0.0)
    assert list(found) == [0, 1, 2]
    for patch in found.values():
        for change_of in [*patch.read, patch.write]:
            size = torch.linalg.svdvals(change_of.weights.mT @ change_of.x)
            assert (size[1:] <= 1e-9 * size[0].clamp(min=1e-12)).all()
    icl = answers(model, given.after)
    now = answers(model, given.alone, change)
    atol = 1e-5 if architecture in (*FLOAT32_INSIDE, "llama") else 1e-9
    torch.testing.assert_close(now, icl, rtol=0, atol=atol)
    assert (answers(model, given.alone) - icl).abs().max() > 1e-2
    # Where attention and MLP read the same state, the matrices that read have nothing to do.
    if architecture == "gptj":
        assert max(one.weights.abs().max() for one in found[0].read) < 1e-9


def test_several_texts_have_one_patch_that_fits_them_as_it_can():
    model, given = tiny_model("llama"), lesson(3)
    icl = answers(model, given.after)
    _, every = patched(model, given, 0.0)
    exact = answers(model, given.alone, every)
    torch.testing.assert_close(exact, icl, rtol=0, atol=1e-4)  # fewer texts than inputs
    for ridge, much in ((1e-3, 0.5), (1e6, 1e-3)):
        _, soft = patched(model, given, ridge)
        moved = (answers(model, given.alone, soft) - answers(model, given.alone)).abs().max()
        assert (moved > much) == (ridge == 1e-3)
    places = [1, 2, 0]
    _, other = patched(model, given, 0.0, places)
    torch.testing.assert_close(answers(model, given.alone, other), icl[places], rtol=0, atol=1e-4)


def ridge(x: torch.Tensor, y: torch.Tensor, size: float) -> torch.Tensor:
    """The matrix itself: what its change makes of the unit vectors."""
    return patches.ridge_fit(x, y, size).of(torch.eye(x.shape[1]).double()).mT


def test_ridge_by_hand_and_beside_the_normal_equations():
    # x = 2 and y = 6: W = 6 * 2 / (4 + c), c = ridge * 4.
    x, y = torch.tensor([[2.0]]), torch.tensor([[6.0]])
    assert ridge(x, y, 0.5).item() == pytest.approx(2.0)
    assert ridge(x, y, 0.0).item() == pytest.approx(3.0)
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(7, n, generator=generator).double() for n in (3, 2))
    c = 0.1 * x.square().sum(1).mean()
    expected = torch.linalg.solve(x.mT @ x + c * torch.eye(3).double(), x.mT @ y).mT
    torch.testing.assert_close(ridge(x, y, 0.1), expected, rtol=0, atol=1e-12)
    plain = torch.linalg.lstsq(x, y).solution.mT
    torch.testing.assert_close(ridge(x, y, 0.0), plain, rtol=0, atol=1e-12)


def test_a_model_without_an_mlp_is_refused():
    made, _ = gd_transformer.build({"layers": 1, "rate": 1.0})
    with pytest.raises(InputError, match="has no MLP to patch"):
        patches.modules(made)


# --- entries and steps ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("read", "entry", "said"),
    [
        (teachers.distilling, {"rate": 1, "match": "states"}, "match 'states' is none of"),
        (teachers.distilling, {"rate": 1, "loss": "all"}, "loss has no meaning for distil"),
        (teachers.distilling, {"texts": 3}, "there is no rate"),
        (teachers.imitating, {"how": "add"}, "method '' is none of vector, patch"),
        (teachers.imitating, {"method": "vector", "how": "turn"}, "how 'turn' is none of"),
        (teachers.imitating, {"method": "vector", "shuffled": True}, "shuffled has no meaning"),
        (teachers.imitating, {"method": "patch", "at": [1]}, "at has no meaning for patch"),
    ],
)
def test_bad_entries(read, entry, said):
    with pytest.raises(InputError, match=said):
        read(entry)


def test_the_nearest_change_is_chosen_and_named():
    model, given = tiny_model("llama"), lesson(4)
    judge = teaching.Lesson(*(part.these([0, 1]) for part in given[:2]))
    entry = teachers.imitating({"method": "patch", "ridges": [1e6, 0.0, 1.0]})
    change, called, apart, matrices = teachers.nearest(model, given, judge, entry)
    assert [one.layer for one in matrices] == 3 * [0] + 3 * [1] + 3 * [2]
    assert called == "ridge 0" and apart < 1e-4
    found = answers(model, given.alone, change)
    torch.testing.assert_close(found, answers(model, given.after), rtol=0, atol=1e-3)
    entry = teachers.imitating({"method": "vector", "at": [0.0, 0.5, 1.0]})
    _, called, apart, matrices = teachers.nearest(model, given, judge, entry)
    assert matrices == []
    icl = answers(model, judge.after)
    at = vectors.found(model, given, "replace")
    each = [teaching.total_variation(answers(model, judge.alone, at(i)), icl) for i in range(3)]
    assert called == f"layer {int(np.argmin(each))}" and apart == pytest.approx(min(each))


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("teaching")
    task = tiny_task("topic4", rows=80, classes=4, queries=16)
    parquet.write(task, folder / "task.parquet", TASK)
    run_step(
        *("sample_demonstrations", "--task", folder / "task.parquet", "--design", "n4"),
        *("--shots", "4", "--orders", "2", "--draws", "0-1", "--output", folder / "shown.parquet"),
    )
    save_model(tiny_model("llama", "float32"), folder, "m")
    return folder


def learned(folder, step: str, entry: dict, *more) -> pl.DataFrame:
    run_step(
        *(step, "--model", folder / "m.json", "--task", folder / "task.parquet"),
        *("--demonstrations", folder / "shown.parquet", "--learner", json.dumps(entry)),
        *("--output", folder / "out.parquet", *more),
    )
    return parquet.read(folder / "out.parquet", LOGITS)


def test_the_step_distils_every_draw(places):
    entry = {"rate": 0.01, "epochs": 3, "record": [1], "texts": 8, "batch": 4}
    table = learned(places, "run_distil", entry, "--orders", "1")
    assert sorted(table["epoch"].unique()) == [0, 1, 3]
    assert table.select("draw", "order").unique().sort("draw").rows() == [(0, 0), (1, 0)]
    losses = dict(table.group_by("epoch").agg(pl.col("loss").mean()).rows())
    assert losses[0] is None and losses[3] < losses[1]
    assert dict(table.select("epoch", "state").unique().rows()) == {
        0: None,
        1: "training",
        3: "capped",
    }
    # No draw leaves anything behind for the next.
    alone, shown = table.filter(draw=1), pl.read_parquet(places / "shown.parquet")
    shown.filter(draw=1).write_parquet(places / "shown.parquet")
    again = learned(places, "run_distil", entry, "--orders", "1")
    shown.write_parquet(places / "shown.parquet")
    assert again.equals(alone)
    right = learned(places, "run_distil", {**entry, "match": "labels"}, "--orders", "1")
    assert right.filter(epoch=3)["loss"].max() < right.filter(epoch=1)["loss"].min()
    other = learned(places, "run_distil", {**entry, "shuffled": True}, "--orders", "1")
    other = other.filter(draw=1)
    a, b = (parquet.matrix(t.filter(epoch=3)["label_logprobs"]) for t in (again, other))
    assert np.abs(a - b).max() > 1e-4


@pytest.mark.parametrize(
    "entry",
    [
        {"method": "vector", "how": "add", "texts": 8},
        {"method": "vector", "texts": 8, "at": [0, 2]},
        {"method": "patch", "texts": 12, "ridges": [0.001, 1.0]},
        {"method": "patch", "texts": 12, "shuffled": True},
    ],
)
def test_the_step_imitates_and_says_what_it_chose(places, entry, capsys):
    table = learned(places, "run_imitation", entry)
    said = capsys.readouterr().err
    assert said.count("from ICL") == table.select("draw", "order").n_unique() > 0
    assert ("ridge" if entry["method"] == "patch" else "layer") in said
    assert table["epoch"].unique().to_list() == [0] and (table["status"] == "ok").all()
