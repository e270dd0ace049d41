"""One forward pass of an unchanged `transformers` model, with logits at given positions only.

Sequences are padded on the right, and the padding is attended to like any token: attention is
causal, so what follows a position cannot change it. Where this does not hold,
`probes` detects it, and sequences go through one at a time.
"""

from __future__ import annotations

from contextlib import contextmanager

import torch
from torch import Tensor
from transformers import Cache


def pad(sequences: list[list[int]], device: str = "cpu") -> Tensor:
    """Right-padded token ids [sequences, longest]; the padding (0) is never read."""
    width = max(map(len, sequences))
    return torch.tensor([s + [0] * (width - len(s)) for s in sequences], device=device)


@contextmanager
def unembedding_only_at(model, positions: Tensor):
    """Within, the model's unembedding sees only ``positions`` [batch, chosen] of each row.

    Logits come out as [batch, chosen, vocabulary], with whatever scaling the architecture applies
    after its unembedding, under torch.func too. A model without an unembedding of its own gives
    logits of all positions: see `logits_at`.
    """
    unembedding = model.get_output_embeddings()
    if unembedding is None:
        yield
        return
    handle = unembedding.register_forward_pre_hook(lambda _, inputs: (_at(inputs[0], positions),))
    try:
        yield
    finally:
        handle.remove()


def _at(values: Tensor, positions: Tensor) -> Tensor:
    """``values`` [batch, time, width] at ``positions`` [batch, chosen]: [batch, chosen, width]."""
    return values.gather(-2, positions[..., None].expand(*positions.shape, values.shape[-1]))


def autocast(model, device: str):
    """bfloat16 compute for models kept in half precision, nothing for float32 and float64."""
    half = model.config.dtype in (torch.bfloat16, torch.float16)
    return torch.autocast(device, torch.bfloat16, enabled=half)


def arguments(tokens: Tensor, cache: Cache | None = None) -> dict:
    """What a model is called with: ``tokens`` [batch, time] after what ``cache`` holds.

    The mask is all ones: without it some models take their padding token for padding, wherever
    it stands.
    """
    held = {"use_cache": False} if cache is None else {"use_cache": True, "past_key_values": cache}
    time = tokens.shape[1] + (0 if cache is None else cache.get_seq_length())
    mask = torch.ones(tokens.shape[0], time, dtype=torch.long, device=tokens.device)
    return {"input_ids": tokens, "attention_mask": mask, **held}


def logits_at(
    model,
    tokens: Tensor,
    positions: Tensor,
    parameters: dict | None = None,
    cache: Cache | None = None,
) -> Tensor:
    """Logits [batch, chosen, vocabulary] of ``tokens`` [batch, time] at ``positions``.

    ``parameters`` (name to tensor) stand in for the model's own of the same names;
    what ``cache`` holds precedes every row, and positions count from its end.
    """
    given = arguments(tokens, cache)
    with unembedding_only_at(model, positions), autocast(model, tokens.device.type):
        logits = torch.func.functional_call(model, parameters or {}, (), given).logits
    return logits if model.get_output_embeddings() is not None else _at(logits, positions)


def unembedded_at(
    model, tokens: Tensor, positions: Tensor, parameters: dict | None = None
) -> Tensor:
    """What enters the unembedding, [batch, chosen, width]; see ``logits_at``."""
    found = []
    unembedding = model.get_output_embeddings()
    handle = unembedding.register_forward_hook(lambda _, inputs, __: found.append(inputs[0]))
    try:
        logits_at(model, tokens, positions, parameters)
    finally:
        handle.remove()
    return found[0]
