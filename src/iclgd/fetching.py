"""Bring a model's files into one folder: links to local files, or a download from the hub."""

from __future__ import annotations

import json
import os
import shutil
from fnmatch import fnmatch
from pathlib import Path

from iclgd import files, models, network
from iclgd.cli import InputError

# What a tokenizer and a config are made of; never weights in other formats.
SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja")
BIN = "pytorch_model*.bin"
# Floating-point types of safetensors: as whole numbers, and infinity as such a number.
FLOATS = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}
CHUNK = 1 << 22  # numbers that are looked at together


def download(hub: str, revision: str | None, remote_code: bool, folder: Path) -> str:
    """Download ``hub`` at ``revision`` into ``folder`` and return the commit.

    Safetensors are preferred; a model that has none comes with its ``.bin`` files, which
    `convert` then replaces. Copies in subfolders or other formats stay where they are.
    """
    from huggingface_hub import HfApi, snapshot_download

    what = f"{hub} at {revision or 'main'}"
    info = network.persist(lambda: HfApi().model_info(hub, revision=revision), what)
    names = [file.rfilename for file in info.siblings]
    chosen = _matching(names, "model*.safetensors") or _matching(names, BIN)
    if not chosen:
        raise InputError(f"{hub}: neither model*.safetensors nor {BIN} there")
    chosen += _matching(names, *SMALL_FILES)
    chosen += [name for name in names if remote_code and name.endswith(".py")]

    def bring() -> None:
        with files.room_for(folder):
            snapshot_download(hub, revision=info.sha, local_dir=folder, allow_patterns=chosen)
        # Without network it is content with what a folder already has.
        if missing := [name for name in chosen if not (folder / name).exists()]:
            raise ConnectionError(f"{missing[0]} did not arrive")

    network.persist(bring, what)
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
    pickles = sorted(folder.glob(BIN))
    if not pickles:
        raise InputError(f"{folder}: neither *.safetensors nor {BIN} there")
    import torch
    from safetensors.torch import save_file

    state = {}
    for path in pickles:
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
    for path in [*pickles, folder / "pytorch_model.bin.index.json"]:
        path.unlink(missing_ok=True)


def check_shards(model: str, folder: Path) -> None:
    """Raises InputError if a file that the index of the weights names is not there."""
    safe = any(folder.glob("*.safetensors"))
    index = folder / ("model.safetensors.index.json" if safe else "pytorch_model.bin.index.json")
    if index.exists():
        shards = set(json.loads(index.read_text()).get("weight_map", {}).values())
        for shard in sorted(shards - {path.name for path in folder.iterdir()}):
            raise InputError(f"model {model}: {index.name} names {shard}, which is not there")


def check_weights(model: str, folder: Path) -> None:
    """Raises InputError if a file of weights is cut short, or a tensor holds NaN."""
    import numpy as np

    for path in sorted(folder.glob("*.safetensors")):
        begin, header = models.header(path)
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        if path.stat().st_size != begin + end:
            raise InputError(f"model {model}: {path.name} is broken, not of the size that it says")
        content = np.memmap(path, np.uint8, "r", offset=begin) if end else np.empty(0, np.uint8)
        for name, tensor in header.items():
            kind, infinity = FLOATS.get(tensor["dtype"], (None, 0))
            bits = content[slice(*tensor["data_offsets"])].view(kind) if kind else ()
            for start in range(0, len(bits), CHUNK):
                # A number without its sign is NaN if it is beyond infinity.
                if (bits[start : start + CHUNK] << 1 > infinity << 1).any():
                    raise InputError(f"model {model}: {name} in {path.name} holds NaN")


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
    }


def _size(shape: list[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
