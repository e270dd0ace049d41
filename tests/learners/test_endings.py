"""Runs end where they have converged or stalled, and stay as they are, whoever else trains on."""

import math
from functools import cache

import pytest
import torch
from support.descents import RUNS
from support.models import tiny_model

from iclgd.learners import gradient_descent, trainable, training_batch
from iclgd.learners.endings import Endings, stalled
from iclgd.learners.settings import Learner

LEARNERS = {
    "sgd": Learner(rate=0.05, epochs=24),
    "adam": Learner(rate=0.003, epochs=24, optimiser="adam"),
    "nesterov": Learner(rate=0.01, epochs=24, optimiser="nesterov"),
    "sign": Learner(rate=0.0005, epochs=24, optimiser="sign"),
    "batches": Learner(rate=0.02, epochs=24, batch=2, settings={"momentum": 0.5}),
    "monotone": Learner(rate=0.05, epochs=24, optimiser="monotone"),
}
EVERY = tuple(range(25))


def descended(runs, learner: Learner, **changes) -> list[gradient_descent.Recorded]:
    """All recorded epochs, with copies of the weights; those of a run alone as a stack of one."""
    learner = Learner(**{**vars(learner), "record": EVERY, **changes})
    model, chosen = trainable.choose(tiny_model("llama"), learner.train)
    batches = [training_batch.tensors(run, learner.loss) for run in runs]
    found = []
    for now in gradient_descent.descend(model, chosen, batches, learner):
        weights = now.weights or {name: one[None] for name, one in chosen.start.items()}
        copied = {name: one.detach().clone() for name, one in weights.items()}
        found.append(now._replace(weights=copied, losses=now.losses.clone()))
    return found


@cache
def free_descent(name: str, count: int) -> list[gradient_descent.Recorded]:
    """The first so many runs with a learner of `LEARNERS`, which nothing ends."""
    return descended(RUNS[:count], LEARNERS[name])


def lows(*values: float) -> list[torch.Tensor]:
    return [torch.tensor([value], dtype=torch.float64) for value in values]


def test_a_run_stalls_by_hand():
    flat = lows(*[1.0] * 110)
    assert not stalled(flat[:100], 0.5).any()  # epoch 99: there are no 100 epochs yet
    assert stalled(flat[:101], 0.5).all()
    # 1 at epoch 0, 0.9 at epoch 100: it fell by a tenth.
    falling = lows(*(1 - i / 1000 for i in range(101)))
    assert stalled(falling, 0.11).all() and not stalled(falling, 0.09).any()
    # At epoch 2000 the window is 200 epochs: 1 / 2001 against 1 / 1801 is a fall by 200 / 2001.
    power = lows(*(1 / (1 + t) for t in range(2001)))
    assert stalled(power, 200.1 / 2001).all() and not stalled(power, 199.9 / 2001).any()


def test_the_share_does_not_depend_on_the_time_or_the_size_of_the_loss():
    for scale in (1e-6, 1.0):
        for epoch in (1500, 3000):
            power = lows(*(scale / (1 + t) for t in range(epoch + 1)))
            to_a_limit = lows(*(scale * (1 + 1 / (1 + t)) for t in range(epoch + 1)))
            assert not stalled(power, 0.09).any()
            assert stalled(to_a_limit, 0.01).all()


def test_a_loss_that_goes_up_and_down_or_is_not_finite():
    """Low points still fall, however high the loss is between them; what diverged is no stall."""
    ending = Endings(Learner(rate=1, epochs=200, stall=0.05), 3)
    for epoch in range(121):
        swinging = (2.0 if epoch % 2 else 1.0) * 0.97**epoch
        rising = 1.0 + epoch / 10
        lost = math.nan if epoch > 5 else 1.0
        ending.see(epoch, torch.tensor([swinging, rising, lost]))
    assert ending.at == {1: 100}
    assert ending.states(120) == ["training", "stalled", "training"]
    assert ending.trained(120) == [120, 100, 120]
    assert ending.losses[1] == 11.0


def test_states_by_hand():
    ending = Endings(Learner(rate=1, epochs=3, until=0.5), 2)
    assert ending.see(0, torch.tensor([0.9, 0.4])) == [1]
    assert ending.states(0) == [None, None] and ending.trained(0) == [0, 0]
    assert ending.see(1, torch.tensor([0.8, 0.1])) == []  # it has ended: this is not its loss
    assert ending.losses.tolist() == pytest.approx([0.8, 0.4])
    assert ending.states(1) == ["training", "converged"]
    assert ending.see(3, torch.tensor([0.5, 0.1])) == [0] and ending.all
    assert ending.states(3) == ["converged", "converged"] and ending.trained(3) == [3, 0]
    late = Endings(Learner(rate=1, epochs=3), 1)
    late.see(3, torch.tensor([0.5]))
    assert late.states(2) == ["training"] and late.states(3) == ["capped"]


@pytest.mark.parametrize("name", LEARNERS)
def test_a_run_that_ended_is_frozen_and_the_others_are_as_without_it(name):
    free = free_descent(name, len(RUNS))
    # So that run 1 ends at epoch 9, or before, and the others later or never.
    level = free[9].losses[1].item()
    first = [next((i for i, now in enumerate(free) if now.losses[r] <= level), 99) for r in (0, 2)]
    end = next(i for i, now in enumerate(free) if now.losses[1] <= level)
    assert 0 < end <= 9 and min(first) != end
    found = descended(RUNS, LEARNERS[name], until=level)
    for now, other in zip(found, free, strict=True):
        for run, stop in ((0, first[0]), (1, end), (2, first[1])):
            then = free[min(now.epoch, stop)]
            assert now.trained[run] == min(now.epoch, stop)
            assert now.losses[run] == then.losses[run]
            for weight, expected in zip(now.weights.values(), then.weights.values(), strict=True):
                assert torch.equal(weight[run], expected[run])
        assert now.states[1] == (
            None if now.epoch == 0 else "converged" if now.epoch >= end else "training"
        )
        assert other.states[1] == (
            None if now.epoch == 0 else "capped" if now.epoch == 24 else "training"
        )


@pytest.mark.parametrize("name", LEARNERS)
def test_a_run_does_not_depend_on_when_its_neighbours_end(name):
    """Same bytes beside a neighbour that has converged at the start as beside one that trains."""
    both = []
    for level in (None, 1e9):
        learner = Learner(**{**vars(LEARNERS[name]), "record": EVERY})
        model, chosen = trainable.choose(tiny_model("llama"), None)
        batches = [training_batch.tensors(run, "label") for run in RUNS]
        whole = Endings.see

        def see(self, epoch, losses, level=level, whole=whole):
            new = whole(self, epoch, losses)
            if level and epoch == 0 and 1 not in self.at:
                self.at[1], self.why[1] = 0, "converged"
                return [1]
            return new

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Endings, "see", see)
            for now in gradient_descent.descend(model, chosen, batches, learner):
                weights = {name: one.clone() for name, one in now.weights.items()}
        both.append(weights)
    for key, free in both[0].items():
        assert torch.equal(free[0], both[1][key][0]) and torch.equal(free[2], both[1][key][2])
        assert torch.equal(both[1][key][1], chosen.start[key])


@pytest.mark.parametrize("runs", [RUNS, RUNS[:1]])
@pytest.mark.parametrize("name", LEARNERS)
def test_nothing_is_computed_once_all_have_ended(name, runs, monkeypatch):
    free = free_descent(name, len(runs))
    level = max(free[6].losses.tolist())
    calls, whole = [], gradient_descent.summed_loss

    def counted(*given, **more):
        calls.append(torch.is_grad_enabled())
        return whole(*given, **more)

    monkeypatch.setattr(gradient_descent, "summed_loss", counted)
    found = descended(runs, LEARNERS[name], until=level)
    end = max(found[-1].trained)
    assert 0 < end <= 6 and set(found[-1].states) == {"converged"}
    assert [now.moved for now in found] == [now.epoch <= end for now in found]
    steps = 2 if name == "batches" else 1
    assert sum(calls) <= steps * end + (name == "monotone")
    for now in found[end:]:
        assert torch.equal(now.losses, found[end].losses)
        for weight, expected in zip(now.weights.values(), found[end].weights.values(), strict=True):
            assert torch.equal(weight, expected)


@pytest.mark.parametrize("runs", [RUNS, RUNS[:1]])
@pytest.mark.parametrize("name", LEARNERS)
def test_where_a_run_ends_does_not_depend_on_what_is_recorded(name, runs):
    free = free_descent(name, len(runs))
    level = max(free[6].losses.tolist()) * 1.0001
    every = descended(runs, LEARNERS[name], until=level)
    few = descended(runs, LEARNERS[name], until=level, record=(3,))
    assert [now.epoch for now in few] == [0, 3, 24]
    assert few[-1].trained == every[-1].trained and few[-1].states == every[-1].states
    for weight, expected in zip(few[-1].weights.values(), every[-1].weights.values(), strict=True):
        torch.testing.assert_close(weight, expected, rtol=0, atol=0)


def test_a_run_stalls_in_a_descent():
    """Nothing can be learned at a rate of next to nothing."""
    found = descended(RUNS, Learner(rate=1e-9), epochs=104, record=(99, 100), stall=0.01)
    states = {now.epoch: now.states for now in found}
    assert states[100] == ["stalled"] * 3 and states[99] == ["training"] * 3
    assert found[-1].trained == [100] * 3
