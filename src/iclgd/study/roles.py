"""The roles of learners, models and tasks, from their entries and never from their names.

Roles of learners are those that figures have a colour for:

icl             in-context learning
icl-reordered   a reference: the same demonstrations in another order
icl-redrawn     a reference: other demonstrations
bayes           the exact posterior
imagined        one of these after an imagined example, with each label in turn
taught          by ICL itself: weights trained on its answers, vectors and patches of its states
shuffled        the same, with each text's teacher in the place of another's: a control
labelled        trained on the right labels of the same texts: a control
tangent         a first-order step on the demonstrations, the nearest to ICL that there is
solver          what solves the task without gradient descent; ICL of another model, too
gd              full-batch gradient descent of the whole model
gd-middle       of a single layer, no deeper than 0.6 of the model
gd-deep         of a single layer below that
gd-other        of other parts of the model, layer by layer, with another loss or optimiser
gd-kernel       on functions, in the space of a kernel: no weights are trained
newton          the same by Newton's method
sgd             of the whole model, in batches
adam            by Adam

Gradient descent, or what imagines, repeated in another order or with other demonstrations has the
role of what it repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from iclgd.learners import kernels, taught

DEEP = 0.6  # of the depth of a model
METHODS = {one: one for one in ("icl", "bayes", "solver", "tangent")} | {"kernel": "gd-kernel"}
METHODS |= dict.fromkeys(taught.METHODS, "taught")
SHIFTS = {"order": "icl-reordered", "draw": "icl-redrawn"}
LEARNERS = ("icl", "bayes", "imagined", "solver", "taught", "shuffled", "labelled", "tangent")
LEARNERS += (*SHIFTS.values(), "gd", "gd-middle", "gd-deep", "gd-other", "gd-kernel", "newton")
LEARNERS += ("sgd", "adam")
PLAIN = ("sgd", "monotone")  # optimisers that follow the gradient itself
TRAINED = tuple(role for role in LEARNERS if role.startswith(("gd", "newton", "sgd", "adam")))


def learner(entry: Mapping, learners: Mapping = MappingProxyType({})) -> str:
    """The role of a learner among the entries of ``learners``."""
    if "reference" in entry:
        repeated = learners.get(entry["reference"], {})
        own = repeated.get("method", "icl") in ("icl", "bayes", "solver")
        own &= "imagined" not in repeated
        return SHIFTS[entry["shift"]] if own else learner(repeated)
    if "imagined" in entry:
        return "imagined"
    if "model" in entry:
        return "solver"
    if entry.get("shuffled"):
        return "shuffled"
    if entry.get("match") == taught.RIGHT:
        return "labelled"
    if entry.get("step") == kernels.NEWTON:
        return "newton"
    if entry["method"] in METHODS:
        return METHODS[entry["method"]]
    optimiser = entry.get("optimiser", "sgd")
    if optimiser not in PLAIN:
        return "adam" if optimiser == "adam" else "gd-other"
    if "train" in entry:
        return _part(entry)
    if "causal" in entry or entry.get("loss", "label") != "label":
        return "gd-other"
    return "sgd" if "batch" in entry and optimiser == "sgd" else "gd"


def _part(entry: Mapping) -> str:
    """The role of gradient descent on a part of a model.

    Depth is known for a fraction only: a layer's number is at another depth in each model.
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
    """The role of a task: ``control`` or ``task``.

    With some wrong labels, two labels for each input, or other label words, demonstrations teach
    something still.
    """
    teaches = "share" in entry or entry.get("control") in ("conflict", "abstract")
    return "control" if "of" in entry and not teaches else "task"


ROLES = {"models": model, "tasks": task, "learners": learner}


def of_study(config: Mapping) -> dict[str, str]:
    """The role of every learner, model and task, by name."""
    asked = {**ROLES, "learners": partial(learner, learners=config["learners"])}
    return {
        name: role(entry) for part, role in asked.items() for name, entry in config[part].items()
    }
