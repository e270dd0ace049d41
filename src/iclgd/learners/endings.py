"""When a run has been trained enough: converged, stalled, or at the cap of its epochs.

A fixed number of epochs says nothing about how far a run has come: at one rate it is long past the
end, at another just after the beginning. A run that has ended keeps its weights.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from iclgd.learners.settings import Learner

TRAINING, CONVERGED, STALLED, CAPPED = "training", "converged", "stalled", "capped"
SHARE, LEAST = 10, 100  # a run stalls over the last tenth of its epochs, and at least 100


def stalled(lows: Sequence[Tensor], share: float) -> Tensor:
    """Whether each run has stalled, [runs], by ``lows``, for every epoch from 0 the lowest losses
    [runs] so far.

    It has if the lowest loss fell by less than ``share`` of itself over the last tenth of the
    epochs, at least 100. The lowest loss so far, as the loss of large steps goes up and
    down. A share, as losses of one task lie orders of magnitude apart. A tenth, as losses fall
    like powers of time: where L is proportional to 1 / t^p the fall over the last tenth is
    1 - 0.9^p, soon or late (0.1 where the loss goes to 0 as 1 / t), and goes to 0 where the loss
    goes to a limit above 0. A loss that is not finite has not stalled.
    """
    epoch = len(lows) - 1
    window = max(LEAST, math.ceil(epoch / SHARE))
    if epoch < window:
        return torch.zeros_like(lows[0], dtype=torch.bool)
    before, now = lows[epoch - window], lows[epoch]
    return before - now < share * before


def of_epoch(epoch: int, last: int, loss: float | None) -> dict[str, float | int | str | None]:
    """Columns of the logits table of a run that no criterion ends; it has no state at epoch 0."""
    state = CAPPED if epoch == last else TRAINING
    return {"loss": loss, "state": state if epoch else None, "trained": epoch}


@dataclass
class Endings:
    """The runs of a stack that have ended. ``at``: the epoch at which, by run; ``why``: its state;
    ``losses`` [runs]: the last that were seen, of a run that has ended those at its end."""

    learner: Learner
    runs: int
    at: dict[int, int] = field(default_factory=dict)
    why: dict[int, str] = field(default_factory=dict)
    losses: Tensor | None = None
    lows: list[Tensor] = field(default_factory=list)

    @property
    def watched(self) -> bool:
        """Whether runs can end before the cap, so that every epoch's losses are needed."""
        return self.learner.until is not None or self.learner.stall is not None

    @property
    def all(self) -> bool:
        return len(self.at) == self.runs

    def see(self, epoch: int, losses: Tensor) -> list[int]:
        """Losses [runs] under the weights of ``epoch``, each epoch in turn, the same one perhaps
        again. Returns the runs that end with them."""
        if self.losses is not None and self.at:
            ended = torch.tensor([i in self.at for i in range(self.runs)], device=losses.device)
            losses = torch.where(ended, self.losses, losses)
        self.losses = losses
        if not self.watched:
            return []
        none = torch.zeros_like(losses, dtype=torch.bool)
        converged = none if self.learner.until is None else losses <= self.learner.until
        stopped = none
        if self.learner.stall is not None:
            del self.lows[epoch:]
            low = torch.minimum(self.lows[-1], losses) if self.lows else losses
            self.lows.append(low)  # NaN stays
            stopped = stalled(self.lows, self.learner.stall)
        new = [i for i in (converged | stopped).nonzero()[:, 0].tolist() if i not in self.at]
        for run in new:
            self.at[run] = epoch
            self.why[run] = CONVERGED if converged[run] else STALLED
        return new

    def trained(self, epoch: int) -> list[int]:
        """Epochs that each run has really trained by ``epoch``."""
        return [min(epoch, self.at.get(run, epoch)) for run in range(self.runs)]

    def states(self, epoch: int) -> list[str | None]:
        """The state of each run at ``epoch``; none at epoch 0, the pretrained model."""
        if epoch == 0:
            return [None] * self.runs
        otherwise = CAPPED if epoch == self.learner.epochs else TRAINING
        return [self.why.get(run, otherwise) for run in range(self.runs)]
