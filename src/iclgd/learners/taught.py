"""The keys of learners that ICL teaches: `teachers` reads them.

Nothing here imports torch, so that the check of a configuration can use it.
"""

from __future__ import annotations

IMITATING = ("vector", "patch")  # without training
METHODS = ("distil", *IMITATING)
# What distil makes alike, the first by default. The right labels are no teaching of ICL's: they are
# the control that has the same texts and another objective.
ANSWERS, ATTENTION, RIGHT = MATCHES = ("answers", "attention", "labels")
HOWS = ("replace", "add")  # what a vector does to the state; the first is the default
TEXTS = 128  # texts to learn from, where a learner names no number
RIDGES = (1e-5, 1e-3, 1e-1)  # those that a patch chooses among, where a learner names none
# Keys of each method, beside those of the descent for distil.
KEYS = {
    "distil": ("texts", "match", "shuffled"),
    "vector": ("texts", "how", "at"),
    "patch": ("texts", "ridges", "shuffled"),
}
DESCENT = ("rate", "epochs", "record", "batch", "optimiser", "momentum", "train")
