"""Load a model from its manifest and the folder beside it, without the network."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from iclgd.io import gpus
from iclgd.io.cli import InputError, out_of_memory
from iclgd.models import dimensions


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
    """Arguments of ``from_pretrained``: offline, and whether the model's own code may run.

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
        from iclgd.models import gd_transformer  # noqa: F401  registers itself with transformers
    return AutoConfig.from_pretrained(folder, **arguments)


@dataclass(frozen=True)
class Loaded:
    """A model in evaluation mode with its tokenizer, manifest and device."""

    name: str
    model: object
    tokenizer: object
    device: str
    context: int | None

    @property
    def family(self):
        """How its model is given sequences and read (`families`)."""
        from iclgd.models.families import CAUSAL

        return CAUSAL


@contextmanager
def readable(what: str) -> Iterator[None]:
    """Within, whatever transformers raises becomes an InputError of one line.

    Untrusted files make it raise anything; lack of memory is raised as it is.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise
        reason = " ".join(str(error).split())
        raise InputError(f"{what} cannot be loaded ({reason})") from error


def load_tokenizer(folder: Path, name: str, arguments: dict):
    """The tokenizer of the model ``name`` in a folder; ``arguments`` are those of `trust`.

    Raises InputError if there is none, or one without a vocabulary.
    """
    from transformers import AutoTokenizer

    with readable(f"model {name}: its tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(folder, **arguments)
        # Without a vocabulary transformers builds one of the special tokens alone.
        if not set(tokenizer.get_vocab()) - set(tokenizer.all_special_tokens):
            raise InputError(f"model {name}: its tokenizer has no vocabulary")
    return tokenizer


def check_same_tokens(one, other) -> None:
    """Raise InputError unless two tokenizers have the same tokens with the same numbers."""
    if one.get_vocab() != other.get_vocab():
        raise InputError(
            "a model can answer in the place of another only if their tokens are the same"
        )


def load_model(folder: Path, name: str, dtype, arguments: dict):
    """The causal language model ``name`` in a folder, in torch's ``dtype``, on the CPU.

    Raises InputError unless every weight of it is there and has its shape.
    """
    from iclgd.models.families import CAUSAL

    def read(config):
        return CAUSAL.auto_class.from_pretrained(
            folder,
            config=config,
            dtype=dtype,
            use_safetensors=True,
            output_loading_info=True,
            ignore_mismatched_sizes=True,
            **arguments,
        )

    with readable(f"model {name}"):
        settings = config(folder, arguments)
        wanted = settings._attn_implementation
        try:
            model, found = read(settings)
        except (ImportError, ValueError) as error:
            if wanted in (None, "eager", "sdpa"):
                raise
            print(f"model {name}: {wanted} is not to be had here ({error})", file=sys.stderr)
            settings._attn_implementation = None
            model, found = read(settings)
    if missing := sorted(found["missing_keys"]):
        # They would be random numbers.
        more = f"{len(missing)} missing in all"
        raise InputError(f"model {name}: no weights for {missing[0]} ({more})")
    if wrong := sorted(found["mismatched_keys"]):
        tensor, stored, needed = wrong[0]
        shapes = f"{list(stored)}, but the configuration needs {list(needed)}"
        raise InputError(f"model {name}: {tensor} has the shape {shapes}")
    return model


def load(manifest: Path, device: str = "auto") -> Loaded:
    """Load the model beside ``manifest``; nothing is ever downloaded.

    The folder has the manifest's name without ``.json``; see `load_folder`.
    """
    folder = manifest.with_suffix("")
    if not folder.is_dir():
        raise InputError(
            f"{manifest} is there but its weights {folder} are not: remove it and rerun"
        )
    return load_folder(folder, json.loads(manifest.read_text()), device)


def load_folder(folder: Path, entry: dict, device: str = "auto") -> Loaded:
    """Load the model of a folder by its manifest ``entry``.

    Weights have the manifest's dtype, but float16 is computed in float32 on a processor.
    ``device``: cpu, cuda or auto (cuda where there is one); a card is this process's alone.
    Raises InputError for what is no causal language model with a tokenizer that fits it.
    """
    import torch
    from transformers.utils import logging

    from iclgd.models import attention, float64

    logging.disable_progress_bar()
    if device != "cpu":
        gpus.claim()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        # The fused attention then reads keys and values that heads share where they are; the
        # same bytes. On a card transformers knows better.
        os.environ.setdefault("TRANSFORMERS_SDPA_FORCE_GQA", "1")
    name, arguments, dtype = entry["model"], trust(entry), getattr(torch, entry["dtype"])
    if dtype == torch.float16 and device == "cpu":
        print(f"model {name}: float16 is computed in float32 on the CPU", file=sys.stderr)
        dtype = torch.float32
    tokenizer = load_tokenizer(folder, name, arguments)
    model = load_model(folder, name, dtype, arguments)
    embedded = model.get_input_embeddings().weight.shape[0]
    if tokenizer.vocab_size > embedded:
        raise InputError(
            f"model {name}: the tokenizer has {tokenizer.vocab_size} tokens and the embedding "
            f"{embedded}: they do not belong together"
        )
    attention.activate(model)
    model = model.to(device).eval().requires_grad_(False)
    float64.complete(model)
    return Loaded(name, model, tokenizer, device, dimensions.context(model.config))
