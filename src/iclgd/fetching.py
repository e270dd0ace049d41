"""Bring a model's files into one folder: links to local files, or a download from the hub."""

from __future__ import annotations

import json
import os
import shutil
from fnmatch import fnmatch
from pathlib import Path

from iclgd import models
from iclgd.cli import InputError

# What a tokenizer and a config are made of; never weights in other formats.
SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
BIN = "pytorch_model*.bin"


def download(hub: str, revision: str | None, remote_code: bool, folder: Path) -> str:
    """Download ``hub`` at ``revision`` into ``folder`` and return the commit.

    Safetensors are preferred; a model that has none comes with its ``.bin`` files, which
    `convert` then replaces. Copies in subfolders or other formats stay where they are.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        info = HfApi().model_info(hub, revision=revision)
        names = [file.rfilename for file in info.siblings]
        chosen = _matching(names, "model*.safetensors") or _matching(names, BIN)
        if not chosen:
            raise InputError(f"{hub}: neither model*.safetensors nor {BIN} there")
        chosen += _matching(names, *SMALL_FILES)
        chosen += [name for name in names if remote_code and name.endswith(".py")]
        snapshot_download(hub, revision=info.sha, local_dir=folder, allow_patterns=chosen)
    except (HfHubHTTPError, OSError) as error:
        raise InputError(
            f"{hub} at {revision or 'main'}: {' '.join(str(error).split())}"
        ) from error
    shutil.rmtree(folder / ".cache", ignore_errors=True)
    return info.sha


def _matching(names: list[str], *patterns: str) -> list[str]:
    """Names at the top of a repository that match one of ``patterns``."""
    return [n for n in names if "/" not in n and any(fnmatch(n, p) for p in patterns)]


def link(source: Path, folder: Path) -> None:
    """Fill ``folder`` with relative links to the files of a local model folder."""
    if not (source / "config.json").is_file():
        raise InputError(f"{source}: no config.json there, so it is no transformers model folder")
    for path in sorted(source.iterdir()):
        if path.is_file():
            (folder / path.name).symlink_to(os.path.relpath(path.resolve(), folder.resolve()))


def convert(folder: Path) -> None:
    """Replace ``.bin`` weights by safetensors; torch's weights-only unpickler runs no code."""
    if any(folder.glob("*.safetensors")):
        return
    files = sorted(folder.glob(BIN))
    if not files:
        raise InputError(f"{folder}: neither *.safetensors nor {BIN} there")
    import torch
    from safetensors.torch import save_file

    state = {}
    for path in files:
        try:
            state |= torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a broken pickle raises whatever it stumbles over first
            raise InputError(f"{path.name}: refused, not a plain file of weights") from error
    # Tied tensors share memory, which safetensors does not store: keep the first of each.
    kept, seen = {}, set()
    for name, tensor in state.items():
        place = (tensor.data_ptr(), tensor.shape)
        if place not in seen or not tensor.numel():
            kept[name] = tensor.contiguous()
        seen.add(place)
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})
    for path in [*files, folder / "pytorch_model.bin.index.json"]:
        path.unlink(missing_ok=True)


def manifest(model: str, entry: dict, folder: Path, commit: str | None) -> dict:
    """What the other steps and readers need to know of a model."""
    if not (folder / "config.json").is_file():
        raise InputError(f"model {model} has no config.json")
    config = json.loads((folder / "config.json").read_text())
    shapes = models.tensor_shapes(folder)
    provenance = folder / "provenance.json"
    learned = json.loads(provenance.read_text()) if provenance.exists() else {}
    return {
        "model": model,
        "source": entry,
        "commit": commit,
        "sha256": models.sha256(folder),
        "architecture": config.get("model_type"),
        "layers": next(
            (config[k] for k in ("num_hidden_layers", "n_layer", "num_layers") if k in config), None
        ),
        "weights": sum(_size(shape) for shape in shapes.values()),
        "dtype": entry.get("dtype", "float32"),
        "remote_code": entry.get("remote_code", False),
        "in_context_learning": learned.get("in_context_learning"),
        "objective": learned.get("entry", {}).get("objective"),
        "pretraining": learned.get("entry"),
        "probes": learned.get("probes"),
    }


def _size(shape: list[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
