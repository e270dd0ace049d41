"""What a model makes of texts alone: hidden states at their last tokens."""

from __future__ import annotations

import numpy as np
import torch

from iclgd.io.cli import InputError
from iclgd.models import architectures, forward, partial_forward


@torch.no_grad()
def last_states(loaded, sequences: list[list[int]], layer: int | float) -> np.ndarray:
    """What enters a layer at the last token of each sequence, [sequences, width] in float64.

    ``layer``: its number, or a fraction of the depth. Sequences go one by one: which of them are
    in one batch would change the last bits. Raises InputError for a model that is not known as a
    stack of layers with a state for each token (constructions have one for each two lines).
    """
    unread = InputError(f"model {loaded.name} is no stack of layers whose states can be read")
    if len(partial_forward.blocks(loaded.model)[1]) == 0:
        raise unread
    number = architectures.layer_number(loaded.model.config, layer)
    found = []
    for sequence in sequences:
        tokens = forward.pad([sequence], loaded.device)
        state = partial_forward.entering(loaded.model, number, tokens)[0, -1]
        if state.ndim > 1:
            raise unread
        found.append(state.double().cpu().numpy())
    return np.stack(found)


def last_states_of(loaded, runs: list[list[list[int]]], layer: int | float) -> list[np.ndarray]:
    """`last_states` of the sequences of each run; each sequence is computed once."""
    each = list(dict.fromkeys(tuple(sequence) for run in runs for sequence in run))
    states = last_states(loaded, [list(sequence) for sequence in each], layer)
    of = dict(zip(each, states, strict=True))
    return [np.stack([of[tuple(sequence)] for sequence in run]) for run in runs]
