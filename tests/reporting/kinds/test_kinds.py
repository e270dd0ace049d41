"""A kind of figure is one module: all are registered, and a plot depends on its own kind alone."""

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


def test_every_kind_has_a_module_a_plot_and_a_table():
    assert set(registry.KINDS) == NAMES == {path.stem[5:] for path in SRC.glob("plot_*.py")}
    for kind in registry.KINDS.values():
        assert callable(kind.findings) and kind.BRACKETS


@pytest.mark.parametrize("kind", sorted(NAMES))
def test_a_plot_depends_on_its_own_kind_alone(kind):
    assert kinds_of(f"plot_{kind}") == {kind} | OTHERS.get(kind, set())


@pytest.mark.parametrize("step", ["report_findings", "judge_claims", "build_report"])
def test_steps_about_all_figures_depend_on_every_kind(step):
    assert kinds_of(step) == NAMES | {"registry"}
