"""Gradient descent in which no layer learns from those above it: layer-causal GD.

Deutch et al. 2024 (arXiv 2311.07772): in-context learning computes a layer from what lies
below it, but GD moves a layer by what lies above. Here what enters each block is detached,
and each layer has a loss of its own: the cross-entropy of U(h_l), U being the frozen final
norm and unembedding. The sum over layers is minimised.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from iclgd.models import architectures, dimensions, forward, partial_forward

# What h_l is: the residual stream after the attention of layer l, as in the paper, or after the
# whole block, as in the public code.
READINGS = ("attention", "block")


@contextmanager
def detached(model, lowest: int, reading: str) -> Iterator[list[Tensor]]:
    """Within, blocks from ``lowest`` up get detached input; yields the list of their h_l.

    A forward pass appends h_l [batch, time, width] in the order of layers.
    """
    where = architectures.row(model.config)
    entered, found, handles = [], [], []

    def detach(_, inputs):
        entered.append(inputs[0].detach())
        return (entered[-1], *inputs[1:])

    def attended(_, __, output):
        found.append(entered[-1] + output)

    def left(_, __, output):
        found.append(output[0] if where.tuples else output)

    for block in partial_forward.blocks(model)[1][lowest:]:
        handles.append(block.register_forward_pre_hook(detach))
        if reading == "attention":
            handles.append(block.get_submodule(where.o).register_forward_hook(attended))
        else:
            handles.append(block.register_forward_hook(left))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def logits(
    model,
    reading: str,
    lowest: int,
    weights: dict[str, Tensor],
    tokens: Tensor,
    positions: Tensor,
    hidden: Tensor | None = None,
) -> Tensor:
    """Logits U(h_l) of every layer from ``lowest`` up: [layers * batch, chosen, vocabulary].

    ``weights`` stand in for the model's own of the same names, and are of its blocks alone;
    other arguments as in ``gradient_descent.summed_loss``.
    """
    with detached(model, lowest, reading) as found, partial_forward.entered(model, lowest, hidden):
        forward.logits_at(model, tokens, positions, weights)
    layers = len(found)
    with partial_forward.entered(model, dimensions.layers(model.config), torch.cat(found)):
        tokens, positions = (x.repeat(layers, 1) for x in (tokens, positions))
        return forward.logits_at(model, tokens, positions)
