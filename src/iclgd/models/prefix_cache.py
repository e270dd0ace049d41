"""Compute the shared beginning of prompts once.

The queries of one draw and order follow the same demonstrations, and many orders begin
with the same demonstrations as the one before. The keys and values of that shared beginning
are kept, and each query's own tokens attend to them: the same numbers as with every prompt
computed whole (tested for every architecture), for a fraction of the tokens.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer

from iclgd.models import forward


def shared(sequences: list[list[int]]) -> int:
    """How many tokens all sequences begin with; at least one token of each is its own."""
    first, last = min(sequences), max(sequences)  # all others lie between the two
    limit = min(map(len, sequences)) - 1
    for i, (a, b) in enumerate(zip(first, last, strict=False)):
        if a != b or i == limit:
            return i
    return limit


class _Kept(DynamicLayer):
    """One layer's keys and values [1, heads, prefix, width], in front of any number of rows."""

    def __init__(self, layer: DynamicLayer):
        super().__init__()
        self.lazy_initialization(layer.keys, layer.values)
        self.keys, self.values = layer.keys, layer.values

    def update(self, key_states: Tensor, value_states: Tensor, *_, **__) -> tuple[Tensor, Tensor]:
        """Keys and values of prefix and rows; unlike in generation, nothing is added to it."""
        rows = len(key_states)
        return (
            torch.cat([self.keys.expand(rows, -1, -1, -1), key_states], -2),
            torch.cat([self.values.expand(rows, -1, -1, -1), value_states], -2),
        )


class Prefix:
    """The shared beginning of prompts, as the model's keys and values [1, heads, time, width].

    It starts empty and moves from one prefix to the next, computing only the tokens
    after what the two have in common.
    """

    def __init__(self, model):
        self.model = model
        self.tokens: list[int] = []
        self.cache = DynamicCache()

    def move_to(self, tokens: list[int]) -> None:
        """Hold the keys and values of ``tokens``."""
        common = shared([[*self.tokens, -1], [*tokens, -2]])
        self.cache.crop(common - len(self.tokens))
        rest = tokens[common:]
        if rest:
            ids = torch.tensor([rest], device=self.model.device)
            last = torch.tensor([[len(rest) - 1]], device=self.model.device)
            forward.logits_at(self.model, ids, last, cache=self.cache)
        self.tokens = tokens

    def lacking(self) -> str | None:
        """What the cache does not hold of the prefix's tokens; None if nothing."""
        layers = self.cache.layers
        plain = all(isinstance(layer, DynamicLayer) and layer.keys is not None for layer in layers)
        if not layers or not plain:
            return "its cache does not hold keys and values"
        held = {layer.keys.shape[-2] for layer in layers}
        if held != {len(self.tokens)}:
            return f"of {len(self.tokens)} tokens its cache holds {min(held)}"
        return None

    def in_front(self) -> Cache | None:
        """The cache of a forward pass whose rows follow the prefix; None if it is empty."""
        layers = [_Kept(layer) for layer in self.cache.layers]
        return Cache(layers=layers) if self.tokens else None
