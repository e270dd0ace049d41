"""Steps by hand on f(w) = w^2 / 2, whose slope is w; the optimisers are those that learners get."""

import math

import pytest
import torch
from support.descents import RUNS, followed
from support.models import tiny_model

from iclgd.learners import settings

RATE = 0.5


def walked(start: list[float], steps: int, **entry) -> list[list[float]]:
    weight = torch.tensor(start, dtype=torch.float64, requires_grad=True)
    optimiser = settings.learner({"rate": RATE, **entry}).over([weight])
    found = []
    for _ in range(steps):
        optimiser.zero_grad()
        (weight.square().sum() / 2).backward()
        optimiser.step()
        found.append(weight.tolist())
    return found


def test_three_steps_of_nesterov_by_hand():
    """b = m b + w, w - rate (w + m b), with m = 1/2 from w = 8.

    b: 8; w: 8 - (8 + 4) / 2 = 2. b: 4 + 2 = 6; w: 2 - (2 + 3) / 2 = -1/2.
    b: 3 - 1/2 = 5/2; w: -1/2 - (-1/2 + 5/4) / 2 = -7/8.
    """
    found = walked([8.0], 3, optimiser="nesterov", momentum=0.5)
    assert found == [[2.0], [-0.5], [-0.875]]


def test_the_momentum_of_nesterov_is_nine_tenths_if_none_is_named():
    assert walked([1.0], 1, optimiser="nesterov")[0][0] == pytest.approx(1 - 0.5 * 1.9)
    assert walked([8.0], 1, optimiser="sgd", momentum=0.5) == [[4.0]]  # no step ahead


def test_three_steps_of_sign_descent_by_hand():
    """Each weight by 1/2 whatever its slope; at 0 it stays, and over it it swings."""
    found = walked([2.0, -0.25, 0.0, 1e-300], 3, optimiser="sign")
    assert found == [[1.5, 0.25, 0.0, -0.5], [1.0, -0.25, 0.0, 0.0], [0.5, 0.25, 0.0, 0.0]]


def test_sign_descent_is_adam_without_memory_where_no_slope_is_0():
    weight = torch.tensor([3.0, -0.1], dtype=torch.float64, requires_grad=True)
    adam = torch.optim.Adam([weight], lr=RATE, betas=(0.0, 0.0), eps=0.0)
    for expected in walked([3.0, -0.1], 3, optimiser="sign"):
        adam.zero_grad()
        (weight.square().sum() / 2).backward()
        adam.step()
        torch.testing.assert_close(weight.tolist(), expected)


def test_a_slope_that_is_no_number_makes_its_weight_none():
    ((lost, kept),) = walked([math.nan, 2.0], 1, optimiser="sign")
    assert math.isnan(lost) and kept == 1.5


@pytest.mark.parametrize("name", ["nesterov", "sign"])
def test_a_run_alone_steps_tensor_by_tensor_as_in_a_stack(name):
    """In the model's own tensors each has an optimiser of its own, within the backward pass."""
    learner = settings.learner({"rate": 0.003, "epochs": 3, "optimiser": name})
    alone = followed(tiny_model("llama"), RUNS[:1], learner)
    together = followed(tiny_model("llama"), RUNS, learner)
    for epoch, (answers, losses) in together.items():
        torch.testing.assert_close(alone[epoch][0][0], answers[0], rtol=0, atol=1e-9)
        torch.testing.assert_close(alone[epoch][1][0], losses[0], rtol=0, atol=1e-9)
