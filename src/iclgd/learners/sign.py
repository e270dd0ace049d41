"""Sign descent: every weight moves by the rate, down its own slope, however steep that is."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor


class SignDescent(torch.optim.Optimizer):
    """w' = w - ``lr`` sign(g), with sign(0) = 0: signSGD (Bernstein et al. 2018, arXiv 1802.04434,
    algorithm 1), which of Adam is what both of its betas at 0 leave.

    torch.optim has none: Adam so set divides 0 by 0, and Rprop with equal steps rests where a
    slope changes its sign. A slope that is not finite stays so, and its run diverges as it would
    by any other step (torch's sign of NaN is 0). A slope that is 0 but for rounding moves its
    weight as far as any other.

    ``params``: tensors of any shapes; those without a gradient stay.
    """

    def __init__(self, params: Iterable[Tensor], lr: float):
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:
        """One step; returns what ``closure``, which leaves gradients in the tensors, returns."""
        losses = None
        if closure is not None:
            with torch.enable_grad():
                losses = closure()
        for group in self.param_groups:
            for weight in group["params"]:
                if (slope := weight.grad) is not None:
                    moved = torch.where(slope.isfinite(), slope.sign(), slope)
                    weight.add_(moved, alpha=-group["lr"])
        return losses
