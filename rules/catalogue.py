"""The configuration as catalogues: checks before any job starts, and expansion of names.

Pure functions on the configuration; the rules call them through common.smk.
"""

from __future__ import annotations

import json
import math
import os
import shlex
from collections.abc import Iterable
from pathlib import Path

import constructions
import derived
import places
import sizes
import taskfiles
import yaml
from shape import nearest, schema_problems, value_problems
from snakemake.utils import update_config

from iclgd.io import text

# What each kind of figure must name.
RUNS = ("models", "tasks", "demonstrations")
NEEDS = {
    **dict.fromkeys(("agreement", "shots", "size", "depth", "controls", "dose"), (*RUNS, "pairs")),
    **dict.fromkeys(("order", "variance", "attention", "checkpoints"), (*RUNS, "learners")),
    "scale": ("models", "tasks", "runs"),
    **dict.fromkeys(("sparsity", "regression", "twins"), ("models",)),
    **dict.fromkeys(("equivalence", "nearest"), ("of",)),
}
DISPLAY = ("label",)  # keys that only figures read; changing them recomputes nothing else
DESCENT = ("rate", "epochs", "record", "batch", "optimiser", "momentum", "loss", "causal", "train")
TRAINED = ({"lora"}, {"layers", "matrices"}, {"parameters"})  # what a learner may train
RESERVED = ("claims", "cells")  # tables of a whole study beside those of its figures
BLOCK = 5
DECAY = 2000  # of pretraining.Recipe
SHOWN = 20  # of many problems
COMMAND = 100_000  # characters; the system takes 131,072 for a whole command line


class ConfigError(Exception):
    """What is wrong with the configuration, one line each."""


def check(config: dict, root: Path = Path(".")) -> None:
    """Raise ConfigError that lists everything wrong with ``config``; paths are below ``root``."""
    problems = value_problems(config) or schema_problems(config) or reference_problems(config, root)
    if problems:
        more = [f"config: and {len(problems) - SHOWN} more"] if len(problems) > SHOWN else []
        raise ConfigError("\n".join([*map(text.plain, problems[:SHOWN]), *more]))


def override(config: dict, settings: Iterable[str]) -> None:
    """Put ``name=value`` of the command line into ``config``, read as files are: JSON or YAML.

    Snakemake has done so, but takes a number within a map for text. Raises ConfigError.
    """
    for setting in settings:
        name, _, value = setting.partition("=")
        try:
            update_config(config, {name: _read(value)})
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise ConfigError(f"config: --config {name}: neither JSON nor YAML") from error


def _read(value: str):
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return yaml.safe_load(value)


def simplify(config: dict) -> None:
    """Spell the folder of a model one way: without a slash at its end, or two within."""
    for entry in config["models"].values():
        if "path" in entry:
            entry["path"] = str(Path(entry["path"]))


# --- what refers to what ------------------------------------------------------------------


def reference_problems(config: dict, root: Path) -> list[str]:
    """Names that are in no catalogue, impossible designs, missing files."""
    problems = []

    def problem(where: str, text: str) -> None:
        problems.append(f"config: {where}: {text}")

    for catalogue, entries in config.items():
        for name, entry in entries.items():
            if len(shlex.quote(json.dumps(entry))) > COMMAND:
                problem(f"{catalogue}.{name}", "too long for the command line of a job")
    if not problems and len(shlex.quote(json.dumps(config))) > COMMAND:
        problems.append("config: all entries are too long for the command line of the report")
    for name, entry in config["models"].items():
        where = f"models.{name}"
        _exactly_one(problem, where, entry, ("path", "hub", "pretrain", "of", "construct"))
        if "of" in entry:
            derived.check(problem, "models", name, entry, underived(config["models"]))
        if "construct" in entry:
            constructions.check(problem, f"{where}.construct", entry["construct"], config["models"])
        if "path" in entry and sizes.shape(places.model(entry["path"], root)) is None:
            problem(
                f"{where}.path",
                f"{entry['path']!r} is no model folder (there is no config.json that holds a map)"
                f"{_home(entry['path'])}",
            )
        if "pretrain" in entry:
            _check_pretraining(problem, f"{where}.pretrain", entry["pretrain"])
            saved = [f"step{step}" for step in entry["pretrain"].get("checkpoints", [])]
            for revision in entry.get("revisions", []):
                if revision not in saved:
                    problem(
                        f"{where}.revisions",
                        f"{revision!r} is not saved {nearest(revision, saved)}",
                    )
    for name, entry in config["tasks"].items():
        where = f"tasks.{name}"
        _exactly_one(problem, where, entry, ("generate", "files", "hub", "of"))
        if "of" in entry:
            derived.check(problem, "tasks", name, entry, underived(config["tasks"]))
            continue
        for key in ("prompt", *(() if "generate" in entry else ("labels",))):
            if key not in entry:
                problem(where, f"key {key!r} is missing")
        generate = entry.get("generate", {})
        if "length" in generate and generate["kind"] != "ginc":
            problem(f"{where}.generate", "key 'length' has no meaning for this kind")
        words = list(entry.get("labels", {}).values())
        for word in dict.fromkeys(word for word in words if words.count(word) > 1):
            problem(f"{where}.labels", f"two labels have the word {word!r}")
        if "generate" in entry and "leave_out" in entry:
            problem(where, "key 'leave_out' has no meaning beside 'generate'")
        for value in map(str, entry.get("leave_out", [])):
            if value in entry.get("labels", {}):
                problem(f"{where}.leave_out", f"{value!r} is one of the labels")
        paths = taskfiles.by_split(entry).values()
        missing = [path for path in paths if not os.path.isfile(root / path)]
        for path in missing:
            problem(f"{where}.files", f"{path!r} does not exist{_home(path)}")
        readable = not missing and {"files", "prompt", "labels"} <= entry.keys()
        if readable and (wrong := taskfiles.problem(name, entry, root)):
            problem(f"{where}.files", wrong)
    for name, entry in config["demonstrations"].items():
        orders, shots = entry.get("orders", 1), entry["shots"]
        if orders == "all":
            if shots > 5:
                problem(
                    f"demonstrations.{name}.orders", f"'all' means {shots}! orders; at most 5 shots"
                )
        elif shots < 12 and orders > math.factorial(shots):
            problem(
                f"demonstrations.{name}.orders",
                f"{orders} orders, but {shots} shots have {math.factorial(shots)}",
            )
    for name, entry in config["learners"].items():
        _check_learner(problem, f"learners.{name}", entry, config["learners"])
    if problems:
        return problems
    for name, entry in config["figures"].items():
        if name in RESERVED:
            problem(f"figures.{name}", "results/summary has a table of this name of its own")
        _check_figure(problem, f"figures.{name}", entry, config, root)
    if problems:
        return problems
    for name, entry in config["figures"].items():
        if "pairs" in entry or "of" in entry:
            _check_compared(problem, f"figures.{name}", entry, config)
    return problems


def _exactly_one(problem, where: str, entry: dict, keys: tuple[str, ...]) -> None:
    there = [key for key in keys if key in entry]
    if len(there) != 1:
        problem(
            where, f"exactly one of {', '.join(keys)} is needed, found {', '.join(there) or 'none'}"
        )


def _home(path: str) -> str:
    return "; '~' is read by shells alone: write the folder in full" if path[:1] == "~" else ""


def _check_pretraining(problem, where: str, entry: dict) -> None:
    last = entry["steps"] + entry.get("decay", DECAY)
    for step in entry.get("checkpoints", []):
        if step > last:
            problem(f"{where}.checkpoints", f"{step} is behind the end (steps + decay = {last})")
    if entry.get("checkpoints") and "accuracy" in entry:
        problem(where, "checkpoints need a known end: leave out 'accuracy', or 'checkpoints'")
    least, greatest = entry["mixture"].get("topics", (1, 1))
    if least > greatest:
        problem(f"{where}.mixture.topics", f"{least} is more than {greatest}")


def _check_learner(problem, where: str, entry: dict, learners: dict) -> None:
    if "reference" in entry:
        if entry["reference"] not in learners:
            problem(
                f"{where}.reference",
                f"{entry['reference']!r} is no learner {nearest(entry['reference'], learners)}",
            )
        if "shift" not in entry:
            problem(where, "key 'shift' is missing beside 'reference'")
        extra = set(entry) - {"reference", "shift", *DISPLAY}
    elif entry.get("method") == "gd":
        _exactly_one(problem, where, entry, ("rate", "rates"))
        names = [f"{rate:g}" for rate in entry.get("rates", [])]
        for name in {name for name in names if names.count(name) > 1}:
            problem(f"{where}.rates", f"two of them go by the name {name}")
        if entry.get("momentum") and entry.get("optimiser", "sgd") != "sgd":
            problem(f"{where}.momentum", f"it belongs to sgd, not to {entry['optimiser']}")
        train = entry.get("train")
        if train is not None and set(train) not in TRAINED:
            problem(
                f"{where}.train",
                "both 'layers' and 'matrices' are needed, or 'lora', or 'parameters'",
            )
        if "causal" in entry and "layers" not in (train or {}):
            problem(f"{where}.causal", "it needs 'train' with 'layers' and 'matrices'")
        if "causal" in entry and entry.get("loss") == "squared":
            problem(f"{where}.causal", "the squared loss has no layers")
        extra = {"shift"} & set(entry)
    elif entry.get("method") in ("icl", "bayes"):
        extra = set(entry) - {"method", *DISPLAY}
    else:
        problem(where, "key 'method' (icl, gd or bayes) or 'reference' is missing")
        return
    for key in sorted(extra):
        problem(where, f"key {key!r} has no meaning here")


def _check_figure(problem, where: str, entry: dict, config: dict, root: Path) -> None:
    for key in NEEDS[entry["kind"]]:
        if key not in entry:
            problem(where, f"key {key!r} is missing (a figure of kind {entry['kind']!r} needs it)")
    for key in set(entry) - {"kind", "title", *NEEDS[entry["kind"]]}:
        problem(where, f"key {key!r} has no meaning for kind {entry['kind']!r}")
    if "of" in entry:
        _check_of(problem, f"{where}.of", entry["of"], config)
        return
    if "models" not in entry:
        return

    def known(key: str, names, catalogue: dict) -> list[str]:
        found = []
        for name in names:
            if name in catalogue or name in {n for e in catalogue for n in expand(e, catalogue[e])}:
                found.append(name)
            else:
                problem(
                    f"{where}.{key}", f"{name!r} is not in the catalogue {nearest(name, catalogue)}"
                )
        return found

    models = known("models", entry["models"], config["models"])
    tasks = known("tasks", entry.get("tasks", []), config["tasks"])
    for first, second in entry.get("pairs", []):
        of = config["learners"].get(second, {}).get("reference", first.split("@")[0])
        if of != first.split("@")[0]:
            problem(f"{where}.pairs", f"{second!r} is a reference of {of!r}, not of {first!r}")
    runs = entry.get("runs", [])
    designs = known(
        "demonstrations",
        entry.get("demonstrations", [run[0] for run in runs]),
        config["demonstrations"],
    )
    pairs = entry.get("pairs", [])
    named = [
        *entry.get("learners", []),
        *(run[1] for run in runs),
        *(n for pair in pairs for n in pair),
    ]
    learners = known(
        "learners" if "learners" in entry else "pairs" if pairs else "runs",
        dict.fromkeys(named),
        config["learners"],
    )
    if runs and len(runs) != len([r for r in runs if r[0] in designs and r[1] in learners]):
        return
    if entry["kind"] == "attention":
        methods = [config["learners"][n.split("@")[0]].get("method") for n in learners]
        if methods[:1] != ["icl"] or set(methods[1:]) != {"gd"}:
            problem(f"{where}.learners", "a learner of method icl is needed, then others of gd")
    for task in tasks:
        rows = sizes.most_rows(derived.base(config["tasks"], task), root)
        for design in designs:
            shots = config["demonstrations"][design]["shots"]
            if rows is not None and shots > rows:
                problem(
                    f"{where}.tasks",
                    f"design {design!r} shows {shots} demonstrations, "
                    f"task {task!r} has at most {rows} training rows",
                )
    for name in learners:
        learner = config["learners"].get(name.split("@")[0], {})
        for task in tasks if learner.get("method") == "bayes" else []:
            original = derived.base(config["tasks"], task)
            if original.get("generate", {}).get("kind") != "ginc":
                problem(f"{where}.tasks", f"{name!r} reads tasks of kind 'ginc' only, not {task!r}")
        trained = learner.get("train", {}).get("layers", [])
        for layer in trained if trained != "all" else []:
            for model in models:
                layers = sizes.layer_count(derived.base(config["models"], model), root)
                if isinstance(layer, int) and layers is not None and layer >= layers:
                    problem(
                        f"learners.{name}.train.layers",
                        f"{layer} is outside model {model!r}, which has layers 0 ... {layers - 1}",
                    )


def _check_compared(problem, where: str, entry: dict, config: dict) -> None:
    found = compared(config, entry)
    if not found:
        problem(
            where,
            "nothing is left to compare: references need designs with 'orders: 2' or 'draws: 2' "
            "at least, and no control has any",
        )
    elif entry["kind"] == "equivalence" and not any(is_reference(config, run[-1]) for run in found):
        problem(
            f"{where}.of",
            "no design there has 'orders: 2' or more: ICL under another order is the reference",
        )


def _check_of(problem, where: str, names: list[str], config: dict) -> None:
    paired = [name for name, entry in config["figures"].items() if "pairs" in entry]
    for name in names:
        if name not in paired:
            problem(where, f"{name!r} is no figure with pairs {nearest(name, paired)}")
            continue
        for first in {pair[0].split("@")[0] for pair in config["figures"][name]["pairs"]}:
            if order_reference(config, first) is None:
                problem(
                    where,
                    f"{name!r} compares {first!r}, of which the learners have no reference with "
                    "'shift: order'",
                )


# --- names and what they stand for --------------------------------------------------------


def expand(name: str, entry: dict) -> list[str]:
    """Names of an entry whose list makes several of it: ``gd@0.01``, ``pythia@step1000``."""
    if "revisions" in entry:
        return [f"{name}@{revision}" for revision in entry["revisions"]]
    if "rates" in entry:
        return [f"{name}@{rate:g}" for rate in entry["rates"]]
    if dose := constructions.dose(entry):
        return [f"{name}@{value:g}" for value in entry["construct"][dose]]
    return [name]


def underived(catalogue: dict) -> list[str]:
    """Every name, with lists expanded, of entries that are not made of another one."""
    return [n for name, e in catalogue.items() if "of" not in e for n in expand(name, e)]


def expand_all(names: list[str], catalogue: dict) -> list[str]:
    """Every name of ``names`` with its lists expanded; ``name@value`` stands for itself."""
    return [
        n
        for name in names
        for n in (expand(name, catalogue[name]) if name in catalogue else [name])
    ]


def model_entry(config: dict, name: str) -> dict:
    """The entry of ``model`` or ``model@revision``, as the job needs it."""
    base, _, revision = name.partition("@")
    entry = {
        k: v
        for k, v in config["models"][base].items()
        if k not in (*DISPLAY, "revisions", "layers")
    }
    if dose := constructions.dose(entry):
        value = next(v for v in entry["construct"][dose] if f"{v:g}" == revision)
        entry["construct"] = {**entry["construct"], dose: value}
    elif revision:
        entry["revision"] = revision
    return entry


def learner_entry(config: dict, name: str) -> dict:
    """The entry of ``learner`` or ``learner@rate``: keys of ``gradient_descent.Learner`` alone."""
    base, _, value = name.partition("@")
    entry = config["learners"][base]
    settings = {key: entry[key] for key in DESCENT if key in entry}
    if value:
        settings["rate"] = next(rate for rate in entry["rates"] if f"{rate:g}" == value)
    return settings


def parts(config: dict, entry: dict) -> list[dict]:
    """A figure's entry, or those of the figures that it is of."""
    return [config["figures"][name] for name in entry["of"]] if "of" in entry else [entry]


def is_reference(config: dict, learner: str) -> bool:
    """Whether a learner is another under another order or with other demonstrations."""
    return "reference" in config["learners"][learner.split("@")[0]]


def order_reference(config: dict, learner: str) -> str | None:
    """The learner that is this one under another order; None if there is none."""
    of = {"reference": learner.split("@")[0], "shift": "order"}
    entries = config["learners"].items()
    return next((name for name, entry in entries if of.items() <= entry.items()), None)


def blocks(design: dict) -> list[str]:
    """Blocks of draws, one job each: ``["0-4", "5-9"]``; more draws leave full blocks alone."""
    size, draws = design.get("block", BLOCK), design["draws"]
    return [f"{i}-{min(i + size, draws) - 1}" for i in range(0, draws, size)]


def comparable(config: dict, design: str, learner: str) -> bool:
    """Whether a design has the second order or draw that a reference needs."""
    shift = config["learners"][learner.split("@")[0]].get("shift")
    entry = config["demonstrations"][design]
    if shift == "order":
        return entry.get("orders", 1) != 1
    return shift != "draw" or entry["draws"] > 1


def controlled_pairs(config: dict, entry: dict, model: str, task: str) -> list[list[str]]:
    """The pairs of a figure that a model and a task are compared with.

    Of controls only the pair itself counts, not its references, and one control at a time.
    """
    originals = config["models"][model.split("@")[0]], config["tasks"][task]
    controls = sum("of" in original for original in originals)
    if entry["kind"] != "controls" or controls == 0:
        return entry["pairs"]
    learners = [] if controls == 2 else entry["pairs"]
    return [pair for pair in learners if not is_reference(config, pair[1])]


def compared(config: dict, entry: dict) -> list[tuple[str, str, str, str, str]]:
    """(model, task, design, a, b) of every agreement table that a figure shows.

    A reference that a design has no second order for is left out. A figure of other figures
    takes their learners, and ICL under another order.
    """
    found = [
        (model, task, design, a, b)
        for part in parts(config, entry)
        for model in expand_all(part["models"], config["models"])
        for task in part["tasks"]
        for design in part["demonstrations"]
        for first, second in controlled_pairs(config, part, model, task)
        for a in expand_all([first], config["learners"])
        for b in expand_all([second], config["learners"])
    ]
    if "of" in entry:
        learners = [run for run in found if not is_reference(config, run[-1])]
        found = [
            (*run, a, b)
            for *run, a, learner in learners
            for b in (learner, order_reference(config, a))
        ]
    return [run for run in dict.fromkeys(found) if comparable(config, run[2], run[-1])]
