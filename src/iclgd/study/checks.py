"""Check the references within a configuration before any job.

Called after the types have been checked (``iclgd.study.config``); every function reports through
``problem(place, line)``.
"""

from __future__ import annotations

import json
import math
import os
import shlex
from pathlib import Path

from iclgd.study import config as types
from iclgd.study import (
    figure_checks,
    learners,
    modelfiles,
    names,
    pairing,
    places,
    sizes,
    taskfiles,
)
from iclgd.study.values import exactly_one, nearest
from iclgd.tasks import label_words, readers

CATALOGUES = ("models", "tasks", "demonstrations", "learners", "figures")
RESERVED = ("claims", "examples")  # tables of a whole study beside those of its figures
DERIVED = {
    "models": {"of", "control", "label"},
    "tasks": {"of", "control", "texts", "share", "label"},
}
DECAY = 2000  # of pretraining.Recipe
TOO_LONG = "config: all entries are too long for the command line of the report"
COMMAND = 100_000  # characters; the system takes 131,072 for a whole command line


def check(config: dict, root: Path = Path(".")) -> None:
    """Raise ConfigError that lists everything wrong with ``config``; paths are below ``root``."""
    if found := types.problems(config) or problems(config, root):
        raise types.ConfigError(found)


def problems(config: dict, root: Path) -> list[str]:
    """Names that are in no catalogue, impossible designs, missing files."""
    problems = []

    def problem(where: str, text: str) -> None:
        problems.append(f"config: {where}: {text}")

    for catalogue in CATALOGUES:
        entries = config[catalogue]
        for name, entry in entries.items():
            if len(shlex.quote(json.dumps(entry))) > COMMAND:
                problem(f"{catalogue}.{name}", "too long for the command line of a job")
    if not problems and len(shlex.quote(json.dumps(config))) > COMMAND:
        problems.append(TOO_LONG)
    _check_unambiguous(problem, config)
    for name, entry in config["models"].items():
        _check_model(problem, f"models.{name}", name, entry, config["models"], root)
    for name, entry in config["tasks"].items():
        _check_task(problem, f"tasks.{name}", name, entry, config["tasks"], root)
    for name, entry in config["demonstrations"].items():
        _check_design(problem, f"demonstrations.{name}", entry)
    for name, entry in config["learners"].items():
        learners.check(problem, f"learners.{name}", entry, config)
    if problems:
        return problems
    for name, entry in config["figures"].items():
        if name in RESERVED:
            problem(f"figures.{name}", "results/STUDY/summary has a table of this name of its own")
        figure_checks.check(problem, f"figures.{name}", entry, config, root)
    if problems:
        return problems
    for name, entry in config["figures"].items():
        if "pairs" in entry or "of" in entry:
            figure_checks.check_compared(problem, f"figures.{name}", entry, config)
    return problems


def _check_model(problem, where: str, name: str, entry: dict, models: dict, root: Path) -> None:
    exactly_one(problem, where, entry, ("path", "hub", "package", "pretrain", "of", "construct"))
    if "of" in entry:
        _check_derived(problem, "models", name, entry, names.underived(models))
    if "construct" in entry:
        _check_construction(problem, f"{where}.construct", entry["construct"], models)
    modelfiles.check(problem, where, entry, root)
    if "pretrain" in entry:
        _check_pretraining(problem, f"{where}.pretrain", entry["pretrain"])
        saved = [f"step{step}" for step in entry["pretrain"].get("checkpoints", [])]
        for revision in entry.get("revisions", []):
            if revision not in saved:
                problem(
                    f"{where}.revisions", f"{revision!r} is not saved {nearest(revision, saved)}"
                )


def _check_task(problem, where: str, name: str, entry: dict, tasks: dict, root: Path) -> None:
    exactly_one(problem, where, entry, ("generate", "files", "hub", "package", "of"))
    if "of" in entry:
        _check_derived(problem, "tasks", name, entry, names.underived(tasks))
        original = tasks.get(entry["of"], {})
        renamed = entry.get("control") == pairing.ABSTRACT
        known = renamed and original.keys() & {"generate", "labels"}
        if known and (wrong := label_words.problem(original, sizes.classes(original))):
            problem(where, f"{wrong} ('control: abstract')")
        told = [
            w for w in original.get("labels", {}).values() if w in original.get("instruction", "")
        ]
        if renamed and told:
            problem(where, f"the instruction of {entry['of']!r} names the label {told[0]!r}")
        return
    for key in ("prompt", *(() if "generate" in entry else ("labels",))):
        if key not in entry:
            problem(where, f"key {key!r} is missing")
    generate = entry.get("generate", {})
    if "length" in generate and generate["kind"] != "ginc":
        problem(f"{where}.generate", "key 'length' has no meaning for this kind")
    for key in ("mixed", "held_out"):
        if key in generate and generate["kind"] != "topics":
            problem(f"{where}.generate", f"key {key!r} has no meaning for this kind")
    words = list(entry.get("labels", {}).values())
    for word in dict.fromkeys(word for word in words if words.count(word) > 1):
        problem(f"{where}.labels", f"two labels have the word {word!r}")
    if "generate" in entry and "leave_out" in entry:
        problem(where, "key 'leave_out' has no meaning beside 'generate'")
    for value in map(str, entry.get("leave_out", [])):
        if value in entry.get("labels", {}):
            problem(f"{where}.leave_out", f"{value!r} is one of the labels")
    if "package" in entry and not readers.readable(entry["package"]["file"]):
        problem(f"{where}.package.file", f"{entry['package']['file']!r}: {readers.NEEDED}")
    paths = taskfiles.by_split(entry).values()
    missing = [path for path in paths if not os.path.isfile(root / path)]
    for path in missing:
        problem(f"{where}.files", f"{path!r} does not exist{places.home(path)}")
    readable = not missing and {"files", "prompt", "labels"} <= entry.keys()
    if readable and (wrong := taskfiles.problem(name, entry, root)):
        problem(f"{where}.files", wrong)


def _check_design(problem, where: str, entry: dict) -> None:
    orders, shots = entry.get("orders", 1), entry["shots"]
    if orders == "all":
        if shots > 5:
            problem(f"{where}.orders", f"'all' means {shots}! orders; at most 5 shots")
    elif shots < 12 and orders > math.factorial(shots):
        there = math.factorial(shots)
        problem(f"{where}.orders", f"{orders} orders, but {shots} shots have {there}")


def _check_unambiguous(problem, config: dict) -> None:
    """Labels and roles are looked up by name alone, for models, tasks and learners together."""
    seen: dict[str, str] = {}
    for catalogue in ("models", "tasks", "learners"):
        for name in config[catalogue]:
            if name in seen:
                problem(
                    f"{catalogue}.{name}",
                    f"one of the {seen[name]} has this name too, and figures could not "
                    "distinguish them: rename one",
                )
            seen[name] = catalogue


def _check_pretraining(problem, where: str, entry: dict) -> None:
    last = entry["steps"] + entry.get("decay", DECAY)
    for step in entry.get("checkpoints", []):
        if step > last:
            problem(f"{where}.checkpoints", f"{step} is after the end (steps + decay = {last})")
    if entry.get("checkpoints") and "accuracy" in entry:
        problem(where, "checkpoints need a known end: leave out 'accuracy', or 'checkpoints'")
    least, greatest = entry["mixture"].get("topics", (1, 1))
    if least > greatest:
        problem(f"{where}.mixture.topics", f"{least} is more than {greatest}")


def _check_derived(problem, catalogue: str, name: str, entry: dict, known: list[str]) -> None:
    """Report problems of an entry that has ``of``.

    ``known``: names of the catalogue that are not derived themselves.
    """
    where = f"{catalogue}.{name}"
    for key in sorted(set(entry) - DERIVED[catalogue]):
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
    if "share" in entry and entry.get("control") not in ("labels", pairing.FLIPPED):
        problem(where, "'share', that of wrong labels, belongs to 'control: labels' or 'flipped'")
    if entry.get("control") == pairing.FLIPPED and "share" not in entry:
        problem(where, "key 'share' is missing (of 'control: flipped')")


def _check_construction(problem, where: str, entry: dict, models: dict) -> None:
    """Report problems of the ``construct`` entry of one of ``models``."""
    there = [key for key in ("rate", "train") if key in entry]
    if len(there) != 1:
        found = ", ".join(there) or "none"
        problem(where, f"exactly one of rate, train is needed, found {found}")
    known = (*names.DOSES, "rotate", "precondition", "kernel", "loss")
    kinds = [key for key in known if key in entry]
    if len(kinds) > 1:
        problem(where, f"at most one of {', '.join(known)}, found {', '.join(kinds)}")
    if "loss" in entry and (entry["layers"] != 1 or "train" in entry):
        problem(where, "'loss: label' needs 'layers: 1' and 'rate': a second step is no attention")
    if "train" in entry and {"kernel", "precondition"} & set(entry):
        problem(where, "'kernel' and 'precondition' are of 'rate': trained attention has its own")
    if ("mix" in entry) != ("toward" in entry):
        problem(where, "'mix' and 'toward', the model that is mixed in, belong together")
    if "toward" in entry:
        known = [name for name, e in models.items() if "construct" in e and names.dose(e) is None]
        if entry["toward"] not in known:
            problem(f"{where}.toward", f"{entry['toward']!r} {nearest(entry['toward'], known)}")
        elif models[entry["toward"]]["construct"]["layers"] != entry["layers"]:
            problem(f"{where}.toward", f"{entry['toward']!r} has another number of layers")
