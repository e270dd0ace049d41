"""What learners, models and tasks are, from their entries: names mean nothing to the study.

Roles of learners are those that figures have a colour for:

icl             in-context learning
icl-reordered   a reference: the same demonstrations in another order
icl-redrawn     a reference: other demonstrations
bayes           the exact posterior
gd              full-batch gradient descent of the whole model
gd-middle       of a single layer, no deeper than 0.6 of the model
gd-deep         of a single layer below that
gd-other        of other parts of the model, layer by layer, with another loss or optimiser
sgd             of the whole model, in batches
adam            by Adam
"""

from __future__ import annotations

from collections.abc import Mapping

DEEP = 0.6  # of the depth of a model
METHODS = {"icl": "icl", "bayes": "bayes"}
SHIFTS = {"order": "icl-reordered", "draw": "icl-redrawn"}
LEARNERS = (*METHODS.values(), *SHIFTS.values(), "gd", "gd-middle", "gd-deep", "gd-other")
LEARNERS += ("sgd", "adam")
TRAINED = tuple(role for role in LEARNERS if role.startswith(("gd", "sgd", "adam")))


def learner(entry: Mapping) -> str:
    """The role of a learner."""
    if "reference" in entry:
        return SHIFTS[entry["shift"]]
    if entry["method"] in METHODS:
        return METHODS[entry["method"]]
    if entry.get("optimiser", "sgd") != "sgd":
        return "adam" if entry["optimiser"] == "adam" else "gd-other"
    if "train" in entry:
        return _part(entry)
    if "causal" in entry or entry.get("loss", "label") != "label":
        return "gd-other"
    return "sgd" if "batch" in entry else "gd"


def _part(entry: Mapping) -> str:
    """The role of gradient descent on a part of a model.

    How deep a layer lies is known of a fraction alone: a number lies elsewhere in each model.
    """
    layers = entry["train"].get("layers", ())
    plain = "causal" not in entry and entry.get("loss", "label") == "label"
    if plain and len(layers) == 1 and isinstance(layers[0], float):
        return "gd-deep" if layers[0] > DEEP else "gd-middle"
    return "gd-other"


def model(entry: Mapping) -> str:
    """The role of a model: ``control``, ``construction``, ``pretrained`` here, or ``model``."""
    names = {"of": "control", "construct": "construction", "pretrain": "pretrained"}
    return next((role for key, role in names.items() if key in entry), "model")


def task(entry: Mapping) -> str:
    """The role of a task: ``control`` or ``task``."""
    return "control" if "of" in entry else "task"


ROLES = {"models": model, "tasks": task, "learners": learner}


def of_study(config: Mapping) -> dict[str, str]:
    """The role of every learner, model and task, by name."""
    return {
        name: role(entry) for part, role in ROLES.items() for name, entry in config[part].items()
    }
