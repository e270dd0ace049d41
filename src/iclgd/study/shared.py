"""Studies share models, tasks and logits by name: what one name stands for must be one thing.

Every run leaves the entries that it used in ``results/STUDY/study.json``; another study that
means something else by one of their names is refused before it overwrites anything.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from iclgd.study import figures, jobs, names, pairing

Entries = dict[str, dict[str, dict]]  # catalogue to name to what its job is told


def used(config: dict) -> Entries:
    """All that the figures of a study need from the shared folders, by expanded name."""
    found: Entries = {part: {} for part in ("models", "tasks", "demonstrations", "learners")}
    for name in config["figures"]:
        figure = figures.Figure(config, name)
        for model in figure.models:
            _model(config, model, found)
        compared = [(*run, one) for *run, a, b in figure.pairs for one in (a, b)]
        for _, task, design, learner in (*compared, *figure.runs):
            _task(config, task, found)
            found["demonstrations"][design] = jobs.design(config, design)
            found["learners"][learner] = _learner(config, learner)
    return found


def _model(config: dict, name: str, found: Entries) -> None:
    entry = jobs.model(config, name)
    found["models"][name] = entry
    others = [entry.get("of"), entry.get("construct", {}).get("toward")]
    for other in filter(None, others):
        _model(config, other, found)


def _task(config: dict, name: str, found: Entries) -> None:
    entry = jobs.task(config, name)
    found["tasks"][name] = entry
    for other in filter(None, (entry.get("of"), entry.get("texts"))):
        _task(config, other, found)


def _learner(config: dict, name: str) -> dict:
    entry = config["learners"][names.base(name)]
    if pairing.is_reference(config, name):
        return {key: entry[key] for key in ("reference", "shift")}
    more = {key: entry[key] for key in ("method", "orders") if key in entry}
    return more | jobs.learner(config, name)


def record(path: str, config: dict) -> None:
    """Leave word of the entries of a study."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    partial = f"{path}.partial"
    Path(partial).write_text(json.dumps(used(config), indent=1, sort_keys=True) + "\n")
    os.replace(partial, path)


def problems(config: dict, study: str, results: Path = Path("results")) -> list[str]:
    """One line for every name that stands for something else in another study."""
    found = []
    mine = used(config)
    for path in sorted(results.glob("*/study.json")):
        other = path.parent.name
        if other == study:
            continue
        try:
            theirs = json.loads(path.read_text())
            common = [
                (part, name, entry, theirs[part][name])
                for part, entries in mine.items()
                for name, entry in entries.items()
                if name in theirs[part]
            ]
        except (OSError, ValueError, KeyError, TypeError) as error:
            found.append(f"config: {path} is no record of a study ({error}): remove it")
            continue
        found += [
            f"config: {part}.{name} is {_differing(entry, said)} here, but "
            f"{_differing(said, entry)} in study {other!r}, and both would write the same files: "
            f"rename one, or remove {path} to give up what study {other!r} has computed"
            for part, name, entry, said in common
            if json.loads(json.dumps(entry)) != said
        ]
    return found


def _differing(entry: dict, other: dict) -> str:
    """The settings of ``entry`` that ``other`` does not have."""
    differ = {key: one for key, one in entry.items() if key not in other or other[key] != one}
    return json.dumps(differ, sort_keys=True) if differ else "without these settings"
