"""The solvers that a learner may name, one row each; their functions are in `solving`.

Nothing here imports torch or numpy, so that the check of a configuration can use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Solver:
    """``settings``: keys of a learner that its function takes, with their defaults. ``reads``:
    whether it needs features of texts, of the layer that the learner's key ``layer`` names."""

    settings: Mapping[str, float] = field(default_factory=dict)
    reads: bool = False


SOLVERS = {
    "oracle": Solver({"certainty": 1.0}),
    "vote": Solver({"decay": 1.0}),
    "neighbours": Solver({"temperature": 0.1}, reads=True),
    "centroid": Solver({"temperature": 0.1}, reads=True),
}
LAYER = 0.5  # fraction of the depth, where none is named


def known_settings() -> list[str]:
    """The keys of a learner that some solver takes."""
    reading = ["layer"] if any(row.reads for row in SOLVERS.values()) else []
    return list(dict.fromkeys([key for row in SOLVERS.values() for key in row.settings] + reading))


def foreign(name: str, given: Mapping[str, float]) -> str | None:
    """What is wrong with the settings of the solver ``name``; None if nothing."""
    row = SOLVERS[name]
    known = [*row.settings, *(["layer"] if row.reads else [])]
    wrong = next((key for key in given if key not in known), None)
    return wrong and f"{wrong} is no setting of solver {name} (it has {', '.join(known) or 'none'})"
