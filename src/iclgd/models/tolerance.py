"""Whether two computations of the same logits both work and agree up to rounding."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from iclgd.io.cli import InputError, out_of_memory

# Largest difference of log-probabilities that is rounding. (In "float64" transformers computes
# the norms and angles of many architectures in float32.)
ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.1}


def failure(attempt: Callable[[], str | None]) -> str | None:
    """The reason that ``attempt`` returns, or why it failed; None if nothing is wrong.

    Lack of memory is no answer and is raised, as is what the project itself refuses.
    """
    try:
        return attempt()
    except InputError:
        raise
    except Exception as error:  # an architecture that cannot do it may raise anything
        if out_of_memory(error):
            raise
        lines = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {lines[0]}"


def apart(model, found: Tensor, expected: Tensor) -> str | None:
    """How far two tensors of logits differ, in words; None where it is rounding.

    They are compared as log-probabilities over the last axis.
    """
    first, second = (x.double().log_softmax(-1) for x in (found, expected))
    if not first.numel():
        return None
    difference = float((first - second).abs().max())
    if difference <= ROUNDING[model.dtype]:
        return None
    return f"log-probabilities differ by {difference:.2g}"
