"""First-order reach: beside real small steps, where ICL is such a step, and by hand."""

import json
import math

import numpy as np
import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from support.models import save_model, tiny_model
from support.steps import run_step
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.keys import DEMONSTRATED
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.reach import REACH
from iclgd.io.schemas.task import TASK
from iclgd.metrics import reach, reach_measures
from iclgd.metrics.reach_measures import LABELS, MAPPING
from iclgd.models import architectures, float64, gd_transformer
from iclgd.tasks import synthetic

LABELS_OF = [140, 133, 145]
SHOWN = [([0, 7, 9, 4, 140], 4), ([0, 8, 30, 31, 4, 133], 5)]
QUERY = [0, 12, 40, 4]


def score(model) -> torch.Tensor:
    logits = model(torch.tensor([QUERY])).logits[0, -1]
    return reach.scores(logits.double(), LABELS_OF)


def test_scores_by_hand():
    logits = torch.tensor([0.0, 1.0, 3.0, math.log(2)])
    found = reach.scores(logits, [1, 2])
    odds = math.log(math.exp(1) + math.exp(3)) - math.log(1 + 2)
    assert found.tolist() == pytest.approx([-1.0, 1.0, odds])


@pytest.mark.parametrize("architecture", ["llama", "gptj", "gpt2", "gpt_neox"])
def test_an_image_is_what_a_small_step_does(architecture):
    """Of every group alone: its matrix moves against the gradient, nothing else does."""
    model, size = tiny_model(architecture), 1e-6
    float64.complete(model)
    with reach.trainable(model):
        slopes = [reach.of_loss(model, one) for one in SHOWN]
        found = reach.images(model, QUERY, LABELS_OF, [slopes])[0]
    groups = reach.groups(model)
    assert groups[-2:] == [(None, "rest"), (None, "all")]
    assert len(groups) == 3 * 5 + 2 and found.shape == (2, len(groups), 4)
    before, weights = score(model).detach(), dict(model.named_parameters())
    for at, (layer, matrix) in enumerate(groups):
        step = {name: slope.clone() for name, slope in slopes[1].items()}
        if matrix == "rest":
            for other, kind in groups[:-2]:
                for name in architectures.parameter_names(model.config, other, kind):
                    if name in step:
                        architectures.view(model.config, kind)(step[name]).zero_()
        elif matrix != "all":
            mine = architectures.parameter_names(model.config, layer, matrix)
            step = {name: torch.zeros_like(step[name]) for name in mine if name in step}
            for name, own in step.items():
                view = architectures.view(model.config, matrix)
                view(own).copy_(view(slopes[1][name]))
        with torch.no_grad():
            kept = {name: weights[name].clone() for name in step}
            for name, own in step.items():
                weights[name] -= size * own
            moved = (score(model) - before) / size
            for name, own in kept.items():
                weights[name].copy_(own)
        atol = 1e-4 * max(1.0, float(moved.abs().max()))
        torch.testing.assert_close(found[1, at], moved, rtol=0, atol=atol)


def test_groups_add_up():
    model = tiny_model("gpt2")
    with reach.trainable(model):
        one, other = (reach.of_loss(model, shown) for shown in SHOWN)
    found = reach.products(model, one, other)
    inside = {
        name
        for layer, matrix in reach.groups(model)[:-2]
        for name in architectures.parameter_names(model.config, layer, matrix)
    }
    rest = sum(float((one[n] * other[n]).sum()) for n in one.keys() - inside)
    assert float(found[-2]) == pytest.approx(rest)
    assert float(found[-1]) == pytest.approx(float(found[:-1].sum()))
    assert all(not p.requires_grad for p in model.parameters())


def test_an_unknown_architecture_has_all_its_weights_alone():
    model = tiny_model("llama")
    model.config.model_type = "unheard-of"
    assert reach.groups(model) == [(None, "all")]
    with reach.trainable(model):
        slope = reach.of_loss(model, SHOWN[0])
    assert reach.products(model, slope, slope).shape == (1,)


def column(*values: float) -> torch.Tensor:
    return torch.tensor(values).double()[:, None]


def test_reached_by_hand():
    """One demonstration moves four queries by 1, 3, 3, 5; ICL by 2, 6, 5, 12, fitted on two.

    Less the means of these two, 2 and 4: -1, 1, 1, 3 and -2, 2, 1, 8. The weight is 2.
    """
    images, change = column(1, 3, 3, 5)[:, None], column(2, 6, 5, 12)
    fitted, r2, cosine = reach.reached(images[:2], change[:2], images[2:], change[2:])
    assert fitted == pytest.approx(1)
    assert r2 == pytest.approx(1 - (1 + 4) / 65)
    assert cosine == pytest.approx(25 / (10 * 65) ** 0.5)
    # Gradients that are alike, or none, are no obstacle; nor is what all queries share.
    twice = images.repeat(1, 2, 1)
    assert reach.reached(twice[:2], change[:2], twice[2:], change[2:]).r2 == pytest.approx(r2)
    more = change + 100
    assert reach.reached(images[:2], more[:2], images[2:], more[2:]).r2 == pytest.approx(r2)
    # A demonstration is not unlearned: the wrong one of two labels has the opposite gradient.
    assert reach.reached(-images[:2], change[:2], -images[2:], change[2:]).r2 == 0
    _, r2, cosine = reach.reached(0 * images[:2], change[:2], 0 * images[2:], change[2:])
    assert r2 == 0 and math.isnan(cosine)
    same = 0 * change + 3
    assert math.isnan(reach.reached(images[:2], same[:2], images[2:], same[2:]).r2)


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reach")
    task = tiny_task("topic4", rows=80, classes=4, queries=16)
    parquet.write(task, folder / "task.parquet", TASK)
    run_step(
        *("sample_demonstrations", "--task", folder / "task.parquet", "--design", "n4"),
        *("--shots", "4", "--orders", "2", "--draws", "0-1", "--output", folder / "shown.parquet"),
    )
    return folder


def measured(folder, manifest) -> pl.DataFrame:
    run_step(
        *("measure_reach", "--model", manifest, "--task", folder / "task.parquet"),
        *("--demonstrations", folder / "shown.parquet", "--output", folder / "out.parquet"),
    )
    return parquet.read(folder / "out.parquet", REACH)


def test_where_icl_is_a_step_on_the_labels_it_is_the_mean_image_times_the_rate():
    """Of queries whose words no demonstration has: the embedding of a word is a weight, too."""
    made, _ = gd_transformer.build({"layers": 1, "rate": 0.05, "loss": "label"})
    labels, compared = [*range(synthetic.FIRST_TAG, synthetic.FIRST_TAG + 16)], 0
    for prompt in synthetic.probe(np.random.default_rng(0), 12, 4, 4)[0].tolist():
        lines = [prompt[at : at + synthetic.LINE] for at in range(1, 20, synthetic.LINE)]
        query = [0, *prompt[-3:]]
        if {word for line in lines for word in line[:2]} & {*query[1:3]}:
            continue
        with reach.trainable(made):
            slopes = [reach.of_loss(made, ([0, *line[:4]], 4)) for line in lines]
            wrong = [reach.of_loss(made, ([0, *line[:3], 199], 4)) for line in lines]
            own, null = reach.images(made, query, labels, [slopes, wrong])
        with torch.no_grad():
            after, alone = (
                reach.scores(made(torch.tensor([one])).logits[0, -1], labels)[:-1]
                for one in (prompt, query)
            )
        # W_0 and what reads it out: the same step twice.
        step = 0.05 * own[:, -1, :-1].mean(0) / 2
        torch.testing.assert_close(step, after - alone, rtol=0, atol=1e-12)
        assert (0.05 * null[:, -1, :-1].mean(0) - (after - alone)).abs().max() > 0.1
        compared += 1
    assert compared > 5


def test_where_icl_is_a_step_on_the_labels_it_is_reached(places):
    made, _ = gd_transformer.build({"layers": 1, "rate": 0.05, "loss": "label"})
    made.config.dtype = torch.float64
    table = measured(places, save_model(made, places, "exact", dtype="float64"))
    mapping = table.filter(part=MAPPING, matrix="all")
    own = mapping.filter(demonstrations="own")
    assert own.select("draw", "order").rows() == [(0, 0), (1, 0)]
    assert own["r2"].min() > 0.9 and own["cosine"].min() > 0.95  # of some the words were shown
    for null in ("wrong labels", "other texts"):
        other = mapping.filter(demonstrations=null)
        assert (other["cosine"] < own["cosine"] - 0.02).all()


def test_the_step_measures_every_group_and_part(places):
    manifest = save_model(tiny_model("llama", "float32"), places, "m")
    table = measured(places, manifest)
    assert set(table["part"]) == {MAPPING, LABELS}
    assert set(table["demonstrations"]) == set(DEMONSTRATED)
    assert len(table) == 2 * 17 * 2 * 3
    assert table["r2"].max() <= 1 and table["cosine"].abs().max() <= 1
    assert json.loads(manifest.read_text())["model"] == table["model"][0]


# --- training what reaches most -----------------------------------------------------------------


def reach_rows(**fitted: float) -> pl.DataFrame:
    """Rows of one draw: ``q0=.3`` is W_Q of layer 0."""
    keys = {"model": "m", "task": "t", "design": "d", "shots": 2, "draw": 3, "order": 0}
    rows = [
        {**keys, "layer": int(name[1:]), "matrix": name[0], "part": "mapping", "fitted": value}
        for name, value in fitted.items()
    ]
    rows = [{**row, "demonstrations": "own", "r2": 0.0, "cosine": 0.0} for row in rows]
    best = {**rows[0], "layer": None, "matrix": "all", "fitted": 1.0}
    other = {**rows[0], "demonstrations": "wrong labels", "fitted": 1.0}
    part = {**rows[0], "part": "labels", "fitted": 1.0}
    return parquet.match(pl.DataFrame([*rows, best, other, part, {**best, "draw": 4}]), REACH)


def test_the_matrix_that_reaches_most_is_trained():
    """By the fit with its own demonstrations of which label it is; of equals the lowest."""
    rows = reach_rows(q0=0.1, v1=0.3, o0=0.3, k1=-2.0)
    found = [reach_measures.trained(rows, 3, rank) for rank in (1, 2, 3, 4)]
    at = [(0, "o"), (1, "v"), (0, "q"), (1, "k")]
    assert found == [{"layers": [layer], "matrices": [matrix]} for layer, matrix in at]
    with pytest.raises(InputError, match="draw 3: reach is measured of 4 matrices, the learner"):
        reach_measures.trained(rows, 3, 5)
    with pytest.raises(InputError, match="draw 4: reach is measured of 0 matrices"):
        reach_measures.trained(rows, 4, 1)


@pytest.mark.slow
def test_each_draw_trains_its_own_matrix(places, capsys):
    """As a learner does that names it, row for row."""
    manifest = save_model(tiny_model("llama", "float32"), places, "llama")
    measured(places, manifest)
    reached = parquet.read(places / "out.parquet", REACH)
    given = ["--model", manifest, "--task", places / "task.parquet"]
    given += ["--demonstrations", places / "shown.parquet", "--orders", "1"]
    entry = {"rate": 0.5, "epochs": 2, "record": [1]}
    trains = {draw: reach_measures.trained(reached, draw, 2) for draw in (0, 1)}
    assert trains[0] != trains[1]
    plain = []
    for draw, train in trains.items():
        learner = json.dumps({**entry, "train": train})
        run_step("run_gd", *given, "--learner", learner, "--output", places / "plain.parquet")
        plain.append(parquet.read(places / "plain.parquet", LOGITS).filter(draw=draw))
    learner = json.dumps({**entry, "train": {"reach": 2}})
    capsys.readouterr()
    more = ("--reach", places / "out.parquet", "--output", places / "found.parquet")
    run_step("run_gd", *given, "--learner", learner, *more)
    found = parquet.read(places / "found.parquet", LOGITS)
    assert_frame_equal(found, pl.concat(plain).sort("draw", "order", "epoch", "example"))
    said = capsys.readouterr().err
    assert all(f"draw {draw}: {json.dumps(train)}" in said for draw, train in trains.items())
    with pytest.raises(InputError, match="needs the reach of the same draws"):
        run_step("run_gd", *given, "--learner", learner, "--output", places / "no.parquet")
