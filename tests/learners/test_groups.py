"""Demonstrations of a run alone in groups of about one length: the same descent, less padding."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.descents import RUNS, followed
from support.models import tiny_model

from iclgd.learners import training_batch
from iclgd.learners.settings import Learner
from iclgd.learners.training_batch import PER_GROUP, grouped
from iclgd.models import float64

TOP = {"layers": [1], "matrices": ["v"]}


def cost(lengths, groups) -> int:
    return sum(len(one) * max(lengths[i] for i in one) + PER_GROUP for one in groups)


def test_groups_by_hand():
    """Four of 10 and two of 100: 600 tokens at once, 240 and what a group costs in two groups."""
    assert grouped((10, 100, 10, 10, 100, 10)) == [[0, 2, 3, 5], [1, 4]]
    assert grouped((10, 11, 12)) == [[0, 1, 2]]
    assert grouped((7,)) == [[0]]


@settings(deadline=None)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=5).map(tuple))
def test_groups_are_the_cheapest_of_all(lengths):
    found = grouped(lengths)
    assert sorted(itertools.chain(*found)) == list(range(len(lengths)))
    assert all(one == sorted(one) for one in found)
    for labels in itertools.product(range(len(lengths)), repeat=len(lengths)):
        other = [[i for i, own in enumerate(labels) if own == one] for one in set(labels)]
        assert cost(lengths, found) <= cost(lengths, other)


def test_a_group_is_as_long_as_its_longest_demonstration():
    shown = [(list(range(1, n + 1)), n - 1) for n in (10, 100, 10, 10, 100, 10)]
    alone = training_batch.stacked([training_batch.tensors(shown, "label")])
    short, long = alone.groups()
    assert short.tokens.shape == (1, 4, 10) and long.tokens.shape == (1, 2, 100)
    assert short.targets.flatten().tolist() == [10] * 4
    twice = training_batch.stacked([training_batch.tensors(shown, "label")] * 2)
    assert twice.groups() == [twice]


@pytest.mark.parametrize("loss", ["label", "all"])
@pytest.mark.parametrize("optimiser", ["sgd", "monotone"])
@pytest.mark.parametrize("train", [None, TOP])
def test_groups_descend_as_all_at_once(loss, optimiser, train, monkeypatch):
    learner = Learner(rate=0.05, epochs=3, loss=loss, optimiser=optimiser, train=train)
    found = {}
    for price in (0, 10**6):
        monkeypatch.setattr(training_batch, "PER_GROUP", price)
        grouped.cache_clear()
        model = tiny_model("llama")
        float64.complete(model)
        found[price] = followed(model, RUNS[:1], learner)
    grouped.cache_clear()
    lengths = {len(tokens) for tokens, _ in RUNS[0]}
    assert len(lengths) > 1
    for epoch, (answers, losses) in found[0].items():
        torch.testing.assert_close(answers, found[10**6][epoch][0], rtol=0, atol=1e-10)
        torch.testing.assert_close(losses, found[10**6][epoch][1], rtol=0, atol=1e-10)
