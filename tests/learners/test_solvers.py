"""Solvers without gradient descent: by hand, as a step of the workflow, and refused entries."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.models import loaded, save_model, sequences, tiny_model
from support.steps import run_step
from support.tasks import tiny_task

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.learners import features, solvers, solving
from iclgd.models import gd_transformer, loading
from iclgd.tasks import prompts, sampling

VALUES = ("label_logprobs", "top_logprobs", "loss", "top_ids", "tail_mass")


def shown(labels, answers=(0,), classes=3, texts=None, queries=None):
    texts, queries = (None if x is None else np.array(x, float) for x in (texts, queries))
    return solving.Shown(np.array(labels), np.array(answers), classes, texts, queries)


def test_the_oracle_is_so_certain_of_the_right_label():
    assert solving.oracle(shown([0, 1], [2, 0]), 1.0).tolist() == [[0, 0, 1], [1, 0, 0]]
    unsure = solving.oracle(shown([0, 1], [2, 0]), 0.4)
    assert unsure == pytest.approx(np.array([[0.2, 0.2, 0.6], [0.6, 0.2, 0.2]]))


def test_votes_by_hand():
    some = shown([0, 2, 2], [1, 1])
    assert solving.vote(some, 1.0) == pytest.approx(np.array([[1 / 3, 0, 2 / 3]] * 2))
    # Worth 1/4, 1/2 and 1, last one most.
    assert solving.vote(some, 0.5)[0] == pytest.approx([1 / 7, 0, 6 / 7])
    assert solving.vote(shown([0, 2, 1]), 0.0)[0].tolist() == [0, 1, 0]


def test_neighbours_and_centroids_by_hand():
    # Two texts on either side of their middle, which is 0; the query lies with the first.
    some = shown([2, 0], [0, 0], texts=[[1, 0], [-1, 0]], queries=[[3, 0], [-3, 0]])
    near = 1 / (1 + np.exp(-2 / 0.5))  # cosines 1 and -1, temperature 1/2
    assert solving.neighbours(some, 0.5)[0] == pytest.approx([1 - near, 0, near])
    assert solving.centroid(some, 0.5)[1] == pytest.approx([near, 0, 1 - near])
    # Two of one label: neighbours count each, a centroid is one.
    twice = shown([2, 0, 0], [0, 0], texts=[[2, 0], [-1, 1], [-1, -1]], queries=[[0, 4], [0, -4]])
    assert solving.centroid(twice, 1.0)[0] == pytest.approx([0.5, 0, 0.5])
    toward, away = 2**-0.5, -(2**-0.5)
    weights = np.exp([0, toward, away])
    assert solving.neighbours(twice, 1.0)[0, 2] == pytest.approx(1 / weights.sum())


@settings(deadline=None)
@given(
    st.sampled_from(["vote", "neighbours", "centroid", "oracle"]),
    st.lists(st.integers(0, 3), min_size=1, max_size=6),
    st.integers(0, 99),
)
def test_answers_are_distributions_and_but_for_recency_without_order(name, labels, seed):
    rng = np.random.default_rng(seed)
    texts, queries = rng.normal(size=(len(labels), 5)), rng.normal(size=(3, 5))
    order = rng.permutation(len(labels))
    found = [
        np.exp(solving.solve({"solver": name}, shown(own, [0, 1, 2], 4, these, queries)))
        for own, these in ((labels, texts), (np.array(labels)[order], texts[order]))
    ]
    assert found[0].sum(1) == pytest.approx(1)
    assert found[0] == pytest.approx(found[1])


@pytest.mark.parametrize("layer", [0, 2])
def test_features_are_the_hidden_states_of_each_text_alone(layer):
    model, rows = tiny_model("llama"), sequences(3)
    found = features.last_states(loaded(model), rows, layer)
    import torch

    for own, row in zip(found, rows, strict=True):
        states = model(torch.tensor([row]), output_hidden_states=True).hidden_states
        np.testing.assert_allclose(own, states[layer][0, -1].detach().numpy(), rtol=1e-12)


def test_what_a_construction_carries_are_no_states_of_tokens():
    made, _ = gd_transformer.build({"layers": 2, "rate": 1.0})
    with pytest.raises(InputError, match="is no stack of layers whose states can be read"):
        features.last_states(loaded(made), [[1, 2, 3, 4, 5]], 1)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    folder = tmp_path_factory.mktemp("solvers")
    parquet.write(
        tiny_task("topic4", rows=60, classes=4, queries=16), folder / "task.parquet", TASK
    )
    run_step(
        *("sample_demonstrations", "--task", folder / "task.parquet", "--design", "n4"),
        *("--shots", "4", "--orders", "2", "--draws", "0-1", "--output", folder / "shown.parquet"),
    )
    save_model(tiny_model("llama", "float32"), folder, "m")
    save_model(tiny_model("llama", "float32", seed=1), folder, "other")
    return folder


def solved(folder, entry, name):
    run_step(
        *("run_solver", "--model", folder / "m.json", "--task", folder / "task.parquet"),
        *("--demonstrations", folder / "shown.parquet", "--learner", json.dumps(entry)),
        *("--name", name, "--output", folder / f"{name}.parquet"),
    )
    return parquet.read(folder / f"{name}.parquet", LOGITS)


@pytest.mark.parametrize("entry", [{"solver": "oracle"}, {"solver": "centroid", "layer": 1}])
def test_the_step_writes_the_table_of_a_learner(tables, entry):
    table = solved(tables, entry, entry["solver"])
    assert table.select("draw", "order").n_unique() == 4
    first = table["top_ids"].list.first()
    if entry["solver"] == "oracle":
        assert (first == table["answer_id"]).all()
    mass = table["label_logprobs"].list.eval(pl.element().exp()).list.sum()
    assert mass.to_numpy() == pytest.approx(1, abs=1e-6)
    # Full information on labels alone: the order of demonstrations is nothing to it.
    wide = table.select("draw", "example", "order", "label_logprobs")
    first, second = (wide.filter(order=order).drop("order") for order in (0, 1))
    both = first.join(second, on=["draw", "example"])
    a, b = (parquet.matrix(both[name]) for name in ("label_logprobs", "label_logprobs_right"))
    assert np.exp(a) == pytest.approx(np.exp(b), abs=1e-6)


def test_another_model_answers_in_the_place_of_the_one_compared(tables):
    given = ["--task", tables / "task.parquet", "--demonstrations", tables / "shown.parquet"]
    found = {}
    for name, compared in (("alone", "other"), ("instead", "m")):
        more = ["--compared", tables / f"{compared}.json", "--name", name]
        output = tables / f"{name}.parquet"
        run_step("run_icl", "--model", tables / "other.json", *given, *more, "--output", output)
        found[name] = parquet.read(output, LOGITS)
    assert found["instead"]["model"].unique().to_list() == ["m"]
    assert found["instead"].drop("model", "learner").equals(found["alone"].drop("model", "learner"))


@pytest.mark.parametrize(
    ("step", "entry"),
    [
        ("run_icl", None),
        ("run_gd", {"rate": 0.1, "epochs": 2, "record": [2]}),
        ("run_solver", {"solver": "neighbours"}),
    ],
)
def test_a_drawn_binding_is_the_task_with_its_labels_permuted(tmp_path, step, entry):
    """Each learner, on draws with bindings and on tasks whose labels were permuted by hand."""
    task = tiny_task("topic4", rows=60, classes=4, queries=16)
    shown = sampling.demonstrations(task, "n4", 4, 1, range(2), drawn=True)
    save_model(tiny_model("llama", "float32"), tmp_path, "m")

    def answers(name, task, shown):
        paths = {part: tmp_path / f"{name}.{part}.parquet" for part in ("task", "shown", "out")}
        parquet.write(task, paths["task"], TASK)
        parquet.write(shown, paths["shown"], DEMONSTRATIONS)
        given = ["--model", tmp_path / "m.json", "--task", paths["task"]]
        given += ["--demonstrations", paths["shown"], "--output", paths["out"]]
        run_step(step, *given, *(("--learner", json.dumps(entry)) if entry else ()))
        return parquet.read(paths["out"], LOGITS)

    whole = answers("whole", task, shown)
    words = prompts.labels(task)
    for run in prompts.in_order(shown):
        permuted = prompts.bound(task, run, words)
        one = shown.filter(draw=run.draw).with_columns(binding=pl.lit(None, pl.List(pl.Int32)))
        alone = answers(f"draw{run.draw}", permuted, one)
        mine = whole.filter(draw=run.draw)
        assert mine.drop(*VALUES).equals(alone.drop(*VALUES))
        own, other = (parquet.matrix(table["label_logprobs"]) for table in (mine, alone))
        assert own == pytest.approx(other, abs=1e-5)


def test_every_row_has_its_function():
    assert list(solving.FUNCTIONS) == list(solvers.SOLVERS)


def test_tokens_must_be_the_same():
    class Vocabulary:
        def __init__(self, tokens):
            self.tokens = tokens

        def get_vocab(self):
            return self.tokens

    loading.check_same_tokens(Vocabulary({"a": 0}), Vocabulary({"a": 0}))
    with pytest.raises(InputError, match="their tokens are the same"):
        loading.check_same_tokens(Vocabulary({"a": 0}), Vocabulary({"a": 1}))
