"""Models as the other steps see them: a manifest, and a folder beside it, both offline."""

from __future__ import annotations

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path

from iclgd.cli import InputError


def sha256(folder: Path) -> str:
    """Hash of all safetensors files of a folder, names included, in the order of names."""
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.safetensors")):
        digest.update(path.name.encode())
        with path.open("rb") as file:
            while chunk := file.read(1 << 24):
                digest.update(chunk)
    return digest.hexdigest()


def tensor_shapes(folder: Path) -> dict[str, list[int]]:
    """Names and shapes of all tensors, read from the headers of the safetensors files."""
    shapes = {}
    for path in sorted(folder.glob("*.safetensors")):
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            header = json.loads(file.read(length))
        shapes |= {name: info["shape"] for name, info in header.items() if name != "__metadata__"}
    return shapes


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode with its tokenizer, manifest and device."""

    name: str
    model: object
    tokenizer: object
    device: str
    context: int | None


def load(manifest: Path, device: str = "auto") -> Loaded:
    """Load the model beside ``manifest``; nothing is ever downloaded.

    The folder has the manifest's name without ``.json``. Weights have the manifest's dtype;
    ``device``: cpu, cuda or auto (cuda where there is one).
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    from iclgd import momentum

    logging.disable_progress_bar()
    entry = json.loads(manifest.read_text())
    folder = manifest.with_suffix("")
    if not folder.is_dir():
        raise InputError(
            f"{manifest} is there but its weights {folder} are not: remove it and rerun"
        )
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    arguments = {"local_files_only": True, "trust_remote_code": entry["remote_code"]}
    tokenizer = AutoTokenizer.from_pretrained(folder, **arguments)
    model = AutoModelForCausalLM.from_pretrained(
        folder, dtype=getattr(torch, entry["dtype"]), **arguments
    )
    momentum.activate(model)
    model = model.to(device).eval().requires_grad_(False)
    context = getattr(model.config, "max_position_embeddings", None)
    return Loaded(entry["model"], model, tokenizer, device, context)
