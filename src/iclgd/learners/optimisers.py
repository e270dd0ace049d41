"""The optimisers that a learner may name, one row each.

Nothing here imports torch, so that the check of a configuration can use it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Optimiser:
    """``torch_class``: its name in torch.optim, or in `iclgd.learners.settings.OWN` if it is
    ``ours``. ``settings``: keys of a learner that are handed to it beside the rate, with their
    defaults; ``above_0``: those of them that must not be 0. ``fixed``: what it is handed always.
    ``states``: numbers that it keeps for each weight. ``judges``: whether it judges a step by the
    loss of every run over all its demonstrations, and needs them at once.
    """

    torch_class: str
    states: int
    settings: Mapping[str, float] = field(default_factory=dict)
    fixed: Mapping[str, bool] = field(default_factory=dict)
    above_0: tuple[str, ...] = ()
    ours: bool = False
    judges: bool = False


OPTIMISERS = {
    "sgd": Optimiser("SGD", 1, {"momentum": 0.0}),
    "nesterov": Optimiser("SGD", 1, {"momentum": 0.9}, {"nesterov": True}, above_0=("momentum",)),
    "sign": Optimiser("SignDescent", 0, ours=True),
    "adam": Optimiser("Adam", 2),
    "monotone": Optimiser("Monotone", 2, {"grow": 1.1, "cut": 0.5}, ours=True, judges=True),
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
        if value == 0 and key in OPTIMISERS[name].above_0:
            return f"{key} of {name} must be above 0"
    return None


def in_parts(name: str, batch: int | None, shots: int) -> str | None:
    """What is wrong with steps on ``batch`` of ``shots`` demonstrations (None: on all of them)."""
    if OPTIMISERS[name].judges and batch is not None and batch < shots:
        return (
            f"batch {batch} of {shots} demonstrations: optimiser {name} judges a step by the loss "
            "of all of them; leave 'batch' out"
        )
    return None
