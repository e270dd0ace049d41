"""Made-up regressions, and what learners on functions answer to them."""

import torch

from iclgd.learners import functional
from iclgd.models import linear_attention

DIMENSIONS = 3, 2  # of x and y


def settled(kernel: str, rate: float, epochs: int, loss: str = "squared", **more):
    descent = {"rate": rate} if more.get("step") != "newton" else {}
    return functional.entry({"kernel": kernel, "epochs": epochs, "loss": loss, **descent, **more})


def regressions(seed: int = 0, count: int = 6, shots: int = 5):
    """x [count, N, 3], y [count, N, 2], a query [count, 3] of each, and W_0 [2, 3]."""
    generator = torch.Generator().manual_seed(seed)
    x, y, query, _ = linear_attention.regression(generator, count, shots, *DIMENSIONS)
    return x, y, query, 0.3 * torch.randn(2, 3, generator=generator, dtype=torch.float64)


def answered(kernel: str, rate: float, steps: int, x, y, query, start, **more) -> torch.Tensor:
    """The learner's answers [count, 2] to one query of each regression."""
    entry, found = settled(kernel, rate, steps, **more), []
    for own, wanted, asked in zip(x, y, query[:, None], strict=True):
        firsts = own @ start.mT, asked @ start.mT
        task = functional.Task(own, asked, *firsts, torch.zeros(len(own)), wanted)
        *_, last = functional.descend(task, entry)
        found.append(last.answers[0])
    return torch.stack(found)
