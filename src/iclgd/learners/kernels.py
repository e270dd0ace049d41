"""The kernels that a learner of method ``kernel`` may name; their functions are in `functional`.

Nothing here imports torch, so that the check of a configuration can use it.
"""

from __future__ import annotations

LINEAR, EXP, RELU, SOFTMAX = "linear", "exp", "relu", "softmax"
KERNELS = (LINEAR, EXP, RELU, SOFTMAX)
LOSSES = ("label", "squared")
LAYER = 0.5  # fraction of the depth, where a learner names none
TEMPERATURE = 1.0
GRADIENT, NEWTON = "gradient", "newton"
STEPS = (GRADIENT, NEWTON)
USUAL = {"kernel": LINEAR, "step": GRADIENT, "loss": "label"}  # where a learner names none
# Keys of a learner, beside those of its descent:
SETTINGS = ("kernel", "layer", "temperature", "step", "precondition", "plus")
DESCENT = ("rate", "epochs", "record", "loss")  # the keys of any descent that it has


def unlike(kernel: str, step: str, loss: str, plus: bool) -> str | None:
    """What does not go together in a learner; None if nothing."""
    if step == NEWTON and (loss != "squared" or kernel not in (LINEAR, EXP) or plus):
        return "'step: newton' needs 'loss: squared' and kernel linear or exp, and has no plus"
    if plus and kernel != LINEAR:
        return f"'plus' moves the inputs of a linear kernel, not of {kernel}"
    return None
