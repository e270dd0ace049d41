"""Prompts of linear regression, and how predictions are compared."""

from __future__ import annotations

import torch

from iclgd.models import linear_attention

D_X, D_Y, SHOTS = 5, 3, 7
EXACT = 1e-12


def prompts(count: int = 6, seed: int = 0):
    """x, y, query of random prompts, and a random W_0 [d_y, d_x]; float64."""
    generator = torch.Generator().manual_seed(seed)
    x, y, query, _ = linear_attention.regression(generator, count, SHOTS, D_X, D_Y)
    return x, y, query, torch.randn(D_Y, D_X, generator=generator, dtype=torch.float64)


def predicted(weight: torch.Tensor, query: torch.Tensor) -> torch.Tensor:
    return (weight @ query[..., None])[..., 0]


def close(found: torch.Tensor, expected: torch.Tensor, atol: float = EXACT) -> None:
    torch.testing.assert_close(found, expected, rtol=0, atol=atol)
