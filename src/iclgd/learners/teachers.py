"""What ICL teaches, from the entry of a learner: weights, a vector, or patches."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

from iclgd.io.cli import InputError
from iclgd.learners import constructed_patches, patches, settings, taught, teaching, vectors
from iclgd.learners.patches import Matrix
from iclgd.learners.settings import Learner
from iclgd.learners.teaching import Change, Lesson
from iclgd.models import architectures, dimensions, gd_transformer


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


class Nearest(NamedTuple):
    """A ``change`` of the model, what it is ``called``, its total variation from ICL, and the
    matrices that it patches; a vector patches none."""

    change: Change
    called: str
    apart: float
    matrices: list[Matrix]


def _changes(
    model, lesson: Lesson, entry: Imitating, places: list[int] | None
) -> Iterator[tuple[str, Change, list[Matrix]]]:
    """Every change to choose among, what it is called, and the matrices that it patches."""
    if entry.method == "patch":
        home = constructed_patches if gd_transformer.is_construction(model) else patches
        for fit in home.fits(model, lesson, entry.at, places):
            yield f"ridge {fit.ridge:g}", fit.change, fit.matrices
        return
    at = vectors.found(model, lesson, entry.how)
    layers = range(dimensions.layers(model.config))
    if entry.at is not None:
        layers = sorted({architectures.layer_number(model.config, one) for one in entry.at})
    for layer in layers:
        yield f"layer {layer}", at(layer), []


def nearest(
    model, lesson: Lesson, judge: Lesson, entry: Imitating, places: list[int] | None = None
) -> Nearest:
    """The change with which the model's answers are nearest to ICL's on the texts of ``judge``; of
    equals the first."""
    icl = teaching.logits(model, judge.after)
    best = None
    for called, change, matrices in _changes(model, lesson, entry, places):
        apart = teaching.total_variation(teaching.logits(model, judge.alone, change), icl)
        if best is None or not best.apart <= apart:  # NaN is no distance
            best = Nearest(change, called, apart, matrices)
    if not math.isfinite(best.apart):
        raise InputError(f"no {entry.method} gives finite answers; the last was {best.called}")
    return best
