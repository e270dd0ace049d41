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
# Keys of a learner, beside those of its descent:
SETTINGS = ("kernel", "layer", "temperature", "step", "precondition", "plus")
DESCENT = ("rate", "epochs", "record", "loss")  # the keys of any descent that it has
