"""Full-batch gradient descent whose loss never rises: discretised gradient flow.

At a fixed rate the steps of a whole model end at the edge of stability, where rounding is amplified
until runs that are mathematically the same have nothing in common. Here a step that raises
the loss is refused and the rate cut, so that a run follows the gradient flow, whose result does not
depend on rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor


class Monotone(torch.optim.Optimizer):
    """Steps that are taken back where they raise a run's loss; one rate for each run.

    From the accepted weights w with their loss L and gradient g, ``step`` proposes w' = w - rate g
    and evaluates loss and gradient there, once. If L' <= L the proposal is accepted and the run's
    rate becomes rate * ``grow``; otherwise (also where L' is not finite) the weights go back to w
    and the rate becomes rate * ``cut``. So a step costs one forward and one backward pass, as one
    of plain descent, and only the forward pass if all runs refuse it; the first one costs two, as
    it begins with L and g of the start.

    ``params``: tensors [runs, ...] of runs side by side, or [...] of one alone. ``lr``: the
    rate of the first step. ``losses`` [runs]: L; None before the first step.
    """

    def __init__(self, params: Iterable[Tensor], lr: float, grow: float, cut: float):
        super().__init__(params, {"lr": lr, "grow": grow, "cut": cut})
        self.losses: Tensor | None = None
        self.rates: Tensor | None = None

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor]) -> Tensor:
        """Propose, evaluate and decide. ``closure`` returns the losses [runs] under the tensors
        and leaves gradients in them, unless it is given a function that says with the losses that
        they are not wanted. Returns the losses under the weights that are there now."""
        (group,) = self.param_groups
        weights = group["params"]
        if self.losses is None:
            self.losses = self._evaluated(closure)
            self.rates = torch.full_like(self.losses, group["lr"], dtype=torch.float64)
            for weight in weights:
                # A tensor that the loss does not depend on has no gradient, and stays.
                if weight.grad is not None:
                    self.state[weight]["gradient"] = weight.grad
        moving = [weight for weight in weights if "gradient" in self.state[weight]]
        for weight in moving:
            state, accepted = self.state[weight], weight.data
            state["accepted"] = accepted
            rates = self._each(self.rates.to(weight.dtype), weight)
            weight.data = torch.addcmul(accepted, state["gradient"], rates, value=-1)
        proposed = self._evaluated(partial(closure, partial(self._wanted, moving)))
        better = proposed <= self.losses  # NaN is not
        refused = (~better).nonzero()[:, 0]
        for weight in moving:
            state = self.state[weight]
            if not better.any():
                weight.data = state.pop("accepted")
                continue
            if len(refused):  # few are, so that only these are copied
                self._runs(weight)[refused] = self._runs(state["accepted"])[refused]
                self._runs(weight.grad)[refused] = self._runs(state["gradient"])[refused]
            state.pop("accepted", None)
            state["gradient"] = weight.grad
        self.losses = torch.where(better, proposed, self.losses)
        self.rates = torch.where(better, self.rates * group["grow"], self.rates * group["cut"])
        return self.losses

    def _wanted(self, moving: list[Tensor], proposed: Tensor) -> bool:
        """Whether the gradient under the proposals is needed, which some run must have accepted.

        If all have, what was accepted before is freed before the backward pass: a large model needs
        the memory of two sets of weights and one gradient.
        """
        better = proposed <= self.losses
        if better.all():
            for weight in moving:
                self.state[weight].clear()
        return bool(better.any())

    def keep(self, rows: Tensor) -> None:
        """Go on with the runs ``rows`` alone. Tensors and their states are cut by the caller."""
        if self.losses is not None:
            self.losses, self.rates = self.losses[rows], self.rates[rows]

    def _evaluated(self, closure: Callable[[], Tensor]) -> Tensor:
        self.zero_grad()
        with torch.enable_grad():
            return closure()

    def _runs(self, tensor: Tensor) -> Tensor:
        """``tensor`` as [runs, ...], which that of a run alone is not."""
        return tensor[None] if len(self.losses) == 1 else tensor

    def _each(self, values: Tensor, weight: Tensor) -> Tensor:
        """``values`` [runs] in the dimensions of `_runs` (``weight``), or one for a run alone."""
        if len(values) == 1:
            return values[0]
        return values.view(-1, *[1] * (weight.dim() - 1))
