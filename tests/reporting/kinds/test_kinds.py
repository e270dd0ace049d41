"""A kind of figure is one module: all are registered, and a plot depends on its own kind alone."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.steps import SRC

from iclgd.io import imports
from iclgd.reporting.kinds import registry

FOLDER = Path("iclgd/reporting/kinds")
NAMES = {path.stem for path in (SRC / FOLDER).glob("*.py")} - {"__init__", "registry"}
# The table of sizes is that of agreement.
OTHERS = {"size": {"agreement"}}


def kinds_of(script: str) -> set[str]:
    """Kinds whose modules a script imports, directly or not."""
    found = imports.closure(SRC / f"{script}.py")
    return {path.stem for path in found if path.parent == FOLDER}


def test_a_new_module_is_a_kind_and_is_depended_on(tmp_path):
    """Nothing registers it: its file beside the others is enough."""
    shutil.copytree(SRC, tmp_path / "src")
    folder = tmp_path / "src" / FOLDER
    (folder / "mine.py").write_text((folder / "order.py").read_text())
    code = """
from pathlib import Path
from iclgd.io import imports
from iclgd.reporting.kinds import registry
print(registry.KINDS["mine"].__name__)
print(any(one.stem == "mine" for one in imports.closure(imports.SRC / "report_findings.py")))
"""
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["iclgd.reporting.kinds.mine", "True"]


def test_every_kind_has_a_module_a_plot_and_a_table():
    assert set(registry.KINDS) == NAMES == {path.stem[5:] for path in SRC.glob("plot_*.py")}
    for kind in registry.KINDS.values():
        assert callable(kind.findings) and callable(kind.headline) and kind.BRACKETS
        assert all(one.endswith(".") for one in (kind.MEANS, kind.MEANS_NOT))


@pytest.mark.parametrize("kind", sorted(NAMES))
def test_a_plot_depends_on_its_own_kind_alone(kind):
    assert kinds_of(f"plot_{kind}") == {kind} | OTHERS.get(kind, set())


@pytest.mark.parametrize("step", ["report_findings", "judge_claims", "build_report"])
def test_steps_about_all_figures_depend_on_every_kind(step):
    assert kinds_of(step) == NAMES | {"registry"}
