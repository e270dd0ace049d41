"""Whether a model allows batches and caches: tested on the model, not inferred from its name.

Every fast path assumes that later tokens and padding change nothing, and that keys and values can
be kept. Few models violate this, and they do so silently: one whose forward pass accepts a cache
but stores nothing answers without its demonstrations; one whose positions depend on the longest
sequence of a call answers differently in a batch. So each assumption is tested on the actual
prompts against the slow path (one whole sequence at a time); where it fails, the slow path is
used and the log says so.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from iclgd.models import forward, tolerance
from iclgd.models.prefix_cache import Prefix, shared


class Ways:
    """How a model may process sequences: ``together``, and after a shared prefix.

    A result for two lengths holds for all lengths between them.
    """

    def __init__(self, loaded, prefixes: bool = False):
        self.loaded, self.checked = loaded, False
        self.spans: dict[str, list[tuple[int, int, bool]]] = {"together": [], "prefix": []}
        self.prefix = Prefix(loaded.model) if prefixes and loaded.family.shares_prefixes else None

    @torch.no_grad()
    def of(self, sequences: list[list[int]]) -> tuple[bool, Prefix | None]:
        """Whether ``sequences`` may go through side by side, and the prefix, if there may be one.

        Raises InputError where the model is not causal (`families`).
        """
        short, long = min(sequences, key=len), max(sequences, key=len)
        if not self.checked:
            self.loaded.family.check(self.loaded, short if len(short) > 1 else long)
            self.checked = True
        together = self._known("together", len(short), len(long), lambda: self._padded(short, long))
        begin = shared(sequences) if self.prefix else 0
        if not begin:
            return together, None
        kept = self._known("prefix", begin, len(long), lambda: self._behind(begin, short, long))
        return together, self.prefix if kept else None

    def _known(self, way: str, first: int, last: int, attempt: Callable[[], str | None]) -> bool:
        """Whether a path is exact for lengths from ``first`` to ``last``; tested if unknown."""
        spans = self.spans[way]
        for low, high, fine in spans:
            if (low <= first and last <= high) if fine else (first <= low and high <= last):
                return fine
        reason = tolerance.failure(attempt)
        if reason and all(fine for *_, fine in spans):
            plain = {"together": "one at a time", "prefix": "with whole prompts"}[way]
            print(f"{self.loaded.name}: evaluated {plain} ({reason})", file=sys.stderr)
        spans.append((first, last, not reason))
        return not reason

    def _last(self, sequences: list[list[int]], prefix: Prefix | None = None) -> Tensor:
        """Logits [sequences, vocabulary] after each of them, in one batch."""
        tokens, last = self.loaded.family.inputs(sequences, self.loaded.device)
        cache = prefix.in_front() if prefix else None
        return forward.logits_at(self.loaded.model, tokens, last, cache=cache)[:, 0]

    def _padded(self, short: list[int], long: list[int]) -> str | None:
        whole = torch.cat([self._last([short]), self._last([long])])
        return tolerance.apart(self.loaded.model, self._last([short, long]), whole)

    def _behind(self, begin: int, short: list[int], long: list[int]) -> str | None:
        prefix = Prefix(self.loaded.model)
        prefix.move_to(short[:begin])
        if held := prefix.lacking():
            return held
        for one in (short, long):
            found = self._last([one[begin:]], prefix)
            if reason := tolerance.apart(self.loaded.model, found, self._last([one])):
                return reason
        return None
