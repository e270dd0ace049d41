"""Weights as they lie in safetensors files: read one at a time, without building the model."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor

from iclgd.io.cli import InputError

# Masks and rotary tables that older checkpoints store beside the weights.
BUFFERS = (".attn.bias", ".attention.bias", ".masked_bias", ".inv_freq")


class Folder:
    """The tensors of a model folder by name; each is read from its file when needed."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.files: dict[str, Path] = {}
        for path in sorted(folder.glob("*.safetensors")):
            with safe_open(path, "pt") as file:
                self.files |= dict.fromkeys(file.keys(), path)
        if not self.files:
            raise InputError(f"{folder}: no safetensors there")

    def names(self) -> list[str]:
        """Names of all weights; masks and rotary tables are none."""
        return sorted(name for name in self.files if not name.endswith(BUFFERS))

    def stored_as(self, name: str) -> str:
        """The name in the files of the weight ``name``, by suffix if need be.

        Old GPT-2 and BLOOM files call ``transformer.h.0.ln_1.weight`` ``h.0.ln_1.weight``;
        a wrapped model has a longer name. Raises InputError for none or several.
        """
        if name in self.files:
            return name
        found = [k for k in self.files if name.endswith(f".{k}") or k.endswith(f".{name}")]
        if len(found) != 1:
            raise InputError(f"{self.folder}: {len(found)} tensors go by the name {name}, not one")
        return found[0]

    def read(self, name: str) -> Tensor:
        """The weight ``name`` in at least float32, on the CPU."""
        stored = self.stored_as(name)
        with safe_open(self.files[stored], "pt") as file:
            tensor = file.get_tensor(stored)
        return tensor.to(torch.promote_types(tensor.dtype, torch.float32))
