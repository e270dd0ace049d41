"""A step of an optimiser: after all backward passes, or tensor by tensor within the one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor


class Stepping(NamedTuple):
    """``step`` is called with a function that runs the backward passes of the step, and returns
    the losses; it returns what its optimiser makes of them. ``keep`` goes on with some of the runs:
    tensors [runs, ...] and the optimiser's states lose the others."""

    step: Callable[[Callable[[], Tensor]], Tensor]
    keep: Callable[[Tensor], None]


@contextmanager
def stepping(
    weights: dict[str, Tensor], masks: dict[str, Tensor], optimised: Callable, arriving: bool
) -> Iterator[Stepping]:
    """Yields what makes the steps of ``weights``. ``optimised`` makes an optimiser of tensors.

    If ``arriving``, a step must be a single backward pass, and each tensor is updated as soon
    as its gradient is there, which is freed at once: a large model needs the memory of its
    weights and of one gradient (Lv et al. 2306.09782).
    """

    def masked(names: list[str]) -> None:
        for name in masks.keys() & names:
            if weights[name].grad is not None:
                weights[name].grad *= masks[name]

    def update(name: str, optimiser: torch.optim.Optimizer, _) -> None:
        masked([name])
        optimiser.step()
        optimiser.zero_grad()

    if not arriving:
        optimiser = optimised(list(weights.values()))

        def step(evaluate: Callable[[], Tensor]) -> Tensor:
            def closure(*wanted: Callable[[Tensor], bool]) -> Tensor:
                losses = evaluate(*wanted)
                masked(list(weights))
                return losses

            losses = optimiser.step(closure)
            optimiser.zero_grad()
            return losses

        def keep(rows: Tensor) -> None:
            for weight in weights.values():
                state = optimiser.state[weight]
                for key, value in state.items():
                    if isinstance(value, Tensor) and value.dim():  # a count of steps has none
                        state[key] = value[rows]
                weight.data = weight.data[rows]
            if hasattr(optimiser, "keep"):
                optimiser.keep(rows)

        yield Stepping(step, keep)
        return
    handles = [
        weight.register_post_accumulate_grad_hook(partial(update, name, optimised([weight])))
        for name, weight in weights.items()
    ]
    try:
        yield Stepping(lambda evaluate: evaluate(), _one_run)
    finally:
        for handle in handles:
            handle.remove()


def _one_run(rows: Tensor) -> None:
    raise AssertionError("a run that is trained in the model's own tensors is alone")
