"""Newton's method in the space of a kernel: by hand, and beside Newton on the weights."""

import itertools
import math

import pytest
import torch
from support.on_functions import answered, regressions, settled
from torch.nn.functional import cross_entropy

from iclgd.io.cli import InputError
from iclgd.learners import functional, newton


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_newtons_iteration_is_that_of_the_weights(steps):
    """M <- 2 M - M S M with S = X^T X, in the space of weights (Fu et al.)."""
    x, y, query, start = regressions()
    second = x.mT @ x
    inverse = second / torch.linalg.eigvalsh(second)[:, -1, None, None] ** 2
    for _ in range(steps):
        inverse = 2 * inverse - inverse @ second @ inverse
    weight = start + (y - x @ start.mT).mT @ x @ inverse
    expected = (weight @ query[..., None])[..., 0]
    found = answered("linear", 0, steps, x, y, query, start, step="newton")
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-10)


def test_newtons_errors_are_squared_by_each_step():
    """x = (1, 0) and (0, 2): G has 1/2 and 2, so that P_0 G leaves 15/16 of the first error."""
    x, y = torch.tensor([[1.0, 0.0], [0.0, 2.0]]).double(), torch.tensor([[1.0], [0.0]]).double()
    task = functional.Task(x, x[:1], 0 * y, 0 * y[:1], torch.zeros(2), y)
    found = list(functional.descend(task, settled("linear", 0, 6, step="newton")))
    for step in found[1:]:
        left = (15 / 16) ** (2**step.epoch)
        assert step.answers.item() == pytest.approx(1 - left, abs=1e-12)
        assert step.loss == pytest.approx(left**2 / 4, abs=1e-12)


def test_eight_steps_of_newtons_beat_many_of_gd():
    x, y, query, start = regressions(count=40, shots=8)
    truth = (torch.linalg.lstsq(x, y).solution.mT @ query[..., None])[..., 0]
    newton = answered("linear", 0, 8, x, y, query, start, step="newton")
    rate = 8 / float(torch.linalg.eigvalsh(x.mT @ x)[:, -1].max())
    gd = answered("linear", rate, 64, x, y, query, start)
    far, near = ((one - truth).norm(dim=-1).median() for one in (gd, newton))
    assert near < 1e-3 * far


# --- the cross-entropy, with a ridge --------------------------------------------------------


def classified(seed: int = 0, shots: int = 4, classes: int = 5, width: int = 3):
    """x [N, d], a query [1, d], targets [N] and W_0 [V, d] of a softmax regression."""
    generator = torch.Generator().manual_seed(seed)
    x, query = (torch.randn(n, width, generator=generator).double() for n in (shots, 1))
    start = torch.randn(classes, width, generator=generator).double()
    return x, query, torch.arange(shots) % classes, start


def steps(x, query, targets, start, ridge: float, epochs: int, kernel: str = "linear"):
    task = functional.Task(x, query, x @ start.mT, query @ start.mT, targets)
    entry = settled(kernel, 0, epochs, "label", step="newton", ridge=ridge)
    return list(functional.descend(task, entry))


def test_a_step_by_hand():
    """One demonstration x = 1 of two classes, logits 0 and 0, the ridge 1."""
    x, none = torch.ones(1, 1).double(), torch.zeros(2, 1).double()
    found = steps(x, x, torch.tensor([0]), none, 1.0, 1)
    # Gap (1/2, -1/2), H (v, -v) = (v/2, -v/2): (1 + 1/2) step = gap, so 1/3 and -1/3.
    assert found[0].answers.tolist() == [[0, 0]]
    assert found[1].answers[0].tolist() == pytest.approx([1 / 3, -1 / 3])
    assert found[1].loss == pytest.approx(math.log(1 + math.exp(-2 / 3)))


@pytest.mark.parametrize("headed", [False, True])
def test_it_is_newtons_method_on_the_weights(headed):
    """Beside the dense second derivative by W, by autograd; the first steps need no halving."""
    x, query, targets, start = classified()
    head = torch.randn(5, 2, generator=torch.Generator().manual_seed(1)).double()
    head, start = (head, start[:2]) if headed else (None, start)
    ridge = 0.3
    penalty = ridge * float((x @ x.mT / len(x)).diagonal().mean())

    def objective(weight):
        answers = x @ weight.view_as(start).mT
        logits = answers if head is None else answers @ head.mT
        return (
            cross_entropy(logits, targets) + penalty / 2 * (weight - start.ravel()).square().sum()
        )

    weight = start.ravel()
    for _ in range(3):
        second = torch.autograd.functional.hessian(objective, weight)
        (gradient,) = torch.autograd.grad(objective(weight.requires_grad_()), weight)
        weight = (weight - torch.linalg.solve(second, gradient)).detach()
    task = functional.Task(x, query, x @ start.mT, query @ start.mT, targets, None, head)
    entry = settled("linear", 0, 3, "label", step="newton", ridge=ridge)
    *_, last = functional.descend(task, entry)
    torch.testing.assert_close(last.answers, query @ weight.view_as(start).mT, rtol=0, atol=1e-8)


@pytest.mark.parametrize("kernel", ["linear", "exp"])
def test_it_ends_where_gradient_descent_ends(kernel):
    """That on the same objective, which it needs thousands of steps for."""
    x, query, targets, start = classified(shots=6)
    own = functional.weights(kernel, x, x)
    ridge = 0.05 * float(own.diagonal().mean())
    moved = torch.zeros(6, 5).double()
    for _ in range(20_000):
        shares = (x @ start.mT + own @ moved).softmax(-1)
        gap = torch.nn.functional.one_hot(targets, 5) - shares
        moved = moved + 0.05 * (gap - ridge * moved)
    expected = query @ start.mT + functional.weights(kernel, query, x) @ moved
    found = steps(x, query, targets, start, 0.05, 12, kernel)
    torch.testing.assert_close(found[-1].answers, expected, rtol=0, atol=1e-6)
    apart = [float((one.answers - found[-1].answers).abs().max()) for one in found]
    assert apart[8] < 1e-9 < 1e-2 < apart[0]


def test_a_step_that_would_overshoot_is_halved():
    """A model that is sure of the wrong class: second derivatives are near 0, whole steps far."""
    own, targets = torch.eye(2).double() / 2, torch.tensor([0, 1])
    wrong = torch.tensor([[-9.0, 9.0], [9.0, -9.0]]).double()
    found = list(newton.descend(own, wrong, targets, None, 0.01, 12))
    losses = [
        float(cross_entropy(wrong + own @ a, targets) + 0.005 / 4 * (a * (own @ a)).sum())
        for a in found
    ]
    assert losses[0] == pytest.approx(18, abs=1e-6)
    assert all(after <= before + 1e-12 for before, after in itertools.pairwise(losses))
    # A whole first step is a gap of (1, -1) over the ridge of .005: 200 in place of what is best.
    assert 20 < float(found[1].abs().max()) < 199
    gap = torch.eye(2) - (wrong + own @ found[-1]).softmax(-1)
    torch.testing.assert_close(0.005 * found[-1], gap, rtol=0, atol=1e-9)


def test_the_order_of_demonstrations_is_nothing_to_newton():
    x, query, targets, start = classified()
    order = torch.tensor([2, 0, 3, 1])
    one, other = (steps(*z, start, 0.1, 4)[-1].answers for z in (
        (x, query, targets), (x[order], query, targets[order])))  # fmt: skip
    torch.testing.assert_close(one, other, rtol=0, atol=1e-9)


def test_equations_that_are_not_solved_end_in_one_line(monkeypatch):
    monkeypatch.setattr(newton, "ROUNDS", 1)
    with pytest.raises(InputError, match="no step of Newton's was found in 1 rounds: more ridge"):
        steps(*classified(), 1e-6, 2)


def test_an_infinite_kernel_ends_in_one_line():
    x, query, targets, start = classified()
    with pytest.raises(InputError, match="the kernel of these inputs is infinite"):
        steps(100 * x, query, targets, start, 0.1, 1, "exp")
