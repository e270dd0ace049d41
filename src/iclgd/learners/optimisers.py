"""The optimisers that a learner may name, one row each.

Nothing here imports torch, so that the check of a configuration can use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Optimiser:
    """``torch_class``: its name in torch.optim. ``settings``: keys of a learner that are handed to
    it beside the rate, with their defaults. ``states``: numbers that it keeps for each weight."""

    torch_class: str
    states: int
    settings: Mapping[str, float] = field(default_factory=dict)


OPTIMISERS = {
    "sgd": Optimiser("SGD", 1, {"momentum": 0.0}),
    "adam": Optimiser("Adam", 2),
}


def known_settings() -> list[str]:
    """The keys of a learner that some optimiser takes."""
    return list(dict.fromkeys(key for row in OPTIMISERS.values() for key in row.settings))


def foreign(name: str, settings: Mapping[str, float]) -> str | None:
    """What is wrong with ``settings`` of the optimiser ``name``; None if nothing.

    A setting of another optimiser is wrong unless it has the value that stands for none.
    """
    for key, value in settings.items():
        owners = {other: row for other, row in OPTIMISERS.items() if key in row.settings}
        if name not in owners and value != next(iter(owners.values())).settings[key]:
            return f"{key} belongs to {', '.join(owners)}, not to {name}"
    return None
