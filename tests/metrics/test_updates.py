"""What imitates ICL beside what gradient descent adds: by hand, and where they are the same."""

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
from iclgd.io.schemas.keys import DEMONSTRATED, OTHER, OWN, WRONG
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.io.schemas.updates import UPDATES
from iclgd.learners import patches, settings, teaching, trainable, training_batch
from iclgd.learners.patches import Change
from iclgd.metrics import pairing, updates
from iclgd.models import gd_transformer

GUESS = {"parameters": ["model.guess.weight"]}


def matrix(*rows) -> torch.Tensor:
    return torch.tensor(rows).double()


# --- by hand --------------------------------------------------------------------------------


def test_a_cosine_by_hand():
    one, other = matrix([1, 0], [0, 2]), matrix([3, 5], [0, 0])
    assert updates.cosine(one, other) == pytest.approx(3 / math.sqrt(5 * 34))
    assert updates.cosine(one, -4 * one) == pytest.approx(-1)
    assert math.isnan(updates.cosine(one, 0 * one))


def test_shared_inputs_by_hand():
    """The update moves the first input most, then the second; the third not at all."""
    update, patch = matrix([9, 0, 0], [0, 1, 0]), matrix([1, 2, 2], [0, 4, 0])
    assert updates.shared_inputs(patch, update, 1) == pytest.approx(1 / 25)
    assert updates.shared_inputs(patch, update, 2) == pytest.approx(21 / 25)
    assert updates.shared_inputs(patch, update, 3) == pytest.approx(21 / 25)  # it has two
    assert math.isnan(updates.shared_inputs(patch, 0 * update, 1))
    assert math.isnan(updates.shared_inputs(0 * patch, update, 1))


def test_a_run_that_diverged_shares_nothing():
    lost = matrix([1, math.nan], [0, 0])
    assert math.isnan(updates.cosine(lost, matrix([1, 0], [0, 1])))
    assert math.isnan(updates.shared_inputs(matrix([1, 0], [0, 1]), lost, 1))


def test_spread_by_hand():
    """Cosines of x: .6 and 0, of y: 1 and 0; the last text needs nothing."""
    x, y = matrix([1, 0], [3, 4], [0, 2], [1, 1]), matrix([2, 0], [1, 0], [0, 5], [0, 0])
    change = Change(x, y, y)
    assert updates.spread(change) == pytest.approx((0.6 + 0 + 0) / 3)
    assert updates.spread(Change(x[:2], y[:2], -y[:2])) == pytest.approx(0.6)
    assert math.isnan(updates.spread(Change(x[2:], y[2:], y[2:])))


def test_spread_is_the_cosine_of_the_changes_themselves():
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(5, n, generator=generator, dtype=torch.float64) for n in (7, 3))
    each = [torch.outer(b, a) / a.square().sum() for a, b in zip(x, y, strict=True)]
    pairs = [updates.cosine(a, b) for i, a in enumerate(each) for b in each[:i]]
    assert updates.spread(Change(x, y, y)) == pytest.approx(sum(pairs) / len(pairs))


# --- updates --------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["llama", "gpt2", "gptj"])
def test_an_update_is_what_a_plain_loop_adds_and_stands_as_out_by_in(architecture):
    model, shown = tiny_model(architecture), [([0, 7, 9, 4, 140], 4), ([0, 8, 30, 4, 133], 4)]
    alone = [one[:6] for one in sequences(4)]
    lesson = teaching.Lesson(
        teaching.Texts(alone, True),
        teaching.Texts([[*one[:1], 9, *one[1:]] for one in alone], True),
    )
    (fit,) = patches.fits(model, lesson, [0.1])
    learner = settings.learner({"rate": 0.1, "epochs": 3, "record": []})
    _, chosen = trainable.choose(model, None)
    batch = training_batch.tensors(shown, "label", "cpu")
    found = updates.of_matrices(
        model, fit.matrices, updates.trained(model, chosen, batch, learner, fit.matrices)
    )
    assert len(found) == len(fit.matrices) > 0
    plain = tiny_model(architecture).requires_grad_(True)
    before = {n: p.detach().clone() for n, p in plain.named_parameters()}
    steps = torch.optim.SGD(plain.parameters(), lr=0.1)
    for _ in range(3):
        logits = torch.cat([plain(torch.tensor([ids[:at]])).logits[:, -1] for ids, at in shown])
        targets = torch.tensor([ids[at] for ids, at in shown])
        steps.zero_grad()
        torch.nn.functional.cross_entropy(logits, targets).backward()
        steps.step()
    after = dict(plain.named_parameters())
    for one, name, update in found:
        wanted = (after[name] - before[name]).detach()
        wanted = wanted.mT if architecture == "gpt2" else wanted
        torch.testing.assert_close(update, wanted, rtol=1e-3, atol=1e-6)
        assert update.shape == one.change.whole().shape and update.any()
    # Of what trains one matrix alone nothing else is there; nothing has stayed changed.
    _, chosen = trainable.choose(model, {"layers": [1], "matrices": ["mlp"]})
    few = updates.of_matrices(
        model, fit.matrices, updates.trained(model, chosen, batch, learner, fit.matrices)
    )
    assert {one.layer for one, _, _ in few} == {1}
    for name, own in model.named_parameters():
        torch.testing.assert_close(own, before[name], rtol=0, atol=0)


# --- the step -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("updates")
    task = tiny_task("topic4", rows=80, classes=4, queries=16)
    parquet.write(task, folder / "task.parquet", TASK)
    run_step(
        *("sample_demonstrations", "--task", folder / "task.parquet", "--design", "n4"),
        *("--shots", "4", "--orders", "2", "--draws", "0-1", "--output", folder / "shown.parquet"),
    )
    save_model(tiny_model("llama", "float32"), folder, "llama")
    for layers in (1, 3):
        made, _ = gd_transformer.build({"layers": layers, "rate": 1.0})
        made.config.dtype = torch.float64
        save_model(made, folder, f"exact-{layers}", dtype="float64")
    return folder


def compared(folder, model: str, patch: dict, learner: dict) -> pl.DataFrame:
    run_step(
        *("compare_updates", "--model", folder / f"{model}.json", "--device", "cpu"),
        *("--task", folder / "task.parquet", "--demonstrations", folder / "shown.parquet"),
        *("--patch", json.dumps({"method": "patch", **patch}), "--learner", json.dumps(learner)),
        *("--a", "patches", "--b", "gd", "--output", folder / "out.parquet"),
    )
    return parquet.read(folder / "out.parquet", UPDATES)


@pytest.mark.parametrize("layers", [1, 3])
def test_where_icl_is_gradient_descent_the_two_are_the_same(places, layers):
    entry = {"rate": 1.0, "epochs": layers, "record": [], "loss": "squared", "train": GUESS}
    table = compared(places, f"exact-{layers}", {"texts": 48, "ridges": [0.0]}, entry)
    assert table["matrix"].unique().to_list() == ["guess"]
    cosines = dict(table.group_by("demonstrations").agg(pl.col("update_cosine").min()).rows())
    assert cosines[OWN] == pytest.approx(1, abs=1e-9)
    assert cosines[WRONG] < 0.9 and cosines[OTHER] < 0.9
    shared = table.filter(demonstrations=OWN)["shared_inputs"]
    assert shared.to_list() == pytest.approx([1] * len(shared), abs=1e-9)
    # Another number of steps is another update, though a like one.
    other = compared(
        places, f"exact-{layers}", {"texts": 48, "ridges": [0.0]}, entry | {"epochs": 9}
    )
    assert other.filter(demonstrations=OWN)["update_cosine"].max() < 1 - 1e-6


def test_the_patch_of_a_construction_answers_as_icl(places):
    """The learner `patch`: nothing but a change of W_0, on queries alone."""
    given = ["--task", places / "task.parquet", "--demonstrations", places / "shown.parquet"]
    tables = []
    for step, more in (
        ("run_icl", ()),
        ("run_imitation", ("--learner", '{"method": "patch", "texts": 48, "ridges": [0.0]}')),
    ):
        run_step(
            *(step, "--model", places / "exact-3.json", *given, *more),
            *("--output", places / f"{step}.parquet"),
        )
        tables.append(parquet.read(places / f"{step}.parquet", LOGITS))
    assert pairing.metrics(pairing.paired(*tables))[0]["js"].max() < 1e-12


def test_the_tables_of_a_language_model(places):
    entry = {"rate": 0.01, "epochs": 2, "record": []}
    table = compared(places, "llama", {"texts": 12}, entry)
    assert len(table) == 2 * 3 * 3 * len(DEMONSTRATED)
    assert set(table["matrix"]) == {"gate_proj", "up_proj", "down_proj"}
    assert set(table["demonstrations"]) == set(DEMONSTRATED)
    assert table["patch_spread"].null_count() == 0
    by_matrix = table.group_by("draw", "layer", "matrix").agg(
        pl.col("patch_spread").n_unique(), pl.col("update_cosine").n_unique()
    )
    assert by_matrix["patch_spread"].max() == 1 and by_matrix["update_cosine"].min() > 1
    # Random weights know no labels: no cosine is large.
    assert table["update_cosine"].abs().max() < 0.5


def test_what_trains_no_patched_matrix_is_refused(places):
    entry = {"rate": 1, "epochs": 1, "train": {"layers": [0], "matrices": ["v"]}}
    with pytest.raises(InputError, match="learner gd trains no matrix that patches patches"):
        compared(places, "llama", {"texts": 8}, entry)
