"""Prompts that share their beginnings, and answers that should be the same."""

from __future__ import annotations

import numpy as np


def prompts_behind(prefix: list[int], count: int = 6, seed: int = 0) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [prefix + rng.integers(5, 149, n).tolist() for n in rng.integers(1, 9, count)]


def orders() -> list[list[list[int]]]:
    """Prompts of orders: alike in front, in part, not at all, shorter, and the first again."""
    rng = np.random.default_rng(5)
    a, b, c = (rng.integers(5, 149, 6).tolist() for _ in range(3))
    shown = [a + b + c, a + b + c, a + c + b, c + a, a, a + b + c]
    return [prompts_behind([0, *demos], seed=i) for i, demos in enumerate(shown)]


def same(found, expected, atol: float) -> None:
    for field in ("label_logprobs", "top_logprobs", "tail_mass"):
        np.testing.assert_allclose(getattr(found, field), getattr(expected, field), 3e-7, atol)
