"""Fast paths of scoring (chosen positions, batches, padding) give the same numbers."""

import math

import numpy as np
import polars as pl
import pytest
import torch
from support.models import LABELS, VOCABULARY, loaded, sequences, tiny_model

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.demonstrations import DEMONSTRATIONS
from iclgd.io.schemas.logits import LOGITS
from iclgd.learners import batches, in_context
from iclgd.models import forward
from iclgd.tasks import prompts
from iclgd.tasks.readouts.next_token import NextToken

TOLERANCE = {"float64": 1e-9, "float32": 1e-5}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_chosen_positions_have_the_logits_of_the_whole(architecture, dtype):
    model = tiny_model(architecture, dtype)
    rows = sequences(4)
    tokens = forward.pad(rows)
    positions = torch.tensor([[len(s) - 1, 0, len(s) // 2] for s in rows])
    expected = model(tokens).logits.log_softmax(-1)[torch.arange(4)[:, None], positions]
    found = forward.logits_at(model, tokens, positions).log_softmax(-1)
    torch.testing.assert_close(found, expected, rtol=0, atol=TOLERANCE[dtype])
    assert model(tokens).logits.shape == (*tokens.shape, VOCABULARY)  # the hook is gone


def test_the_hook_goes_even_after_an_error():
    model = tiny_model("llama")
    with pytest.raises(RuntimeError), forward.unembedding_only_at(model, torch.tensor([[99]])):
        model(torch.tensor([[0, 7]]))
    assert model(torch.tensor([[0, 7]])).logits.shape == (1, 2, VOCABULARY)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("tokens_per_batch", [1, 64, 16_384])
def test_batches_equal_one_at_a_time(architecture, dtype, tokens_per_batch, monkeypatch):
    monkeypatch.setitem(batches.HIDDEN_PER_BATCH, "cpu", 16 * tokens_per_batch)
    model = tiny_model(architecture, dtype)
    rows = sequences()
    found = in_context.score(loaded(model), rows, NextToken(LABELS, VOCABULARY))
    for i, row in enumerate(rows):
        logprobs = model(torch.tensor([row])).logits[0, -1].double().log_softmax(-1)
        # The table keeps float32: compare in it, to the tolerance of the model's dtype.
        atol = TOLERANCE[dtype]
        kept = logprobs.float().numpy()
        rtol = 0 if dtype == "float32" else np.finfo(np.float32).eps
        np.testing.assert_allclose(found.label_logprobs[i], kept[LABELS], rtol=rtol, atol=atol)
        np.testing.assert_allclose(found.top_logprobs[i], kept[found.top_ids[i]], rtol, atol)
        assert sorted(found.top_ids[i]) == list(range(VOCABULARY))
        assert (np.diff(found.top_logprobs[i]) <= 0).all()


def test_batches_by_length_keep_within_their_size(monkeypatch):
    monkeypatch.setitem(batches.HIDDEN_PER_BATCH, "cpu", 16 * 40)
    shapes = []
    whole = forward.logits_at

    def seen(model, tokens, positions, **rest):
        shapes.append(tuple(tokens.shape))
        return whole(model, tokens, positions, **rest)

    monkeypatch.setattr(forward, "logits_at", seen)
    rows = sequences()
    in_context.score(loaded(tiny_model("llama")), rows, NextToken(LABELS, 4))
    assert all(count * width <= 40 for count, width in shapes)
    assert sum(count for count, _ in shapes) == len(rows) > len(shapes)


def test_ties_go_to_the_smaller_token_id_and_the_rest_is_tail():
    logits = torch.tensor([[1.0, 3.0, 3.0, 1.0, 1.0]])
    found = NextToken([4, 1], 3).read(logits)
    assert found.top_ids.tolist() == [[1, 2, 0]]
    total = 2 * math.exp(3) + 3 * math.e
    np.testing.assert_allclose(found.tail_mass, [2 * math.e / total], rtol=1e-6)
    expected = [[1 - math.log(total), 3 - math.log(total)]]
    np.testing.assert_allclose(found.label_logprobs, expected, rtol=1e-6)


@pytest.mark.parametrize("keep", [1, 10, VOCABULARY, 1024])
def test_kept_and_tail_sum_to_one(keep):
    logits = torch.randn(
        5, VOCABULARY, generator=torch.Generator().manual_seed(0), dtype=torch.float64
    )
    found = NextToken(LABELS, keep).read(logits)
    assert found.top_ids.shape == (5, min(keep, VOCABULARY))
    mass = np.exp(found.top_logprobs.astype(float)).sum(1) + found.tail_mass
    np.testing.assert_allclose(mass, 1, atol=1e-6)
    if keep >= VOCABULARY:
        assert (found.tail_mass == 0).all()


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_rows_that_are_not_finite_are_diverged_and_null(task, bad):
    queries = prompts.queries(task)
    logits = torch.randn(len(queries), VOCABULARY)
    logits[2, 77] = bad
    found = NextToken(LABELS, 5).read(logits)
    keys = {"draw": 3, "order": 1, "epoch": 2}
    table = NextToken(LABELS, 1).rows(found, keys, queries, 0.5)
    assert table["status"].to_list() == [
        "diverged" if i == 2 else "ok" for i in range(len(queries))
    ]
    distribution = ["label_logprobs", "top_ids", "top_logprobs", "tail_mass"]
    nulls = table.select(pl.col(distribution).is_null())
    assert [all(row) for row in nulls.rows()] == [any(row) for row in nulls.rows()]
    assert nulls["top_ids"].arg_true().to_list() == [2]
    answers = [LABELS[label] for label in queries["label"]]
    assert table["answer_id"].to_list() == answers
    assert table.select("draw", "order", "epoch", "loss").unique().rows() == [(3, 1, 2, 0.5)]
    constant = {"model": "m", "task": "t", "design": "d", "shots": 2, "learner": "icl"}
    whole = table.with_columns(pl.lit(value).alias(key) for key, value in constant.items())
    assert parquet.match(whole, LOGITS)["example"].is_sorted()


def demonstrations(of: pl.DataFrame, **changes) -> pl.DataFrame:
    row = {"task": "topic2", "design": "n1", "draw": 0, "order": 0, "position": 0, "binding": None}
    row["example"] = of.filter(pl.col("split") == "train")["example"][0]
    return pl.DataFrame([{**row, **changes}], schema=DEMONSTRATIONS)


def test_tables_that_belong_together(task):
    names = prompts.check_inputs(task, demonstrations(task))
    assert names == {"task": "topic2", "design": "n1"}


def test_tables_that_do_not_belong_together(task):
    query = prompts.queries(task)["example"][0]
    with pytest.raises(InputError, match="not of task topic2"):
        prompts.check_inputs(task, demonstrations(task, task="other"))
    with pytest.raises(InputError, match="not training rows of task topic2"):
        prompts.check_inputs(task, demonstrations(task, example=query))
    with pytest.raises(InputError, match="no queries"):
        prompts.check_inputs(task.filter(pl.col("split") == "train"), demonstrations(task))
