"""The beginning of a GGUF file: what is in it, without its numbers.

Needs the standard library alone: readers are told of a quantisation before any job. The format is
that of https://github.com/ggml-org/ggml/blob/master/docs/gguf.md.
"""

from __future__ import annotations

import functools
import math
import mmap
import re
import struct
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from iclgd.io.cli import InputError

ENDING = ".gguf"
# Types of values: struct's letter for those of a fixed size.
SCALARS = {**dict(enumerate("BbHhIif?")), 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
DIMENSIONS = 4  # of a tensor, at most
# Types of tensors (ggml_type); those whose number is missing have been given up.
TYPES = {
    **{0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 8: "Q8_0", 9: "Q8_1"},
    **{10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K", 14: "Q6_K", 15: "Q8_K"},
    **{16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S"},
    **{22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64"},
    **{29: "IQ1_M", 30: "BF16", 34: "TQ1_0", 35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0"},
}
# The end of a file's name, by the convention of the format: SmolLM2-135M-Instruct.Q4_1.gguf
QUANTISED = re.compile(r"(?:\A|[-._])((?:I?Q|TQ)\d\w*|BF16|F16|F32|F64|MXFP4|NVFP4)\Z", re.I)
INSTRUCT = re.compile(r"(?<![a-z])(instruct|chat|it)(?![a-z])", re.I)


@dataclass(frozen=True)
class Tensor:
    """A tensor's sizes (the one that runs fastest first), type by number, and place in the data."""

    name: str
    sizes: tuple[int, ...]
    type: int
    offset: int

    @property
    def weights(self) -> int:
        return math.prod(self.sizes)


@dataclass(frozen=True)
class Header:
    """``fields``: values by key, of arrays their length; ``data``: where the numbers begin."""

    fields: Mapping[str, object]
    tensors: tuple[Tensor, ...]
    data: int

    @property
    def architecture(self) -> str:
        return str(self.fields["general.architecture"])

    @property
    def layers(self) -> int | None:
        found = self.fields.get(f"{self.architecture}.block_count")
        return found if isinstance(found, int) else None

    @property
    def quantised(self) -> str:
        """The type of most of the weights: Q4_1, or F16 where nothing is quantised."""
        count: Counter[int] = Counter()
        for tensor in self.tensors:
            count[tensor.type] += tensor.weights
        most = max(count, key=count.__getitem__)
        return TYPES.get(most, f"type {most}")

    @property
    def chat(self) -> bool:
        """Whether it says how a chat is written, as files of instruction-tuned models do."""
        return "tokenizer.chat_template" in self.fields


def read(path: Path) -> Header:
    """The header of a GGUF file. Raises InputError for any other file, and one cut short in it."""
    try:
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise InputError(f"{path.name}: not a GGUF file (its first bytes are not GGUF)")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                return _Cursor(content, path.name).header()
    except (struct.error, IndexError, UnicodeDecodeError, OverflowError) as error:
        raise InputError(f"{path.name} is broken or cut short: its header has no end") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


class _Cursor:
    """A place in a file that moves on with what is read."""

    def __init__(self, content: mmap.mmap, name: str):
        self.content, self.name, self.place = content, name, 4

    def header(self) -> Header:
        (version,) = self.take("I")
        if version not in (2, 3):
            raise InputError(f"{self.name}: GGUF of version {version}; 2 and 3 can be read")
        tensors, values = self.take("QQ")
        fields = {self.text(): self.value() for _ in range(self.likely(values))}
        if not isinstance(fields.get("general.architecture"), str):
            raise InputError(f"{self.name}: no general.architecture in its header")
        found = tuple(self.tensor() for _ in range(self.likely(tensors)))
        if not found:
            raise InputError(f"{self.name}: no tensors in it")
        step = fields.get("general.alignment", 32)
        if not isinstance(step, int) or step < 1:
            raise InputError(f"{self.name}: general.alignment {step!r} is no number of bytes")
        return Header(fields, found, -(-self.place // step) * step)

    def take(self, letters: str) -> tuple:
        found = struct.unpack_from(f"<{letters}", self.content, self.place)
        self.place += struct.calcsize(f"<{letters}")
        return found

    def skip(self, size: int) -> int:
        """Move on by so many bytes, and return where they began."""
        start, self.place = self.place, self.place + size
        if self.place > len(self.content):
            raise IndexError
        return start

    def text(self) -> str:
        start = self.skip(self.take("Q")[0])
        return self.content[start : self.place].decode()

    def value(self) -> object:
        (kind,) = self.take("I")
        if kind == STRING:
            return self.text()
        if kind == ARRAY:
            kind, count = self.take("IQ")
            if kind == STRING:
                for _ in range(self.likely(count)):
                    self.skip(self.take("Q")[0])
            else:
                self.skip(struct.calcsize(f"<{self.scalar(kind)}") * count)
            return count
        return self.take(self.scalar(kind))[0]

    def tensor(self) -> Tensor:
        name = self.text()
        (dimensions,) = self.take("I")
        if dimensions > DIMENSIONS:
            raise IndexError
        return Tensor(name, self.take("Q" * dimensions), *self.take("IQ"))

    def scalar(self, kind: int) -> str:
        if kind not in SCALARS:
            raise InputError(f"{self.name}: a value of type {kind}, which GGUF does not have")
        return SCALARS[kind]

    def likely(self, count: int) -> int:
        if count > len(self.content):  # each takes a byte at least
            raise IndexError
        return count


def read_once(path: Path) -> Header:
    """`read`, remembered as long as the file is not changed: a study asks many times."""
    return _remembered(path, path.stat().st_mtime_ns if path.exists() else 0)


@functools.lru_cache
def _remembered(path: Path, _changed: int) -> Header:
    return read(path)


@dataclass(frozen=True)
class Told:
    """What readers are told of a model: what it was quantised to, and whether it follows
    instructions; None where nothing says so."""

    quantised: str | None
    instruct: bool | None

    def __str__(self) -> str:
        """``Q4_1, instruction-tuned``; nothing for a model of which there is nothing to tell."""
        tuned = "instruction-tuned" if self.instruct else None
        return ", ".join(part for part in (self.quantised, tuned) if part)

    def beside(self, label: str) -> str:
        """``label`` with what it does not say itself in brackets."""
        tuned = self.instruct and not INSTRUCT.search(label)
        quantised = None if (self.quantised or "").lower() in label.lower() else self.quantised
        rest = str(Told(quantised, tuned))
        return f"{label} ({rest})" if rest else label


def file(entry: Mapping) -> str | None:
    """The GGUF file that a model's entry names: of the disk, a repository or a package."""
    name = entry.get("package", entry).get("file") or entry.get("path", "")
    return name if name.lower().endswith(ENDING) else None


def told(entry: Mapping, path: Path | None = None) -> Told:
    """What is known of a model before it is fetched: by its entry, by its file if that is here
    (``path``), or else by the file's name."""
    name = file(entry)
    if name is None:
        return Told(None, entry.get("instruct"))
    stem = Path(name).name[: -len(ENDING)]
    by_name = QUANTISED.search(stem)
    quantised = entry.get("quantised") or (by_name and by_name[1].upper())
    instruct = entry.get("instruct", True if INSTRUCT.search(stem) else None)
    if path is not None:
        header = read_once(path)
        quantised, instruct = header.quantised, header.chat if instruct is None else instruct
    return Told(quantised, instruct)
