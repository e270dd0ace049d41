"""Which modules of this library a script imports, read from the sources without running them."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

SRC = Path(__file__).absolute().parents[2]
# Each start of Snakemake reads all sources: parsing them whole would take it a second.
IMPORT = re.compile(r"^[ \t]*from (iclgd[\w.]*|importlib) import (\([^)]*\)|[^\n]*)", re.M)
NAME = re.compile(r"(?:^|,)\s*(\w+)")


@cache
def _direct(path: Path) -> tuple[Path, ...]:
    """The modules of this library that a file imports itself, in functions too.

    One that imports by name, with ``import_module``, may import every module beside it.
    """
    found = []
    for module, listed in IMPORT.findall(path.read_text()):
        names = NAME.findall(re.sub(r"#.*", "", listed).strip("()"))
        if "import_module" in names:
            found += [one for one in sorted(path.parent.glob("[!_]*.py")) if one != path]
        if module != "importlib":
            package = SRC.joinpath(*module.split("."))
            modules = [package / f"{name}.py" for name in names]
            found += [one if one.exists() else package.with_suffix(".py") for one in modules]
    return tuple(dict.fromkeys(found))


def closure(script: Path) -> list[Path]:
    """All modules that ``script`` imports, directly or not, relative to ``src``, in order."""
    found: list[Path] = []
    queue = [script]
    while queue:
        new = [one for one in _direct(queue.pop()) if one not in found]
        found += new
        queue += new
    return sorted(one.relative_to(SRC) for one in found)
