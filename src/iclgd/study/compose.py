"""A study of one model on one task, for `iclgd study`: the quick one with other names.

What it composes is a configuration like any other (`TEMPLATE` with another model, task and number
of demonstrations), written to a file that anybody can read, edit and run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from iclgd.io.cli import InputError
from iclgd.study import places, values
from iclgd.study.costs import Costs
from iclgd.study.study import Study
from iclgd.tasks import readers

TEMPLATE = "config/real-quick.yaml"
# Where models and tasks are known by name; of one name the first counts.
SHIPPED = ("config/real.yaml", "config/laptop.yaml", "config/real-gpu.yaml", "config.yaml")
DRAWS = (40, 32, 24, 20, 16, 12, 8, 6, 4)  # of demonstrations, as many as there is time for
QUERIES = (96, 64, 32)
MOST_LABELS = 16
LONGEST = 600  # characters of a row of one's own data


def known(catalogue: str) -> dict[str, dict]:
    """Entries of the shipped studies by name; controls, and what is derived of others, are none."""
    found: dict[str, dict] = {}
    for path in SHIPPED:
        entries = yaml.safe_load(Path(places.own(path)).read_text())[catalogue]
        for name, entry in entries.items():
            if "of" not in entry:
                found.setdefault(name, entry)
    return found


def model(text: str) -> tuple[str, dict]:
    """The name and the entry of ``--model``: a known name, a folder, a GGUF file, or a hub id.

    Raises InputError for anything else.
    """
    if named := _named(text, known("models")):
        return named
    if Path(text).exists():
        return _name(Path(text).stem), {"path": text}
    if re.fullmatch(r"[\w.-]+/[\w.-]+", text):
        return _name(text.partition("/")[2]), {"hub": text}
    near = values.nearest(text, known("models"))
    raise InputError(f"--model: {text!r} is no folder, no GGUF file, no owner/name of a hub {near}")


def task(text: str, field: str, label: str, words: Mapping[str, str]) -> tuple[str, dict]:
    """The name and the entry of ``--task``: a known name, or a file of rows.

    ``field`` and ``label``: the columns of a file. ``words``: the label word of each value of the
    second; without any the values themselves. Raises InputError for a file that does not fit.
    """
    if named := _named(text, known("tasks")):
        return named
    path = Path(text)
    if not path.is_file():
        near = values.nearest(text, known("tasks"))
        raise InputError(f"--task: {text!r} is no file, and no task of that name is known {near}")
    entry = {
        "files": text,
        "prompt": f"{_title(field)}: {{{field}}}\n{_title(label)}: {{label}}\n\n",
        "label_field": label,
        "labels": dict(words) or _words(path, field, label),
        "longest": LONGEST,
    }
    return _name(path.stem), entry


def _words(path: Path, field: str, label: str) -> dict[str, str]:
    """The values of the label's column as their own words, in their order in the file."""
    found = {}
    for place, row in readers.read(path, {"prompt": "", "labels": {}}):
        for column, option in ((field, "--text"), (label, "--label")):
            if column not in row:
                near = values.nearest(column, row)
                raise InputError(f"{place}: no column {column!r} for {option} {near}")
        found[str(row[label]).strip()] = None
        if len(found) > MOST_LABELS:
            raise InputError(
                f"{path}: column {label!r} has more than {MOST_LABELS} values: no labels"
            )
    if len(found) < 2:
        raise InputError(f"{path}: column {label!r} has one value alone")
    if numbers := [one for one in found if one.replace(".", "").isdigit()]:
        example = " ".join(f"{one}=WORD" for one in found)
        raise InputError(
            f"{path}: {numbers[0]!r} is no word; say what labels mean: --words {example}"
        )
    return {one: one for one in found}


def study(model: tuple[str, dict], task: tuple[str, dict], shots: int) -> dict:
    """`TEMPLATE` with this model and task and so many demonstrations."""
    config = yaml.safe_load(Path(places.own(TEMPLATE)).read_text())
    (design,) = config["demonstrations"].values()
    config["models"], config["tasks"] = dict([model]), dict([task])
    name = f"n{shots}"
    config["demonstrations"] = {name: {**design, "shots": shots}}
    for learner in config["learners"].values():
        if learner.get("layer"):
            learner["layer"] = 0.5  # of any model's depth
    # Other demonstrations have other label words there, so that ICL with them is no reference.
    drawn, learners = task[1].get("bindings") == "drawn", config["learners"]
    figures = config["figures"]
    for figure in figures.values():
        if "pairs" in figure:
            figure |= {"models": [model[0]], "tasks": [task[0]], "demonstrations": [name]}
            figure["pairs"] = [
                pair
                for pair in figure["pairs"]
                if not (drawn and learners[pair[1]].get("shift") == "draw")
            ]
    label = task[1].get("label", task[0])
    title = f"ICL against gradient descent on the same {shots} demonstrations of {label}"
    figures["agreement"]["title"] = title
    return config


def sized(config: dict, minutes: float, cores: int) -> tuple[dict, float]:
    """The study with as many draws as there is time for, or else fewer queries; and its minutes.

    A task that the shipped studies know keeps its queries. The least there is may take longer.
    """
    (task,), (design,) = config["tasks"].values(), config["demonstrations"].values()
    own = "package" not in task and "hub" not in task and "generate" not in task
    for queries, draws in itertools.product(QUERIES if own else (None,), DRAWS):
        if queries:
            task["queries"] = queries
        design |= {"draws": draws, "block": min(4, draws)}
        expected = minutes_of(config, cores)
        if expected <= minutes:
            break
    return config, expected


def minutes_of(config: dict, cores: int) -> float:
    """Of a whole run of a study, about."""
    composed = Study(config, "composed")
    return Costs(composed.config).whole(composed.figures.values()) / cores / 60


def _named(text: str, entries: Mapping[str, dict]) -> tuple[str, dict] | None:
    """The entry of this name, or of this label, whatever its case and hyphens."""
    plain = _plain(text)
    for name, entry in entries.items():
        if plain in (_plain(name), _plain(entry.get("label", name))):
            return name, entry
    return None


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _name(text: str) -> str:
    """A name of a catalogue: letters, digits, dots, hyphens and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._") or "mine"


def _title(column: str) -> str:
    return column.replace("_", " ").strip().capitalize()
