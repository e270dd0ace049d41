"""Batches by length: the fewest tokens, padding included, against trying every cut."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.models import tiny_model

from iclgd.learners import batches


def cost(lengths, cuts, overhead):
    ends = [0, *sorted(cuts), len(lengths)]
    groups = [lengths[a:b] for a, b in itertools.pairwise(ends)]
    return sum(len(group) * max(group) + overhead for group in groups)


def test_by_hand():
    # Two of 3 and one of 10 take 6 + 10 tokens and twice 5 apart, and 30 + 5 together.
    assert batches.groups((3, 3, 10), 5) == {2}
    assert batches.groups((3, 3, 10), 15) == frozenset()  # 46 and 45
    assert batches.groups((7,), 5) == batches.groups((4, 4, 4), 0) == frozenset()


@pytest.mark.parametrize("seed", range(20))
def test_no_other_cut_computes_fewer_tokens(seed):
    rng = np.random.default_rng(seed)
    lengths = tuple(sorted(rng.integers(1, 20, rng.integers(1, 9)).tolist()))
    overhead = int(rng.integers(0, 40))
    places = range(1, len(lengths))
    every = (
        cost(lengths, cuts, overhead)
        for count in range(len(lengths))
        for cuts in itertools.combinations(places, count)
    )
    assert cost(lengths, batches.groups(lengths, overhead), overhead) == min(every)


def test_every_sequence_is_in_one_batch_and_none_is_too_large(monkeypatch):
    monkeypatch.setitem(batches.HIDDEN_PER_BATCH, "cpu", 16 * 60)
    model = tiny_model("llama")
    lengths = np.random.default_rng(0).integers(1, 50, 200).tolist()
    found = batches.batches(model, lengths)
    assert sorted(itertools.chain(*found)) == list(range(200))
    assert all(len(rows) * max(lengths[i] for i in rows) <= 60 for rows in found if len(rows) > 1)
    assert all(len(rows) == 1 for rows in batches.batches(model, lengths, together=False))


def test_small_models_pay_more_for_a_batch_and_cards_take_what_fits():
    small = tiny_model("llama")
    assert batches.overhead(small) > 2 * batches.LEAST
    large = SimpleNamespace(
        device=torch.device("cpu"),
        config=small.config.__class__(hidden_size=576, num_hidden_layers=30, num_attention_heads=9),
    )
    assert batches.overhead(large) == batches.LEAST + 1
    card = SimpleNamespace(device=torch.device("cuda"), config=large.config)
    assert batches.groups((1, 100, 10_000), batches.overhead(card)) == frozenset()
