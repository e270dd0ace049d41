"""The JSON object of ``--figure``: the figure that a step summarises or plots."""

from __future__ import annotations

import argparse
import difflib
import json
from dataclasses import dataclass, field, fields


@dataclass(frozen=True)
class Figure:
    """A figure as the configuration describes it; ``iclgd.study.figures`` writes it.

    ``labels`` holds what readers see in place of a name. ``roles`` says what every learner,
    model and task of the figure is (``iclgd.study.roles``); its keys are names without
    ``@value``. Some kinds have more: ``chance``, the accuracy of guessing by task;
    ``controls``, every control with its original and its kind; ``learners`` in the order of the
    configuration; ``reference``, the learner that others are compared with; ``replicates``,
    learners with the same on reordered demonstrations; ``primary``, model, task, design and
    learner of every primary test (None: all tests are); ``smallest_effect`` of interest; ``seeds``,
    models that differ in the seed of their pretraining alone; ``causal``, the learners that train
    layer by layer; ``protocols``, how each learner that trains descends: keys of its entry,
    ``rate``, ``batch`` (None: all demonstrations), ``optimiser`` and ``loss`` always.
    """

    name: str
    kind: str
    title: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    chance: dict[str, float] = field(default_factory=dict)
    controls: dict[str, list[str]] = field(default_factory=dict)
    learners: list[str] = field(default_factory=list)
    reference: str = ""
    replicates: dict[str, str] = field(default_factory=dict)
    primary: list[list[str]] | None = None
    smallest_effect: float | None = None
    seeds: list[str] = field(default_factory=list)
    causal: list[str] = field(default_factory=list)
    protocols: dict[str, dict] = field(default_factory=dict)


def figure(text: str) -> Figure:
    """Argparse type: one figure."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    return _figure(value)


def figures(text: str) -> dict[str, Figure]:
    """Argparse type: figures by name, in the order of the study."""
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from error
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("a JSON object is needed, {name: figure}")
    return {name: _figure(one) for name, one in value.items()}


def _figure(value) -> Figure:
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError('a JSON object is needed, {"name": ..., "kind": ...}')
    known = [one.name for one in fields(Figure)]
    for key in value:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise argparse.ArgumentTypeError(f"unknown key {key!r}{hint}")
    for key in ("name", "kind"):
        if key not in value:
            raise argparse.ArgumentTypeError(f"key {key!r} is missing")
    return Figure(**value)
