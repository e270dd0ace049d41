"""Steps of the workflow, run in this process."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

from support.roles import ROLES

SRC = Path(__file__).parents[2] / "src"


def figure(kind: str, **more) -> tuple[str, str]:
    """``--figure`` of a step: a figure of this kind, named after it, of learners with `ROLES`."""
    return "--figure", json.dumps({"name": kind, "kind": kind, "roles": ROLES, **more})


def run_step(name: str, *arguments: str) -> None:
    """Run ``src/{name}.py`` in this process, as if called with ``arguments``."""
    before = sys.argv, sys.excepthook
    sys.argv = [f"{name}.py", *map(str, arguments)]
    try:
        runpy.run_path(str(SRC / f"{name}.py"), run_name="__main__")
    finally:
        sys.argv, sys.excepthook = before
