"""Families of language models: how one is loaded, its input, and the position of its answer.

All models here are causal. Another family (masked models, say) is another such class: its class
of `transformers`, the position of its answer, and whether prompts can share their beginning.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import AutoModelForCausalLM

from iclgd.io.cli import InputError
from iclgd.models import forward, tolerance

LONGEST = 64  # tokens of the sequence whose every position is looked at


class Causal:
    """Models that predict a token from those before it; the answer is read at the last one."""

    auto_class = AutoModelForCausalLM
    # Keys and values of a common beginning do not depend on what follows it.
    shares_prefixes = True

    def inputs(self, sequences: list[list[int]], device: str) -> tuple[Tensor, Tensor]:
        """Token ids [sequences, longest], padded on the right, and reading positions, [.., 1]."""
        last = torch.tensor([[len(sequence) - 1] for sequence in sequences], device=device)
        return forward.pad(sequences, device), last

    @torch.no_grad()
    def check(self, loaded, sequence: list[int]) -> None:
        """Raise InputError unless ``loaded`` is of this family.

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
                return None  # the caller reports it, with the query
            if reason := tolerance.apart(model, plain(other)[:, :-1], logits[:, :-1]):
                return f"what comes later changes what comes before ({reason})"
            places = torch.tensor([[len(tokens[0]) // 2, len(tokens[0]) - 1]], device=loaded.device)
            return tolerance.apart(
                model, forward.logits_at(model, tokens, places), logits[:, places[0]]
            )

        if reason := tolerance.failure(attempt):
            kind = model.config.model_type
            raise InputError(f"model {loaded.name} ({kind}) is no causal language model: {reason}")


CAUSAL = Causal()
