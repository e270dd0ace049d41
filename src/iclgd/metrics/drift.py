"""How far the weights of a checkpoint are from those of another."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from iclgd.io.cli import InputError
from iclgd.models.checkpoints import Folder


def drift(model: Folder, reference: Folder) -> Iterator[tuple[str, int, float]]:
    """Name, number of weights and mean |w - w_reference| of every weight tensor, by name.

    S (Shen et al. 2024, arXiv 2310.08540) follows this mean over pretraining checkpoints.
    Raises InputError if the two do not have the same tensors.
    """
    names = model.names()
    if len(names) != len(reference.names()):
        raise InputError(
            f"{model.folder} has {len(names)} tensors, {reference.folder} {len(reference.names())}"
        )
    for name in names:
        now, first = model.read(name), reference.read(name)
        if now.shape != first.shape:
            shapes = f"{list(now.shape)} and {list(first.shape)}"
            raise InputError(f"{model.folder} and {reference.folder}: {name} has shapes {shapes}")
        yield name, now.numel(), float((now - first).abs().mean(dtype=torch.float64))
