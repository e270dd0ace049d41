"""A model as a stack of blocks: entered where training begins, checkpointed where it is large."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint
from transformers import Cache

from iclgd.models import architectures, dimensions, forward


def blocks(model) -> tuple[str, nn.ModuleList]:
    """Name and list of the blocks of ``model``; an empty list where there is no such list."""
    count = dimensions.layers(model.config)
    for name, module in model.named_modules():
        if isinstance(module, nn.ModuleList) and len(module) == count:
            return name, module
    return "", nn.ModuleList()


def lowest(model, names: Iterable[str]) -> int:
    """The lowest block that holds one of the tensors ``names``; 0 if one lies in no block, and
    where an architecture is not known well enough to begin inside it."""
    if not architectures.known(model.config):
        return 0
    prefix = f"{blocks(model)[0]}."
    inside = [name.removeprefix(prefix).split(".")[0] for name in names]
    return min((int(number) if number.isdigit() else 0 for number in inside), default=0)


class _Entered(Exception):
    """Ends a forward pass at the block whose input is wanted."""


@torch.no_grad()
def entering(model, block: int, tokens: Tensor) -> Tensor:
    """What enters ``block`` for ``tokens`` [batch, time]: [batch, time, width].

    Nothing above is computed.
    """
    found = []

    def stop(_, arguments):
        found.append(arguments[0])
        raise _Entered

    handle = blocks(model)[1][block].register_forward_pre_hook(stop)
    try:
        with forward.autocast(model, tokens.device.type):
            model(**forward.arguments(tokens))
    except _Entered:
        pass
    finally:
        handle.remove()
    return found[0]


@torch.no_grad()
def leaving(
    model,
    block: int,
    tokens: Tensor,
    begin: int = 0,
    hidden: Tensor | None = None,
    cache: Cache | None = None,
) -> Tensor:
    """What leaves ``block``: [batch, time, width]. Nothing above is computed, and nothing below
    ``begin``, which ``hidden`` [batch, time, width] enters (None: the model is whole below).
    What ``cache`` holds precedes every row."""
    found = []

    def stop(_, __, output):
        found.append(output[0] if isinstance(output, tuple) else output)
        raise _Entered

    handle = blocks(model)[1][block].register_forward_hook(stop)
    try:
        with entered(model, begin, hidden), forward.autocast(model, tokens.device.type):
            model(**forward.arguments(tokens, cache))
    except _Entered:
        pass
    finally:
        handle.remove()
    return found[0]


class _Skipped(nn.Module):
    """In place of a block that is not computed: returns ``hidden``, or else its input."""

    def __init__(self, as_tuple: bool, hidden: Tensor | None = None):
        super().__init__()
        self.as_tuple, self.hidden = as_tuple, hidden

    def forward(self, hidden: Tensor, *_, **__):
        hidden = hidden if self.hidden is None else self.hidden
        return (hidden,) if self.as_tuple else hidden


@contextmanager
def entered(model, block: int, hidden: Tensor | None) -> Iterator[None]:
    """Within, the model begins at ``block`` with ``hidden`` [batch, time, width].

    With ``hidden`` None the model is whole. ``block`` may be the number of blocks: what is
    left then is the final norm and the unembedding. Positions and masks come from the tokens
    as ever.
    """
    if hidden is None:
        yield
        return
    _, stack = blocks(model)
    below = list(stack[:block])
    as_tuple = architectures.row(model.config).tuples
    for number in range(block):
        stack[number] = _Skipped(as_tuple, hidden if number == block - 1 else None)
    try:
        yield
    finally:
        for number, one in enumerate(below):
            stack[number] = one


@contextmanager
def checkpointed(model, when: bool) -> Iterator[None]:
    """Within, if ``when``, blocks keep only their input for the backward pass.

    Everything inside a block is computed a second time there, with the same numbers.
    """
    stack = blocks(model)[1] if when else ()
    for block in stack:
        block.forward = _again(block.forward)
    try:
        yield
    finally:
        for block in stack:
            del block.forward


def _again(forward):
    return lambda *args, **kwargs: checkpoint(forward, *args, use_reentrant=False, **kwargs)
