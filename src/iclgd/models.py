"""Models as the other steps see them: a manifest, and a folder beside it, both offline."""

from __future__ import annotations

import hashlib
import importlib
import json
import struct
import sys
from dataclasses import dataclass
from pathlib import Path

from iclgd import cards
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


def header(path: Path) -> tuple[int, dict[str, dict]]:
    """Where the numbers of a safetensors file begin, and dtype, shape and offsets by tensor."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > path.stat().st_size:
                raise ValueError("the header is longer than the file")
            tensors = json.loads(file.read(length))
        tensors.pop("__metadata__", None)
        if not all({"dtype", "shape", "data_offsets"} <= set(one) for one in tensors.values()):
            raise ValueError("a tensor without dtype, shape or offsets")
    except (struct.error, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise InputError(f"{path.name} is broken, not a safetensors file ({error})") from error
    return 8 + length, tensors


def tensor_shapes(folder: Path) -> dict[str, list[int]]:
    """Names and shapes of all tensors, read from the headers of the safetensors files."""
    headers = (header(path)[1] for path in sorted(folder.glob("*.safetensors")))
    return {name: info["shape"] for one in headers for name, info in one.items()}


def trust(manifest: dict) -> dict:
    """Arguments of ``from_pretrained``: offline, and what of the model's own code may run.

    It runs only where the model's entry has ``remote_code: true``; the log says so.
    """
    if manifest["remote_code"]:
        print(f"{manifest['model']}: runs the code that comes with it", file=sys.stderr)
    return {"local_files_only": True, "trust_remote_code": manifest["remote_code"]}


def config(folder: Path, arguments: dict):
    """The transformers config of a model folder, of the construction's own architecture too.

    ``arguments`` are those of `trust`.
    """
    from transformers import AutoConfig

    if json.loads((folder / "config.json").read_text()).get("model_type") == "constructed":
        importlib.import_module("iclgd.constructed")  # makes itself known to transformers
    return AutoConfig.from_pretrained(folder, **arguments)


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
    ``device``: cpu, cuda or auto (cuda where there is one); a card is this process's alone.
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
    if device != "cpu":
        cards.claim()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    arguments = trust(entry)
    tokenizer = AutoTokenizer.from_pretrained(folder, **arguments)
    model, found = AutoModelForCausalLM.from_pretrained(
        folder,
        config=config(folder, arguments),
        dtype=getattr(torch, entry["dtype"]),
        use_safetensors=True,
        output_loading_info=True,
        **arguments,
    )
    if missing := sorted(found["missing_keys"]):
        # They would be random numbers.
        raise InputError(f"{folder}: no weights for {missing[0]} ({len(missing)} missing in all)")
    embedded = model.get_input_embeddings().weight.shape[0]
    if tokenizer.vocab_size > embedded:
        raise InputError(
            f"{folder}: the tokenizer has {tokenizer.vocab_size} tokens and the embedding "
            f"{embedded}: they do not belong together"
        )
    momentum.activate(model)
    model = model.to(device).eval().requires_grad_(False)
    context = getattr(model.config, "max_position_embeddings", None)
    return Loaded(entry["model"], model, tokenizer, device, context)
