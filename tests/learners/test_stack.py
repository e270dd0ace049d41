"""Runs that have ended leave the stack; what is asked of it does not change."""

import pytest
import torch

from iclgd.learners.stack import Stack


def of_numbers(count: int) -> Stack:
    """Run i has the weight [i, i]."""
    weight = torch.arange(float(count))[:, None].repeat(1, 2).requires_grad_()
    return Stack({"w": weight}, count)


def leave(stack: Stack) -> list[int]:
    rows = stack.staying()
    stack.weights["w"].data = stack.weights["w"].data[rows]
    return rows.tolist()


def test_runs_leave_by_hand():
    stack = of_numbers(4)
    stack.end(1)
    stack.weights["w"].data += 10
    stack.freeze()
    assert stack.weights["w"][:, 0].tolist() == [10, 1, 12, 13]
    assert leave(stack) == [0, 2, 3] and stack.there == [0, 2, 3]
    stack.end(3)
    stack.weights["w"].data += 10
    stack.freeze()
    assert stack.whole()["w"].tolist() == [[20, 20], [1, 1], [22, 22], [13, 13]]
    assert leave(stack) == [0, 1] and stack.there == [0, 2]
    assert stack.whole()["w"].tolist() == [[20, 20], [1, 1], [22, 22], [13, 13]]
    losses = stack.spread(torch.tensor([5.0, 6.0]), torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert losses.tolist() == [5, 2, 6, 4]


@pytest.mark.parametrize("ended, going", [(0, None), (1, None), (2, 8), (10, None)])
def test_they_leave_once_they_are_a_fifth(ended, going):
    """With none left there is nothing to go on with, and the stack stays."""
    stack = of_numbers(10)
    for run in range(ended):
        stack.end(run)
    rows = stack.staying()
    assert (None if rows is None else len(rows)) == going
