"""Label words that say nothing, for `controls.abstract_labels`.

Nothing here imports polars or numpy, so that the check of a configuration can use it.
"""

from __future__ import annotations

from collections.abc import Mapping

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
# Label words of the made-up language, which knows no letters: `synthetic.TAGS` (a test compares).
TAGS = 16


def problem(task: Mapping, classes: int) -> str | None:
    """Why the labels of a ``task`` (its entry) cannot have abstract words; None if they can."""
    made = task.get("generate", {})
    if made.get("kind") == "ginc":
        return "GINC has no words beside its labels"
    most = TAGS - classes if made else len(LETTERS)
    return f"{classes} labels, but only {most} abstract words" if classes > most else None
