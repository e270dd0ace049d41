"""Negative controls made of a model: the same architecture without its training.

Deutch et al. (2311.07772, section 4) show that models which learned nothing can score high on
measures of agreement; so a trained model's score is informative only where it exceeds theirs.
"""

from __future__ import annotations

import copy
import zlib

import numpy as np
import torch

from iclgd.io.cli import InputError
from iclgd.models import partial_forward
from iclgd.tasks.task_tables import generator


def random_weights(model, seed: str):
    """A model of the same shape with fresh weights, drawn as its architecture draws them."""
    torch.manual_seed(zlib.crc32(seed.encode()))
    fresh = type(model)(copy.deepcopy(model.config))
    return fresh.to(model.dtype).eval()


def random_blocks(model, seed: str):
    """Trained embeddings, norms and unembedding around blocks with fresh weights."""
    fresh = random_weights(model, seed)
    inside, _ = partial_forward.blocks(model)
    norms = {name for name, one in model.named_modules() if "norm" in type(one).__name__.lower()}
    kept = {
        name: tensor
        for name, tensor in model.state_dict().items()
        if not name.startswith(f"{inside}.") or name.rpartition(".")[0] in norms
    }
    fresh.load_state_dict(kept, strict=False)
    return fresh


def shuffled_blocks(model, seed: str):
    """The trained blocks in another order, none of them in its own place.

    Raises InputError for a model of one block.
    """
    inside, stack = partial_forward.blocks(model)
    if len(stack) < 2:
        raise InputError("a model of one block has no other order of blocks")
    # Every block moves on to the next place of a random cycle, so that none stays.
    cycle = generator(seed, "blocks").permutation(len(stack))
    source = dict(zip(cycle.tolist(), np.roll(cycle, 1).tolist(), strict=True))
    shuffled = copy.deepcopy(model)
    parameters = model.state_dict()
    moved = {}
    for name in parameters:
        if name.startswith(f"{inside}."):
            number, _, rest = name.removeprefix(f"{inside}.").partition(".")
            moved[name] = parameters[f"{inside}.{source[int(number)]}.{rest}"]
    shuffled.load_state_dict(moved, strict=False)
    return shuffled


CONTROLS = {"random": random_weights, "embeddings": random_blocks, "shuffled": shuffled_blocks}
