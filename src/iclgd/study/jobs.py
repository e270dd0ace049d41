"""The JSON arguments of jobs: each holds just the entry that a job needs, so that Snakemake reruns
it when this entry changes and only then. It has the keys that are written in the configuration;
a new default of a step changes none of these strings.
"""

from __future__ import annotations

import json
from typing import Any

from iclgd.learners import kernels, solvers, taught
from iclgd.study import names
from iclgd.study.config import Descent

DISPLAY = ("label",)  # keys that only figures read; changing them recomputes nothing else
DESCENT = tuple(Descent.model_fields)


def as_json(value: Any) -> str:
    """One spelling of an entry, whatever the order of its keys."""
    return json.dumps(value, sort_keys=True)


def model(config: dict, name: str) -> dict:
    """The entry of ``model`` or ``model@value``."""
    value = names.value(name)
    entry = {
        key: one
        for key, one in config["models"][names.base(name)].items()
        if key not in (*DISPLAY, "revisions", "layers")
    }
    if dose := names.dose(entry):
        shares = entry["construct"][dose]
        share = next(one for one in shares if names.spelled(one) == value)
        entry["construct"] = {**entry["construct"], dose: share}
    elif value:
        entry["revision"] = value
    return entry


def learner(config: dict, name: str) -> dict:
    """The settings of ``learner`` or ``learner@rate``, which are all that its job depends on.

    Those of ``settings.Learner``, of a kernel those of ``functional.entry``, of what ICL teaches
    those of ``teachers``.
    """
    value = names.value(name)
    entry = config["learners"][names.base(name)]
    own = {"kernel": kernels.SETTINGS, **taught.KEYS}.get(entry["method"], ())
    settings = {key: entry[key] for key in (*DESCENT, *own) if key in entry}
    if entry["method"] in taught.IMITATING:
        settings["method"] = entry["method"]
    if value:
        settings["rate"] = next(one for one in entry["rates"] if names.spelled(one) == value)
    return settings


def solver(config: dict, name: str) -> dict:
    """Which solver a learner is, and its settings."""
    entry = config["learners"][name]
    return {key: entry[key] for key in ("solver", *solvers.known_settings()) if key in entry}


def task(config: dict, name: str) -> dict:
    """The entry of a task, but for what its demonstrations are drawn by."""
    display = (*DISPLAY, "bindings")
    return {key: one for key, one in config["tasks"][name].items() if key not in display}


def design(config: dict, name: str) -> dict:
    """The keys of a design that change its tables; neither of the numbers of draws does."""
    entry = config["demonstrations"][name]
    return {
        "shots": entry["shots"],
        "orders": entry.get("orders", 1),
        "keep": entry.get("keep", 1024),
    }
