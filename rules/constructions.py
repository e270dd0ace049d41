"""Constructed models: entries with ``construct``, and the departures that make several of one."""

from __future__ import annotations

from shape import nearest

# How a construction is left; a list of them makes one model of each.
DOSES = ("softmax", "causal", "mix")


def dose(entry: dict) -> str | None:
    """The key of a ``construct`` entry that makes several models of it, if any."""
    return next((key for key in DOSES if key in entry.get("construct", {})), None)


def check(problem, where: str, entry: dict, models: dict) -> None:
    """Call ``problem`` for what is wrong with the ``construct`` of one of ``models``."""
    there = [key for key in ("rate", "train") if key in entry]
    if len(there) != 1:
        found = ", ".join(there) or "none"
        problem(where, f"exactly one of rate, train is needed, found {found}")
    kinds = [key for key in (*DOSES, "rotate") if key in entry]
    if len(kinds) > 1:
        problem(where, f"at most one of {', '.join((*DOSES, 'rotate'))}, found {', '.join(kinds)}")
    if ("mix" in entry) != ("toward" in entry):
        problem(where, "'mix' and 'toward', the model that is mixed in, belong together")
    if "toward" in entry:
        known = [name for name, e in models.items() if "construct" in e and dose(e) is None]
        if entry["toward"] not in known:
            problem(f"{where}.toward", f"{entry['toward']!r} {nearest(entry['toward'], known)}")
        elif models[entry["toward"]]["construct"]["layers"] != entry["layers"]:
            problem(f"{where}.toward", f"{entry['toward']!r} has another number of layers")
