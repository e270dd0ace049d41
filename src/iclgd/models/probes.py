"""What may be taken for granted of a model: found by asking it, never by its name.

All that is fast here takes something for granted: that what comes later changes nothing, that
padding changes nothing, that keys and values can be kept. Few models break this, and in silence:
one whose forward pass takes a cache and keeps nothing answers without its demonstrations, one
whose positions depend on the longest sequence of a call answers otherwise in a batch. So each
assumption is tried on the prompts at hand against the plain way (one whole sequence at a time),
and where it fails the plain way is taken, which the log says.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import torch
from torch import Tensor

from iclgd.io.cli import InputError, out_of_memory
from iclgd.models import forward
from iclgd.models.prefix_cache import Prefix, shared

# Largest difference of log-probabilities that is rounding. (In "float64" transformers computes
# the norms and angles of many architectures in float32.)
ROUNDING = {torch.float64: 1e-6, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.1}
LONGEST = 64  # tokens of the sequence whose every position is looked at


def failure(attempt: Callable[[], str | None]) -> str | None:
    """What ``attempt`` says is wrong, or the reason why it stopped; None if nothing is.

    Want of memory is no answer and is raised, as is what the project itself refuses.
    """
    try:
        return attempt()
    except InputError:
        raise
    except Exception as error:  # an architecture that cannot do it raises anything
        if out_of_memory(error):
            raise
        said = str(error).strip().splitlines() or [""]
        return f"{type(error).__name__}: {said[0]}"


def apart(model, found: Tensor, expected: Tensor) -> str | None:
    """Says how far two tensors of logits are from each other; None where it is rounding.

    They are compared as log-probabilities over the last axis.
    """
    first, second = (x.double().log_softmax(-1) for x in (found, expected))
    if not first.numel():
        return None
    difference = float((first - second).abs().max())
    if difference <= ROUNDING[model.dtype]:
        return None
    return f"log-probabilities differ by {difference:.2g}"


@torch.no_grad()
def check(loaded, sequence: list[int]) -> None:
    """Raise InputError unless ``loaded`` is a causal model that can be asked the way it is here.

    ``sequence``: token ids of any text, of which the first `LONGEST` are used.
    """
    model, tokens = loaded.model, torch.tensor([sequence[:LONGEST]], device=loaded.device)
    other = tokens.clone()
    other[0, -1] = next((t for t in sequence if t != sequence[-1]), 0)

    def plain(tokens: Tensor) -> Tensor:
        with forward.autocast(model, loaded.device):
            return model(**forward.arguments(tokens)).logits

    def attempt() -> str | None:
        logits = plain(tokens)
        if not logits.isfinite().all():
            return None  # whoever asks says for which query
        if reason := apart(model, plain(other)[:, :-1], logits[:, :-1]):
            return f"what comes later changes what comes before ({reason})"
        places = torch.tensor([[len(tokens[0]) // 2, len(tokens[0]) - 1]], device=loaded.device)
        return apart(model, forward.logits_at(model, tokens, places), logits[:, places[0]])

    if reason := failure(attempt):
        kind = model.config.model_type
        raise InputError(f"model {loaded.name} ({kind}) is no causal language model: {reason}")


class Ways:
    """How sequences may go through a model: ``together``, and behind a shared prefix.

    What was tried on some lengths holds for all between them.
    """

    def __init__(self, loaded, prefixes: bool = False):
        self.loaded, self.checked = loaded, False
        self.spans: dict[str, list[tuple[int, int, bool]]] = {"together": [], "prefix": []}
        self.prefix = Prefix(loaded.model) if prefixes else None

    @torch.no_grad()
    def of(self, sequences: list[list[int]]) -> tuple[bool, Prefix | None]:
        """Whether ``sequences`` may go through side by side, and the prefix, if there may be one.

        Raises InputError where the model is none that can be asked (`check`).
        """
        short, long = min(sequences, key=len), max(sequences, key=len)
        if not self.checked:
            check(self.loaded, short if len(short) > 1 else long)
            self.checked = True
        together = self._known("together", len(short), len(long), lambda: self._padded(short, long))
        begin = shared(sequences) if self.prefix else 0
        if not begin:
            return together, None
        kept = self._known("prefix", begin, len(long), lambda: self._behind(begin, short, long))
        return together, self.prefix if kept else None

    def _known(self, way: str, first: int, last: int, attempt: Callable[[], str | None]) -> bool:
        """Whether a way is open for lengths from ``first`` to ``last``, tried if need be."""
        spans = self.spans[way]
        for low, high, fine in spans:
            if (low <= first and last <= high) if fine else (first <= low and high <= last):
                return fine
        reason = failure(attempt)
        if reason and all(fine for *_, fine in spans):
            plain = {"together": "one at a time", "prefix": "with whole prompts"}[way]
            print(f"{self.loaded.name}: asked {plain} ({reason})", file=sys.stderr)
        spans.append((first, last, not reason))
        return not reason

    def _last(self, sequences: list[list[int]], prefix: Prefix | None = None) -> Tensor:
        """Logits [sequences, vocabulary] behind each of them, in one batch."""
        device = self.loaded.device
        last = torch.tensor([[len(one) - 1] for one in sequences], device=device)
        tokens = forward.pad(sequences, device)
        cache = prefix.in_front() if prefix else None
        return forward.logits_at(self.loaded.model, tokens, last, cache=cache)[:, 0]

    def _padded(self, short: list[int], long: list[int]) -> str | None:
        whole = torch.cat([self._last([short]), self._last([long])])
        return apart(self.loaded.model, self._last([short, long]), whole)

    def _behind(self, begin: int, short: list[int], long: list[int]) -> str | None:
        prefix = Prefix(self.loaded.model)
        prefix.move_to(short[:begin])
        if held := prefix.lacking():
            return held
        for one in (short, long):
            found = self._last([one[begin:]], prefix)
            if reason := apart(self.loaded.model, found, self._last([one])):
                return reason
        return None
