"""Demonstrations as tensors to train on, each alone in its sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import torch
from torch import Tensor

from iclgd.models import forward

TOKENS_PER_STEP = 16_384  # in one forward pass
# What another group costs: its gradient is added to that of the others, 12 bytes a weight, in which
# time about so many tokens go forward and backward through it.
PER_GROUP = 64


@dataclass(frozen=True)
class Batch:
    """Demonstrations as tensors; D demonstrations, T tokens, P scored positions at most.

    ``tokens`` [..., D, T]; ``positions`` [..., D, P], those *before* the scored tokens;
    ``targets`` [..., D, P], -100 where a demonstration has fewer than P; ``hidden``
    [..., D, T, width], what enters the lowest trained block (none: the model is run from its
    tokens). A leading run dimension stands for the dots where runs are stacked. Demonstrations
    that may not go through the model ``together`` (`probes`) go one by one, without padding.
    """

    tokens: Tensor
    positions: Tensor
    targets: Tensor
    hidden: Tensor | None = None
    together: bool = True

    def inputs(self) -> tuple[Tensor, ...]:
        """The tensors, without ``hidden`` if there is none."""
        whole = (self.tokens, self.positions, self.targets, self.hidden)
        return whole if self.hidden is not None else whole[:3]

    def step(self, start: int, size: int) -> Batch:
        """Demonstrations ``start`` ... ``start + size - 1`` of every run [runs, D, ...]."""
        return self.of(lambda x: x[:, start : start + size])

    def of_runs(self, rows: Tensor) -> Batch:
        """The demonstrations of some of the runs."""
        return self.of(lambda x: x[rows])

    def of(self, part: Callable[[Tensor], Tensor]) -> Batch:
        """With ``part`` of every tensor."""
        return replace(self, **dict(zip(FIELDS, map(part, self.inputs()), strict=False)))

    def micro(self) -> list[Batch]:
        """The same demonstrations in parts of at most `TOKENS_PER_STEP` tokens."""
        size = max(1, TOKENS_PER_STEP * self.tokens.shape[1] // self.tokens.numel())
        size = size if self.together else 1
        parts = [self.step(start, size) for start in range(0, self.tokens.shape[1], size)]
        return parts if self.together else [part.unpadded() for part in parts]

    def groups(self) -> list[Batch]:
        """Those of a run alone in groups of about one length, each in their order.

        Runs that are stacked stay together: they have no lengths in common.
        """
        if len(self.tokens) > 1 or not self.together:
            return [self]
        lengths = (self.positions[0].amax(-1) + 2).tolist()
        chosen = grouped(tuple(lengths))
        rows = (torch.tensor(one, device=self.tokens.device) for one in chosen)
        return [self.of(lambda x, own=own: x[:, own]).unpadded() for own in rows]

    def unpadded(self) -> Batch:
        """Demonstrations [1, D, T] without what follows the last scored token of all."""
        end = int(self.positions.max()) + 2
        hidden = None if self.hidden is None else self.hidden[:, :, :end]
        return replace(self, tokens=self.tokens[:, :, :end], hidden=hidden)


FIELDS = ("tokens", "positions", "targets", "hidden")


@cache
def grouped(lengths: tuple[int, ...]) -> list[list[int]]:
    """Numbers of sequences in groups that compute the fewest tokens, padding included.

    A group counts `PER_GROUP` tokens more. Within a group the numbers rise.
    """
    order = sorted(range(len(lengths)), key=lambda i: lengths[i])
    best: list[tuple[int, list[list[int]]]] = [(0, [])]
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        costs = [best[i][0] + (end - i) * longest + PER_GROUP for i in range(end)]
        start = costs.index(min(costs))
        best.append((costs[start], [*best[start][1], sorted(order[start:end])]))
    return best[-1][1]


def tensors(encoded: list[tuple[list[int], int]], loss: str, device: str = "cpu") -> Batch:
    """Demonstrations (`answer_tokens.encode_answers`) as a Batch [D, ...]."""
    spans = [list(range(1 if loss == "all" else start, len(tokens))) for tokens, start in encoded]
    width = max(map(len, spans))
    positions = [[i - 1 for i in span] + [0] * (width - len(span)) for span in spans]
    targets = [
        [tokens[i] for i in span] + [-100] * (width - len(span))
        for (tokens, _), span in zip(encoded, spans, strict=True)
    ]
    return Batch(
        forward.pad([tokens for tokens, _ in encoded], device),
        torch.tensor(positions, device=device),
        torch.tensor(targets, device=device),
    )


def stacked(alone: list[Batch]) -> Batch:
    """Stack the runs' demonstrations along a new leading dimension, padded to one width."""

    def joined(field: str, fill: int) -> Tensor:
        parts = [getattr(b, field) for b in alone]
        width = max(p.shape[-1] for p in parts)
        return torch.stack(
            [torch.nn.functional.pad(p, (0, width - p.shape[-1]), value=fill) for p in parts]
        )

    joint = {"tokens": joined("tokens", 0), "positions": joined("positions", 0)}
    return replace(alone[0], **joint, targets=joined("targets", -100))


def batches(
    encoded: list[list[tuple[list[int], int]]],
    loss: str,
    device: str,
    together: bool = True,
) -> list[Batch]:
    """The demonstrations of every run as a Batch, in its order.

    ``encoded`` are those of `answer_tokens.encode_demonstrations`; ``together`` is the Batch's.
    """
    made = (tensors(shown, loss, device) for shown in encoded)
    return [replace(batch, together=together) for batch in made]
