"""The construction is gradient descent, departures from it are not, and the metrics show it."""

import pytest
import torch
from support.regressions import D_X, D_Y, EXACT, SHOTS, close, predicted, prompts

from iclgd.metrics import sparsity, sparsity_requirement
from iclgd.models import linear_attention
from iclgd.models.linear_attention import Weights


def descend_plus(
    x: torch.Tensor, y: torch.Tensor, query: torch.Tensor, rate: float, gamma: float, steps: int
) -> torch.Tensor:
    """The prediction [..., d_y] of GD++ from W_0 = 0 (O, section 4 and appendix A.10).

    Each step is one of GD on what is left of the targets, after which the inputs move:
    x <- (I - gamma X X^T / N) x, the query as well.
    """
    found = torch.zeros_like(y[..., 0, :])
    for _ in range(steps):
        step = rate * y.mT @ x / x.shape[-2]
        found = found + (step @ query[..., None])[..., 0]
        y = y - x @ step.mT
        moments = x.mT @ x / x.shape[-2]
        query = query - gamma * (moments @ query[..., None])[..., 0]
        x = x - gamma * x @ moments
    return found


def plain_descent(x, y, start, rate: float, steps: int) -> torch.Tensor:
    """GD by autograd on 1 / (2 N) sum_j ||W x_j - y_j||^2 for one prompt."""
    weight = start.clone().requires_grad_()
    for _ in range(steps):
        loss = sum((weight @ a - b).square().sum() for a, b in zip(x, y, strict=True)) / (
            2 * len(x)
        )
        (slope,) = torch.autograd.grad(loss, weight)
        weight = (weight - rate * slope).detach().requires_grad_()
    return weight.detach()


@pytest.mark.parametrize("steps", [1, 2, 3, 4, 5])
def test_layers_are_steps_of_gradient_descent(steps):
    x, y, query, start = prompts()
    expected = torch.stack(
        [plain_descent(a, b, start, 0.7, steps) for a, b in zip(x, y, strict=True)]
    )
    close(linear_attention.descend(x, y, start, 0.7, steps), expected)
    layers = [linear_attention.weights(start, 0.7)] * steps
    found = linear_attention.predict(layers, linear_attention.tokens(x, y, query, start), D_X)
    close(found, predicted(expected, query))
    assert (found - predicted(start, query)).abs().max() > 0.1


def test_one_step_by_hand():
    # W_0 = 0.5 predicts 1 for y = 3 at x = 2: the slope is (1 - 3) * 2 = -4, so W = 0.9.
    start = torch.tensor([[0.5]], dtype=torch.float64)
    x, y, query = (torch.tensor(v, dtype=torch.float64) for v in ([[2.0]], [[3.0]], [1.5]))
    prompt = linear_attention.tokens(x, y, query, start)
    assert prompt.tolist() == [[2, 3], [1.5, -0.75]]
    found = linear_attention.predict([linear_attention.weights(start, 0.1)], prompt, 1)
    assert found.item() == pytest.approx(0.9 * 1.5, abs=EXACT)


def test_the_weights_are_those_of_the_paper():
    _, _, _, start = prompts()
    layer = linear_attention.weights(start, 2.0)
    assert torch.equal(layer.q, layer.k)
    assert layer.q.count_nonzero() == layer.q.trace() == D_X
    assert torch.equal(layer.v[D_X:, :D_X], start)
    assert torch.equal(layer.v[D_X:, D_X:], -torch.eye(D_Y, dtype=torch.float64))
    assert layer.v[:D_X].count_nonzero() == 0
    assert torch.equal(layer.o, 2 * torch.eye(D_X + D_Y, dtype=torch.float64))


@pytest.mark.parametrize("steps", [1, 2, 3, 5])
def test_moved_inputs_are_gd_plus_plus(steps):
    x, y, query, _ = prompts()
    zero = torch.zeros(D_Y, D_X, dtype=torch.float64)
    layers = [linear_attention.weights(zero, 0.7, gamma=0.4)] * steps
    found = linear_attention.predict(layers, linear_attention.tokens(x, y, query, zero), D_X)
    close(found, descend_plus(x, y, query, 0.7, 0.4, steps))
    plain = predicted(linear_attention.descend(x, y, zero, 0.7, steps), query)
    close(descend_plus(x, y, query, 0.7, 0.0, steps), plain)
    assert steps == 1 or (found - plain).abs().max() > 1e-3  # the first step has unmoved inputs


def test_gd_plus_plus_by_hand():
    # One demonstration x = 1, y = 1, rate 1, gamma 0.5: after a step W = 1 and nothing is left;
    # with rate 0.5 half is left, both inputs are halved, and so is what the next step adds twice.
    x = y = torch.ones(1, 1, dtype=torch.float64)
    query = torch.ones(1, dtype=torch.float64)
    assert descend_plus(x, y, query, 1.0, 0.5, 2).item() == pytest.approx(1)
    expected = 0.5 + 0.5 * 0.5 * 0.5 * 0.5
    assert descend_plus(x, y, query, 0.5, 0.5, 2).item() == pytest.approx(expected)


def test_the_order_of_demonstrations_does_not_matter_unless_attention_is_causal():
    x, y, query, start = prompts()
    layers = [linear_attention.weights(start, 0.7)] * 2
    order = torch.tensor([3, 1, 6, 0, 5, 2, 4])

    def moved(**departure: float) -> float:
        one, other = (
            linear_attention.predict(
                layers, linear_attention.tokens(a, b, query, start), D_X, **departure
            )
            for a, b in ((x, y), (x[:, order], y[:, order]))
        )
        return (one - other).abs().max().item()

    assert moved() < EXACT
    assert moved(softmax=1.0) < EXACT
    assert moved(causal=1.0) > 1e-3


def test_one_causal_layer_is_still_a_step():
    x, y, query, start = prompts()
    prompt = linear_attention.tokens(x, y, query, start)
    layer = [linear_attention.weights(start, 0.7)]
    close(
        linear_attention.predict(layer, prompt, D_X, causal=1.0),
        linear_attention.predict(layer, prompt, D_X),
    )


def by_hand(**departure) -> tuple[list[float], float]:
    """Residuals of two demonstrations x = 1, y = 1 and x = 2, y = 4 after a layer of rate 0.1.

    And the query's answer for x = 3; W_0 = 0, so that the scores of both are 1, 2; 2, 4; 3, 6.
    """
    zero = torch.zeros(1, 1, dtype=torch.float64)
    shown = (torch.tensor(v, dtype=torch.float64) for v in ([[1.0], [2.0]], [[1.0], [4.0]], [3.0]))
    prompt = linear_attention.tokens(*shown, zero)
    layer, context = linear_attention.weights(zero, 0.1), torch.tensor([True, True, False])
    found = linear_attention.attend(prompt, context, layer, **departure)
    return found[:2, 1].tolist(), -found[2, 1].item()


def test_departures_by_hand():
    left, answer = by_hand()  # 0.1 / 2 of 1 * 1 + 2 * 4, 2 * 1 + 4 * 4, 3 * 1 + 6 * 4
    assert left == pytest.approx([1 - 0.45, 4 - 0.9]) and answer == pytest.approx(1.35)
    left, answer = by_hand(causal=1.0)  # the first sees itself alone: 0.1 / 1 of 1 * 1
    assert left == pytest.approx([1 - 0.1, 4 - 0.9]) and answer == pytest.approx(1.35)
    left, answer = by_hand(causal=0.5)  # 0.1 / 1.5 of 1 * 1 + 0.5 * 2 * 4
    assert left == pytest.approx([1 - 0.5 / 1.5, 4 - 0.9])
    left, answer = by_hand(hard=1.0)  # 0.1 / 2 of (1 + 2) * 4, (2 + 4) * 4, (3 + 6) * 4
    assert left == pytest.approx([1 - 0.6, 4 - 1.2]) and answer == pytest.approx(1.8)
    left, answer = by_hand(hard=0.5)  # half of each
    assert left == pytest.approx([1 - 0.525, 4 - 1.05]) and answer == pytest.approx(1.575)
    turns = torch.eye(2, dtype=torch.float64).repeat(3, 1, 1)
    turns[1, 1, 1] = -1  # in one dimension: the second residual is turned round
    left, answer = by_hand(turns=turns)  # 0.1 / 2 of 1 - 8, 2 - 16, 3 - 24
    assert left == pytest.approx([1 + 0.35, 4 + 0.7]) and answer == pytest.approx(-1.05)


def step_on_targets(y: torch.Tensor, **departure) -> torch.Tensor:
    """What a layer takes from the residuals, from W_0 = 0, as a function of the targets."""
    x, _, query, start = prompts(1)
    prompt = linear_attention.tokens(x[0], y, query[0], 0 * start)
    context = torch.arange(SHOTS + 1) < SHOTS
    layer = linear_attention.weights(0 * start, 0.7)
    return (prompt - linear_attention.attend(prompt, context, layer, **departure))[:-1, D_X:]


@pytest.mark.parametrize(
    ("departure", "symmetric"),
    [
        ({}, True),
        ({"causal": 0.1}, False),
        ({"causal": 1.0}, False),
        ({"turns": linear_attention.turns(0.1, SHOTS + 1, D_X, D_Y)}, False),
        ({"turns": linear_attention.turns(1.0, SHOTS + 1, D_X, D_Y)}, False),
    ],
)
def test_what_a_step_on_a_squared_loss_does_to_residuals_is_symmetric(departure, symmetric):
    """It is k(x_i, x_j) / N. Softmax attention is so in a scale of its own for each x, hard
    attention where every demonstration is its own nearest: see below.
    """
    y = prompts(1)[1][0]
    slope = torch.autograd.functional.jacobian(lambda y: step_on_targets(y, **departure), y)
    slope = slope.reshape(y.numel(), -1)
    gap = (slope - slope.mT).abs().max() / slope.abs().max()
    assert gap < EXACT if symmetric else gap > 0.02


def test_of_hard_attention_a_nearer_demonstration_takes_what_another_one_gave():
    """A gradient is a sum over demonstrations: what one adds does not hang on the others."""

    def weight_of_first(*others: float, **departure) -> float:
        x = torch.tensor([[1.0], *([one] for one in others)], dtype=torch.float64)
        zero, query = torch.zeros(1, 1, dtype=torch.float64), torch.tensor([1.0]).double()
        layer = [linear_attention.weights(zero, float(len(x)))]  # the sum, not the mean

        def answer(target: float) -> float:
            y = torch.zeros_like(x)
            y[0] = target
            prompt = linear_attention.tokens(x, y, query, zero)
            return linear_attention.predict(layer, prompt, 1, **departure).item()

        return answer(1.0) - answer(0.0)

    assert weight_of_first() == weight_of_first(0.5) == weight_of_first(2.0) == 1
    assert weight_of_first(hard=1.0) == 1
    assert weight_of_first(0.5, hard=1.0) == 1.5  # it is the nearest: all of the attention
    assert weight_of_first(2.0, hard=1.0) == 0


def test_noise_is_of_the_place_alone():
    one, other = (linear_attention.turns(0.5, count, D_X, D_Y) for count in (3, 9))
    assert torch.equal(one, other[:3])
    assert torch.equal(
        one[:, :D_X], torch.eye(D_X + D_Y, dtype=torch.float64)[:D_X].expand_as(one[:, :D_X])
    )
    whole = linear_attention.turns(1.0, 4, D_X, D_Y)
    close(whole @ whole.mT, torch.eye(D_X + D_Y, dtype=torch.float64).expand_as(whole))
    close(linear_attention.turns(0.25, 4, D_X, D_Y), 0.75 * torch.eye(D_X + D_Y) + 0.25 * whole)
    assert linear_attention.turns(0.0, 4, D_X, D_Y) is None


def test_softmax_attention_is_a_mean_of_values():
    x, y, query, _ = prompts()
    x, y = x[:, :1].expand_as(x), y[:, :1].expand_as(y)  # every demonstration the same
    zero = torch.zeros(D_Y, D_X, dtype=torch.float64)
    prompt = linear_attention.tokens(x, y, query, zero)
    found = linear_attention.predict(
        [linear_attention.weights(zero, 0.7)], prompt, D_X, softmax=1.0
    )
    close(found, 0.7 * y[:, 0])


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_softmax_attention_is_gradient_descent_with_an_exponential_kernel(steps):
    """GD on functions: f <- f + sum_j r(x, x_j) (y_j - f(x_j)), r = rate softmax_j(x.x_j)."""
    x, y, query, start = prompts()
    asked_for = torch.cat([x, query[:, None]], 1)  # f is wanted there
    kernel = (asked_for @ x.mT).exp()
    rates = 0.7 * kernel / kernel.sum(-1, keepdim=True)
    f = asked_for @ start.mT
    for _ in range(steps):
        f = f + rates @ (y - f[:, :-1])
    prompt = linear_attention.tokens(x, y, query, start)
    layers = [linear_attention.weights(start, 0.7)] * steps
    close(linear_attention.predict(layers, prompt, D_X, softmax=1.0), f[:, -1])


def test_departures_grow_with_their_share():
    x, y, query, start = prompts(50)
    prompt = linear_attention.tokens(x, y, query, start)
    layers = [linear_attention.weights(start, 0.7)] * 2
    exact = linear_attention.predict(layers, prompt, D_X)
    for name in ("softmax", "causal", "hard", "noise"):
        assert torch.equal(linear_attention.predict(layers, prompt, D_X, **{name: 0.0}), exact)
        apart = [
            (linear_attention.predict(layers, prompt, D_X, **{name: share}) - exact).norm().item()
            for share in (0.0, 0.2, 0.5, 1.0)
        ]
        assert apart[0] == 0
        assert apart == sorted(set(apart))


# --- other weights ------------------------------------------------------------------------


def random_layer(seed: int = 3) -> Weights:
    generator = torch.Generator().manual_seed(seed)
    size = (4, D_X + D_Y, D_X + D_Y)
    return Weights(*(0.3 * torch.randn(size, generator=generator, dtype=torch.float64)))


def spectra(layer: Weights) -> dict[str, torch.Tensor]:
    heads = dict(zip("qkvo", (w[None] for w in layer), strict=True))
    return sparsity.circuits(heads)


def test_a_rotation_is_the_same_function_with_the_same_circuits_and_no_zeros():
    x, y, query, start = prompts()
    generator = torch.Generator().manual_seed(1)
    basis = linear_attention.rotation(D_X + D_Y, generator)
    close(basis @ basis.mT, torch.eye(D_X + D_Y, dtype=torch.float64))
    layer = linear_attention.weights(start, 0.7)
    turned = linear_attention.rotate(layer, basis, generator)
    prompt = linear_attention.tokens(x, y, query, start)
    context = torch.arange(SHOTS + 1) < SHOTS
    for departure in ({}, {"softmax": 0.5}, {"causal": 1.0}):
        expected = linear_attention.attend(prompt, context, layer, **departure)
        found = linear_attention.attend(prompt @ basis.mT, context, turned, **departure)
        close(found @ basis, expected)
    before, after = spectra(layer), spectra(turned)
    for circuit in ("qk", "ov"):
        for invariant in sparsity_requirement.INVARIANTS:
            close(*(getattr(sparsity, invariant)(s[circuit]) for s in (before, after)), atol=1e-9)
    for matrix in (turned.q, turned.k, turned.v):
        assert (matrix.abs() < 1e-3).double().mean() < 0.05
    assert (layer.q.abs() < 1e-3).double().mean() == pytest.approx(1 - D_X / (D_X + D_Y) ** 2)


def test_a_mixture_has_its_ends_and_knows_no_basis_of_a_head():
    x, y, query, start = prompts()
    prompt = linear_attention.tokens(x, y, query, start)
    one, other = linear_attention.weights(start, 0.7), random_layer()

    def predicted(layer: Weights) -> torch.Tensor:
        return linear_attention.predict([layer], prompt, D_X)

    close(predicted(linear_attention.mix(one, other, 0.0)), predicted(one))
    close(predicted(linear_attention.mix(one, other, 1.0)), predicted(other))
    basis = linear_attention.rotation(D_X + D_Y, torch.Generator().manual_seed(2))
    same = Weights(-2 * basis @ other.q, basis @ other.k, basis @ other.v / -2, other.o @ basis.mT)
    close(predicted(same), predicted(other))
    half = linear_attention.mix(one, other, 0.5)
    close(predicted(linear_attention.mix(one, same, 0.5)), predicted(half))
    assert (predicted(half) - predicted(one)).abs().max() > 1e-3


def test_factors_are_balanced_and_give_the_circuits():
    given = random_layer()
    layer = linear_attention.factored(given.q, given.v)
    close(layer.k.mT @ layer.q, given.q)
    close(layer.o @ layer.v, given.v)
    close(layer.q @ layer.q.mT, layer.k @ layer.k.mT)
    close(layer.v @ layer.v.mT, layer.o.mT @ layer.o)


@pytest.mark.slow
def test_a_trained_layer_takes_the_step_of_the_closed_form():
    """The best step of one layer on `regression`, n d / (n + d - 1/5).

    Of x with E[x x^T] = I / d the best multiple of the identity is E[S] / E[S^2] (Ahn et al.
    2306.00297), S = X^T X / n; with n E[S^2] = E|x|^2 x x^T + (n - 1) I / d^2, and for uniform
    inputs E[x_1^4] = 9 / 5 / d^2, it is n d / (n + d - 1/5).
    """
    n, d = linear_attention.SHOTS, 16
    start = torch.zeros(4, d, dtype=torch.float64)
    ((layer,), _) = linear_attention.train(start, 1, 1500, seed=0)
    keys = (layer.k.mT @ layer.q)[:d, :d].diagonal().mean()
    values = -(layer.o @ layer.v)[d:, d:].diagonal().mean()
    assert float(keys * values) == pytest.approx(n * d / (n + d - 0.2), rel=0.02)
