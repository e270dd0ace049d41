"""A short hash of all that a result depends on: equal fingerprints mean equal bytes."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from iclgd.io.imports import SRC, closure

PACKAGES = ("numpy", "polars", "torch", "transformers")


def of(values: dict) -> str:
    """16 hexadecimal digits of all values by name, of this program and of its packages.

    A path stands for the bytes of a file, or of all files in a folder but safetensors, whose
    hash is in the model's manifest. The program is the script that runs and all it imports of
    this library.
    """
    script = Path(sys.modules["__main__"].__file__)
    program = {f"program {path}": SRC / path for path in closure(script)} | {"program": script}
    versions = {name: sys.modules[name].__version__ for name in PACKAGES if name in sys.modules}
    digest = hashlib.sha256()
    for name, value in sorted({**values, **program, "versions": versions}.items()):
        for part in (name.encode(), *_bytes(value)):
            digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()[:16]


def _bytes(value) -> list[bytes]:
    if not isinstance(value, Path):
        return [repr(value).encode()]
    paths = sorted(value.iterdir()) if value.is_dir() else [value]
    return [path.read_bytes() for path in paths if path.suffix != ".safetensors"]
