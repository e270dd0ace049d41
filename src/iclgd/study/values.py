"""Refuse values that no key may have: those that JSON, a command line or a file name cannot
represent, and YAML aliases that contain themselves. Checked first.
"""

from __future__ import annotations

import difflib
import math

MOST, DEEPEST, LONGEST = 20_000, 20, 10_000  # values, maps in maps, characters of a text
LARGEST = 2**63  # the first whole number that does not fit 64 bits


def nearest(name: str, known) -> str:
    """``(did you mean 'x'?)`` or the list of what is known."""
    known = [str(k) for k in known]
    close = difflib.get_close_matches(str(name), known, 1, 0.5)
    return f"(did you mean {close[0]!r}?)" if close else f"(known: {', '.join(known) or 'none'})"


def where_in(place) -> str:
    """A place in the configuration: ``config: learners.gd.rates.0``."""
    return "config: " + (".".join(map(str, place)) or "top level")


def problems(config) -> list[str]:
    """One line for every value that a configuration cannot hold."""
    queue, found = [((), config)], []
    for place, value in queue:
        if isinstance(value, dict):
            named = [key for key in value if isinstance(key, str)]
            found += [
                f"{where_in(place)}: a name is {type(key).__name__}, not text; write it in quotes"
                for key in value
                if not isinstance(key, str)
            ]
            queue += [((*place, key), value[key]) for key in named]
        elif isinstance(value, list):
            queue += [((*place, number), one) for number, one in enumerate(value)]
        elif wrong := _wrong(value):
            found.append(f"{where_in(place)}: {wrong}")
        if len(queue) > MOST or len(place) > DEEPEST:
            return ["config: too many values, or too deep (does an alias of YAML hold itself?)"]
    return found


def _wrong(value) -> str | None:
    """What is wrong with a single value, or None."""
    if isinstance(value, str):
        if len(value) > LONGEST:
            return f"a text of {len(value)} characters; at most {LONGEST} are possible"
        if "\0" in value or any("\ud800" <= c <= "\udfff" for c in value):
            return f"{value!r} holds a character that no file name or Unicode text can"
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{value} is no finite number"
    if isinstance(value, int):
        return None if abs(value) < LARGEST else "a whole number of more than 64 bits"
    if value is None:
        return None
    return f"{type(value).__name__} is neither number nor text; write it in quotes"


def exactly_one(problem, where: str, entry: dict, keys: tuple[str, ...]) -> None:
    """Call ``problem`` unless ``entry`` has just one of ``keys``."""
    there = [key for key in keys if key in entry]
    if len(there) != 1:
        problem(
            where, f"exactly one of {', '.join(keys)} is needed, found {', '.join(there) or 'none'}"
        )
