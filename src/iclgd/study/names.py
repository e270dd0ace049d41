"""Names of catalogues: ``name`` is an entry, ``name@value`` one of the several that it makes.

An entry with a list stands for one artifact per value (``rates``, ``revisions``, shares of a
departure from the construction), so that a new value computes one thing. No other module of the
study takes such a name apart.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from iclgd.study.values import nearest

# Departures from a construction; a list of shares makes one model of each.
DOSES = ("softmax", "causal", "hard", "noise", "mix")


def base(name: str) -> str:
    """The entry of a name: ``gd@0.01`` is of ``gd``."""
    return name.split("@")[0]


def value(name: str) -> str:
    """The part after the ``@``, or nothing."""
    return name.partition("@")[2]


def dose(entry: Mapping) -> str | None:
    """The key of a ``construct`` entry that makes several models of it, if any."""
    return next((key for key in DOSES if key in entry.get("construct", {})), None)


def listed(entry: Mapping) -> list:
    """The values of an entry's list; none if it has no list."""
    if key := dose(entry):
        return entry["construct"][key]
    return entry.get("revisions", entry.get("rates", []))


def spelled(one: float | str) -> str:
    """A value as it stands in a name: ``1``, not ``1.0``."""
    return one if isinstance(one, str) else f"{one:g}"


def expand(name: str, entry: Mapping) -> list[str]:
    """All names of an entry: ``gd@0.01``, ``pythia@step1000``, or its own."""
    return [f"{name}@{spelled(one)}" for one in listed(entry)] or [name]


def expand_all(names: Iterable[str], entries: Mapping) -> list[str]:
    """Every name of ``names`` with its list expanded; ``name@value`` stands for itself."""
    return [
        one
        for name in names
        for one in (expand(name, entries[name]) if name in entries else [name])
    ]


def known(entries: Mapping) -> list[str]:
    """All names that a catalogue has, expanded."""
    return expand_all(entries, entries)


def underived(entries: Mapping) -> list[str]:
    """All expanded names of entries that are not made of another one."""
    return [
        one for name in entries if "of" not in entries[name] for one in expand(name, entries[name])
    ]


def pattern(names: Iterable[str]) -> str:
    """A regular expression for these names, or one that matches nothing."""
    return "|".join(map(re.escape, names)) or "(?!)"


def respelled(name: str, entries: Mapping) -> str | None:
    """The right spelling of a name whose value is written in another way: ``gd@1.0``."""
    try:
        number = float(value(name))
    except ValueError:
        return None
    numbers = [one for one in listed(entries.get(base(name), {})) if not isinstance(one, str)]
    return next((f"{base(name)}@{spelled(one)}" for one in numbers if one == number), None)


def hint(name: str, entries: Mapping) -> str:
    """Suggestions for a name that is not in a catalogue."""
    if right := respelled(name, entries):
        return f"(did you mean {right!r}?)"
    entry = entries.get(base(name), {})
    if not listed(entry):
        return nearest(name, entries)
    there = expand(base(name), entry)
    if "revisions" in entry:
        return nearest(name, there)
    return f"(known: {', '.join(there)})"  # numbers have no near misses


def target_problems(targets: Iterable[str], catalogues: Iterable[Mapping]) -> list[str]:
    """One line for every part of a requested file that is a known entry with an unknown value."""
    found = []
    for target in targets:
        stem = re.sub(r"(\.curves|\.circuits)?\.(parquet|json)\Z", "", str(target))
        for part in re.split(r"/|--", stem):
            if "@" not in part or "/" not in stem:
                continue
            for entries in catalogues:
                if base(part) in entries and part not in expand(base(part), entries[base(part)]):
                    found.append(
                        f"{target}: {part!r} is not in the configuration {hint(part, entries)}"
                    )
    return found
