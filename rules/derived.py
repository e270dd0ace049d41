"""Negative controls: entries that are made of another entry of their catalogue (``of``)."""

from __future__ import annotations

from shape import nearest

KEYS = {"models": {"of", "control", "label"}, "tasks": {"of", "control", "texts", "label"}}


def base(entries: dict, name: str) -> dict:
    """The entry itself, or the one that it is made of."""
    entry = entries[name.split("@")[0]]
    return entries[entry["of"].split("@")[0]] if "of" in entry else entry


def check(problem, catalogue: str, name: str, entry: dict, known: list[str]) -> None:
    """Call ``problem`` for what is wrong with an entry that has ``of``.

    ``known``: names of the catalogue that are not derived themselves.
    """
    where = f"{catalogue}.{name}"
    for key in sorted(set(entry) - KEYS[catalogue]):
        problem(where, f"key {key!r} has no meaning beside 'of'")
    for key in ("of", "texts"):
        if key in entry and entry[key] not in known:
            problem(
                f"{where}.{key}",
                f"{entry[key]!r} is not in the catalogue, or derived itself "
                f"{nearest(entry[key], known)}",
            )
    if "control" not in entry:
        problem(where, "key 'control' is missing beside 'of'")
    if ("texts" in entry) != (entry.get("control") == "texts"):
        problem(where, "'texts', the other task, belongs to 'control: texts'")
