"""Studies share models, tasks and logits by name, so a name must mean the same in all of them.

Every run writes the entries that it uses to ``results/STUDY/study.json``; a study that gives one
of these names another meaning is refused before it overwrites anything.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

from iclgd.study import figures, jobs, names

PARTS = ("models", "tasks", "demonstrations", "learners")


def used(config: dict) -> dict:
    """Everything in the shared folders that the figures of a study need.

    By catalogue the entries of all names, as jobs receive them; and in ``runs`` the combinations
    ``model/task/design/learner``.
    """
    found: dict = {part: {} for part in PARTS}
    runs: set[str] = set()
    for name in config["figures"]:
        figure = figures.Figure(config, name)
        for model in figure.models:
            _model(config, model, found)
        for model, task, design, learner in figure.runs:
            _task(config, task, found)
            found["demonstrations"][design] = jobs.design(config, design)
            found["learners"][learner] = _learner(config, learner)
            runs.add(f"{model}/{task}/{design}/{learner}")
    return found | {"runs": sorted(runs)}


def meaning(config: dict, name: str) -> str:
    """12 hex digits that are the same where a figure has the same entries, in any study.

    Of its own entry, of the figures that it is of, and of all models, tasks, designs and learners
    that they name. Titles and labels, which only readers see, do not count.
    """
    figure = figures.Figure(config, name)
    named = {name, *figure.entry.get("of", [])}
    own = {**config, "figures": {one: config["figures"][one] for one in named}}
    learners = [one for one in figure.named() if one in config["learners"]]
    parts = [own["figures"], {one: config["learners"][one] for one in learners}]
    told = [{key: _untold(one) for key, one in part.items()} for part in parts]
    text = json.dumps([told, used(own)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _untold(entry: dict) -> dict:
    return {key: one for key, one in entry.items() if key not in ("title", "label")}


def _model(config: dict, name: str, found: dict) -> None:
    entry = jobs.model(config, name)
    found["models"][name] = entry
    for other in filter(None, (entry.get("of"), entry.get("construct", {}).get("toward"))):
        _model(config, other, found)


def _task(config: dict, name: str, found: dict) -> None:
    entry = jobs.task(config, name)
    found["tasks"][name] = entry
    for other in filter(None, (entry.get("of"), entry.get("texts"))):
        _task(config, other, found)


def _learner(config: dict, name: str) -> dict:
    entry = config["learners"][names.base(name)]
    more = {key: entry[key] for key in ("method", "orders", "imagined") if key in entry}
    return more | jobs.learner(config, name)


def record(path: str, config: dict) -> None:
    """Write what a study uses, for other studies to compare with."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    partial = f"{path}.partial"
    Path(partial).write_text(json.dumps(used(config), indent=1, sort_keys=True) + "\n")
    os.replace(partial, path)


def problems(config: dict, study: str, results: Path = Path("results")) -> list[str]:
    """One line for every name that has another meaning in another study."""
    others = [path for path in sorted(results.glob("*/study.json")) if path.parent.name != study]
    mine = used(config) if others else {}
    found = []
    for path in others:
        try:
            differing = list(_differing(mine, json.loads(path.read_text())))
        except (OSError, ValueError, KeyError, TypeError) as error:
            found.append(f"config: {path} is no record of a study ({error}): remove it")
            continue
        other = path.parent.name
        found += [
            f"config: {part}.{name}: {_beside(entry, other_entry)} here, "
            f"{_beside(other_entry, entry)} in study {other!r}, and both would write the "
            f"same files: rename one, or remove {path} if the results of {other!r} may go"
            for part, name, entry, other_entry in differing
        ]
    return found


def _differing(mine: dict, theirs: dict) -> Iterator[tuple[str, str, dict, dict]]:
    """Names with two meanings that both studies write files of, with both."""
    both = {tuple(run.split("/")) for run in {*mine["runs"]} & {*theirs["runs"]}}
    drawn = {(task, design) for _, task, design, _ in (run.split("/") for run in mine["runs"])}
    drawn &= {(task, design) for _, task, design, _ in (run.split("/") for run in theirs["runs"])}
    for part in PARTS:
        for name, entry in mine[part].items():
            other_entry = theirs[part].get(name)
            if other_entry is None:
                continue
            ours = json.loads(json.dumps(entry))
            if part == "learners" and all(run[3] != name for run in both):
                continue
            if part == "demonstrations":
                if all(run[2] != name for run in both):  # no shared logits: ``keep`` may differ
                    ours, other_entry = ({**one, "keep": None} for one in (ours, other_entry))
                if all(design != name for _, design in drawn):
                    continue
            if ours != other_entry:
                yield part, name, ours, other_entry


def _beside(entry: dict, other: dict) -> str:
    """The settings of ``entry`` that are not those of ``other``."""
    differ = {key: one for key, one in entry.items() if key not in other or other[key] != one}
    return json.dumps(differ, sort_keys=True) if differ else "nothing of that"
