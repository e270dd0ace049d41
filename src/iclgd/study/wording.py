"""What is wrong with a configuration, in words: one line for each error of pydantic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from iclgd.study import scalars, values

TAGS = ("<of each split>", "<one>")  # of alternatives, within the place of an error
TYPES = {"list_type": "array", "string_type": "string", "bool_type": "boolean"}
OBJECTS = ("model_type", "model_attributes_type", "dict_type")


def line(error: dict, root: type[BaseModel]) -> str:
    """One line for an error of pydantic, in the configuration of the type ``root``."""
    place, value, kind = error["loc"], error["input"], error["type"]
    if place[-1:] == ("[key]",):
        place = place[:-2]
    place = [part for part in place if part not in TAGS]
    if kind == "extra_forbidden":
        *place, key = place
        known = _keys(root, place)
        return f"{values.where_in(place)}: unknown key {key!r} {values.nearest(key, known)}"
    if kind == "missing":
        *place, key = place
        return f"{values.where_in(place)}: key {key!r} is missing"
    message = error["msg"]
    if kind in OBJECTS or kind in TYPES:
        message = str(scalars.wrong_type(value, TYPES.get(kind, "object")))
    elif kind == "too_short":
        message = f"{value!r}: it should be non-empty"
    return f"{values.where_in(place)}: {message}"


def _keys(model: Any, place: Iterable) -> list[str]:
    """The keys that an entry may have, by its place."""
    for part in place:
        if _is_entry(model):
            fields = {one.alias or name: one for name, one in model.model_fields.items()}
            model = fields[part].annotation
        else:  # a map or list of entries
            model = get_args(model)[-1]
        while not _is_entry(model) and get_origin(model) not in (dict, list):
            model = get_args(model)[0]  # the entry, where there is an alternative to it
    return [one.alias or name for name, one in model.model_fields.items()]


def _is_entry(model: Any) -> bool:
    return isinstance(model, type) and issubclass(model, BaseModel)
