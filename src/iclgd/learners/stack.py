"""Runs that train side by side: those that have ended keep their weights, and leave the stack."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor

LEAVING = 0.2  # of the stack: a copy of the others costs about as much as a step does


@dataclass
class Stack:
    """The trained tensors of ``count`` runs.

    ``weights``: leaves [runs there, ...] by name; ``there``: the numbers of the runs whose
    weights these are, in order; ``ended``: the weights [...] of runs that have ended.
    """

    weights: dict[str, Tensor]
    count: int
    there: list[int] = field(init=False)
    ended: dict[int, dict[str, Tensor]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.there = list(range(self.count))

    def end(self, run: int) -> None:
        """Keep the weights of a run as they are now."""
        at = self.there.index(run)
        self.ended[run] = {name: w[at].detach().clone() for name, w in self.weights.items()}

    def freeze(self) -> None:
        """Undo what a step has done to runs that have ended."""
        for at, run in enumerate(self.there):
            for name, own in self.ended.get(run, {}).items():
                self.weights[name].data[at] = own

    def staying(self) -> Tensor | None:
        """Rows of the stack that go on, once enough of it has ended; none before."""
        rows = [at for at, run in enumerate(self.there) if run not in self.ended]
        if not rows or len(self.there) - len(rows) < max(1, LEAVING * len(self.there)):
            return None
        self.there = [self.there[at] for at in rows]
        return torch.tensor(rows)

    def whole(self) -> dict[str, Tensor]:
        """The weights [count, ...] of all runs, wherever they are."""
        if len(self.there) == self.count:
            return {name: weight.detach() for name, weight in self.weights.items()}
        places = {run: at for at, run in enumerate(self.there)}
        return {
            name: torch.stack(
                [
                    weight[places[run]].detach() if run in places else self.ended[run][name]
                    for run in range(self.count)
                ]
            )
            for name, weight in self.weights.items()
        }

    def spread(self, losses: Tensor, before: Tensor | None) -> Tensor:
        """``losses`` [runs there] as [count]; of the runs that have left those of ``before``."""
        if before is None:
            return losses
        return before.index_copy(0, torch.tensor(self.there, device=losses.device), losses)
