"""The made-up languages whose exact Bayesian reader is known: `bayes` has them.

Nothing here imports torch or numpy, so that the check of a configuration can use it.
"""

from __future__ import annotations

from collections.abc import Mapping

# By kind of generated tasks: whether inputs are exogenous, i.e. tell nothing of how labels hang on
# inputs. In GINC they do: whatever a text shows is evidence for a concept, and the concept makes
# the label.
EXOGENOUS = {"ginc": False, "topics": True, "pairs": True}


def unreadable(generate: Mapping, control: str | None, imagined: bool) -> str | None:
    """Why the reader cannot read a task, or cannot imagine examples of it; None if it can.

    ``generate``: of its entry, empty where it is not made up; ``control``: that it is of another
    task, if any.
    """
    kind = generate.get("kind")
    if kind not in EXOGENOUS:
        return f"it is of no made-up language ('generate' with kind {', '.join(EXOGENOUS)})"
    if control not in (None, "abstract") and EXOGENOUS[kind]:  # abstract words are other tags
        return f"no document shows what 'control: {control}' does"
    if generate.get("mixed"):
        return "no document has lines of two topics ('mixed')"
    if imagined and not EXOGENOUS[kind]:
        return f"an input of {kind} tells of what makes the labels, so imagine none ('imagined')"
    return None
