"""Linear attention that is trained on regression, and the measures that hold it against GD."""

import math

import pytest
import torch
from support.regressions import D_X, D_Y, SHOTS, close, predicted, prompts

from iclgd.models import linear_attention


def test_prompts_of_regression_have_one_teacher_each():
    generator = torch.Generator().manual_seed(0)
    x, y, query, target = linear_attention.regression(generator, 400, SHOTS, D_X, D_Y, scale=2.0)
    assert x.shape == (400, SHOTS, D_X) and y.shape == (400, SHOTS, D_Y)
    assert x.square().sum(-1).mean() == pytest.approx(4, rel=0.05)
    assert x.abs().max() <= 2 * math.sqrt(3 / D_X)
    teacher = torch.linalg.lstsq(x, y).solution.mT  # five inputs are known from seven
    close(predicted(teacher, query), target, atol=1e-8)
    assert teacher.var().item() == pytest.approx(1, rel=0.1)
    again = linear_attention.regression(torch.Generator().manual_seed(0), 400, SHOTS, D_X, D_Y, 2.0)
    assert all(map(torch.equal, again, (x, y, query, target)))


def test_a_trained_layer_comes_near_to_a_step_of_gradient_descent():
    start = torch.zeros(2, 3, dtype=torch.float64)
    (layer,), losses = linear_attention.train(start, layers=1, steps=250, seed=0)
    x, y, query, target = linear_attention.regression(
        torch.Generator().manual_seed(9), 500, 8, 3, 2
    )

    def learner(x, y, query):
        return linear_attention.predict([layer], linear_attention.tokens(x, y, query, start), 3)

    rates = [step / 4 for step in range(1, 20)]
    rate = linear_attention.nearest_rate(learner, start, 1, (x, y, query, target), rates)
    weight = linear_attention.descend(x, y, start, rate, 1)
    found, expected = learner(x, y, query), predicted(weight, query)
    loss = (found - target).square().sum(-1).mean() / 2
    assert loss < losses[0] / 2
    assert loss == pytest.approx((expected - target).square().sum(-1).mean().item() / 2, rel=0.1)
    slope = linear_attention.sensitivity(lambda q: learner(x, y, q), query)
    assert linear_attention.sensitivity_cosine(slope, weight).mean() > 0.97
    apart = linear_attention.prediction_distance(found, expected).mean()
    assert apart < 0.2 * expected.norm(dim=-1).mean()


def test_training_is_the_same_every_time():
    start = torch.zeros(2, 2, dtype=torch.float64)
    first, other, again = (linear_attention.train(start, 1, 5, seed)[1] for seed in (0, 1, 0))
    assert first == again != other


def test_the_nearest_step_size_is_that_of_the_construction():
    x, y, query, start = prompts()

    def learner(x, y, query):
        layers = [linear_attention.weights(start, 0.75)] * 3
        return linear_attention.predict(layers, linear_attention.tokens(x, y, query, start), D_X)

    rates = [step / 8 for step in range(1, 17)]
    assert linear_attention.nearest_rate(learner, start, 3, (x, y, query, None), rates) == 0.75


def test_the_sensitivity_of_gradient_descent_is_its_matrix():
    x, y, query, start = prompts()
    weight = linear_attention.descend(x, y, start, 0.7, 3)
    found = linear_attention.sensitivity(lambda q: predicted(weight, q), query)
    close(found, weight)
    cube = linear_attention.sensitivity(lambda q: q**3, query)  # and of a curve, its slope there
    close(cube, torch.diag_embed(3 * query**2))


def test_distances_and_cosine_by_hand_and_their_properties():
    a, b = torch.tensor([[1.0, 2.0], [0.0, 2.0]]), torch.tensor([[1.0, 0.0], [0.0, 0.0]])
    assert linear_attention.prediction_distance(a[0], b[0]) == 2
    assert linear_attention.sensitivity_distance(a, b).item() == pytest.approx(math.sqrt(8))
    assert linear_attention.sensitivity_cosine(a, b).item() == pytest.approx(1 / 3)
    one, other = torch.randn(2, 40, D_Y, D_X, generator=torch.Generator().manual_seed(0))
    cosine = linear_attention.sensitivity_cosine(one, other)
    assert cosine.abs().max() <= 1
    close(cosine, linear_attention.sensitivity_cosine(other, 3 * one), atol=1e-6)
    close(linear_attention.sensitivity_cosine(one, one), torch.ones(40), atol=1e-6)
    apart = linear_attention.sensitivity_distance(one, other)
    assert torch.equal(apart, linear_attention.sensitivity_distance(other, one))
    assert linear_attention.sensitivity_distance(one, one).max() == 0
    assert linear_attention.prediction_distance(one[..., 0], one[..., 0]).max() == 0
