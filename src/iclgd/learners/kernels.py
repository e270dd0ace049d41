"""The kernels that a learner of method ``kernel`` may name; their functions are in `functional`.

Nothing here imports torch, so that the check of a configuration can use it.
"""

from __future__ import annotations

LINEAR, EXP, RELU, SOFTMAX = "linear", "exp", "relu", "softmax"
KERNELS = (LINEAR, EXP, RELU, SOFTMAX)
LOSSES = ("label", "squared")
LAYER = 0.5  # fraction of the depth, where a learner names none
UNEMBEDDING = "unembedding"  # in place of a layer: what enters it, as it is
TEMPERATURE = 1.0
GRADIENT, NEWTON = "gradient", "newton"
STEPS = (GRADIENT, NEWTON)
USUAL = {"kernel": LINEAR, "step": GRADIENT, "loss": "label"}  # where a learner names none
POSITIVE = (LINEAR, EXP)  # positive semi-definite whatever the inputs
# Keys of a learner, beside those of its descent:
SETTINGS = ("kernel", "layer", "temperature", "step", "precondition", "plus", "ridge")
DESCENT = ("rate", "epochs", "record", "loss")  # the keys of any descent that it has


def unlike(kernel: str, step: str, loss: str, plus: bool, ridge: bool) -> str | None:
    """What does not go together in a learner; None if nothing. Last: whether it has these keys."""
    if step == NEWTON and (kernel not in POSITIVE or plus):
        return "'step: newton' needs kernel linear or exp, and has no plus"
    if ridge != (step == NEWTON and loss == "label"):
        return "'ridge' is of 'step: newton' with the loss label, which needs it"
    if plus and kernel != LINEAR:
        return f"'plus' moves the inputs of a linear kernel, not of {kernel}"
    return None
