"""What modules see and give at the last token of each row, and changes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from iclgd.io.cli import InputError

See = Callable[[int, Tensor], None]


def _states(given, batch: int) -> Tensor:
    """States [batch, time, width]. A block returns (hidden, ...) or hidden alone; where all tokens
    of a batch lie in one dimension, as before OPT's MLP, it is taken apart."""
    state = given[0] if isinstance(given, tuple) and given else given
    if not isinstance(state, Tensor) or state.dim() not in (2, 3):
        raise InputError("this architecture has no state of each token that could be read")
    return state if state.dim() == 3 else state.unflatten(0, (batch, -1))


@contextmanager
def _removed(handles: list) -> Iterator[None]:
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def seeing(modules: Iterable[nn.Module], last: Tensor, see: See, inputs: bool = False):
    """Within, ``see(number, state)`` gets what each of ``modules`` gives, or its ``inputs``, at the
    positions ``last`` [rows] of a batch: [rows, width]."""
    rows = torch.arange(len(last), device=last.device)

    def hook(number: int):
        def seen(_, given, output):
            see(number, _states(given if inputs else output, len(last))[rows, last])

        return seen

    return _removed([m.register_forward_hook(hook(i)) for i, m in enumerate(modules)])


def changing(
    modules: Iterable[nn.Module], last: Tensor, change: Callable[[int, Tensor, Tensor], Tensor]
):
    """Within, each of ``modules`` gives ``change(number, input, output)`` [rows, width] in the
    place of what it gives at the positions ``last`` [rows]."""
    rows = torch.arange(len(last), device=last.device)

    def hook(number: int):
        def changed(_, given, output):
            own = output[0] if isinstance(output, tuple) else output
            whole = own.clone()
            states = _states(whole, len(last))
            before = _states(given, len(last))[rows, last]
            states[rows, last] = change(number, before, states[rows, last])
            return (whole, *output[1:]) if isinstance(output, tuple) else whole

        return changed

    return _removed([m.register_forward_hook(hook(i)) for i, m in enumerate(modules)])
