"""What ICL teaches, from the entry of a learner: weights, a vector, or patches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from iclgd.io.cli import InputError
from iclgd.learners import patches, settings, taught, teaching, vectors
from iclgd.learners.settings import Learner
from iclgd.learners.teaching import Change, Lesson
from iclgd.models import architectures, dimensions


class Distilling(NamedTuple):
    """``learner``: how to descend; ``match``: what on; ``texts``: how many; ``shuffled``: whether
    each text has another's teacher, which is the control."""

    learner: Learner
    match: str
    texts: int
    shuffled: bool


class Imitating(NamedTuple):
    """``method``: vector or patch; ``at``: the layers (None: all) or ridges to choose among."""

    method: str
    how: str
    at: tuple | None
    texts: int
    shuffled: bool


def _check(given: dict, method: str, more: tuple[str, ...] = ()) -> None:
    known = (*taught.KEYS[method], *more)
    if wrong := next((key for key in given if key not in known), None):
        raise InputError(
            f"learner: {wrong} has no meaning for {method} (it has {', '.join(known)})"
        )


def _one_of(what: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise InputError(f"learner: {what} {value!r} is none of {', '.join(known)}")
    return value


def distilling(given: dict) -> Distilling:
    """From a JSON object. Raises InputError that names an unknown key or value."""
    _check(given, "distil", taught.DESCENT)
    descent = {key: value for key, value in given.items() if key in taught.DESCENT}
    return Distilling(
        settings.learner({"optimiser": "adam", **descent}),
        _one_of("match", given.get("match", taught.MATCHES[0]), taught.MATCHES),
        given.get("texts", taught.TEXTS),
        given.get("shuffled", False),
    )


def imitating(given: dict) -> Imitating:
    """From a JSON object with its ``method``. Raises InputError as `distilling`."""
    own = {key: value for key, value in given.items() if key != "method"}
    method = _one_of("method", given.get("method", ""), taught.IMITATING)
    _check(own, method)
    patch = method == "patch"
    at = own.get("ridges", taught.RIDGES) if patch else own.get("at")
    return Imitating(
        method,
        _one_of("how", own.get("how", taught.HOWS[0]), taught.HOWS),
        None if at is None else tuple(at),
        own.get("texts", taught.TEXTS),
        own.get("shuffled", False),
    )


def _changes(
    model, lesson: Lesson, entry: Imitating, places: list[int] | None
) -> Iterator[tuple[str, Change]]:
    """Every change to choose among, and what it is called."""
    if entry.method == "patch":
        wanted = patches.states(model, lesson.after)
        for ridge in entry.at:
            found = patches.fitted(model, lesson, wanted, ridge, places)
            yield f"ridge {ridge:g}", patches.applied(model, found)
        return
    at = vectors.found(model, lesson, entry.how)
    layers = range(dimensions.layers(model.config))
    if entry.at is not None:
        layers = sorted({architectures.layer_number(model.config, one) for one in entry.at})
    for layer in layers:
        yield f"layer {layer}", at(layer)


def nearest(
    model, lesson: Lesson, judge: Lesson, entry: Imitating, places: list[int] | None = None
) -> tuple[Change, str, float]:
    """The change with which the model's answers are nearest to ICL's on the texts of ``judge``.

    Returns it, what it is called, and the total variation there; of equals the first.
    """
    icl = teaching.logits(model, judge.after)
    best = None
    for called, change in _changes(model, lesson, entry, places):
        apart = teaching.total_variation(teaching.logits(model, judge.alone, change), icl)
        if best is None or not best[2] <= apart:  # NaN is no distance
            best = change, called, apart
    if not math.isfinite(best[2]):
        raise InputError(f"no {entry.method} gives finite answers; the last was {best[1]}")
    return best
