"""The configuration as catalogues: checks before any job starts, and expansion of names.

Pure functions on the configuration; the rules call them through common.smk.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import math
from pathlib import Path

import jsonschema
import yaml

SCHEMA = Path(__file__).with_name("config.schema.yaml")
# What each kind of figure must name, beside its models.
NEEDS = {
    **dict.fromkeys(("agreement", "shots", "size", "depth"), ("tasks", "demonstrations", "pairs")),
    **dict.fromkeys(("order", "variance", "checkpoints"), ("tasks", "demonstrations", "learners")),
    "scale": ("tasks", "runs"),
    **dict.fromkeys(("sparsity", "twins"), ()),
}
DISPLAY = ("label",)  # keys that only figures read; changing them recomputes nothing else
DESCENT = ("rate", "epochs", "record", "batch", "optimiser", "momentum", "loss", "train")
BLOCK = 5


class ConfigError(Exception):
    """What is wrong with the configuration, one line each."""


def nearest(name: str, known) -> str:
    """``(did you mean 'x'?)`` or the list of what is known."""
    known = [str(k) for k in known]
    close = difflib.get_close_matches(str(name), known, 1, 0.5)
    return f"(did you mean {close[0]!r}?)" if close else f"(known: {', '.join(known)})"


def check(config: dict, root: Path = Path(".")) -> None:
    """Raise ConfigError that lists everything wrong with ``config``; paths are below ``root``."""
    problems = schema_problems(config) or reference_problems(config, root)
    if problems:
        raise ConfigError("\n".join(problems))


# --- the shape of the configuration -------------------------------------------------------


def schema_problems(config: dict) -> list[str]:
    """Unknown keys, wrong types and values outside their range, in the order of the schema."""
    validator = jsonschema.Draft202012Validator(yaml.safe_load(SCHEMA.read_text()))
    errors = [leaf for error in validator.iter_errors(config) for leaf in _leaves(error)]
    errors.sort(key=lambda error: list(map(str, error.absolute_path)))
    return list(dict.fromkeys(_describe(error) for error in errors))


def _leaves(error) -> list:
    if error.validator != "anyOf":
        return [error]
    # Of several alternatives, the one that fails deepest says most.
    return [max(error.context, key=lambda e: (len(e.absolute_path), e.validator != "type"))]


def _describe(error) -> str:
    where = "config: " + (".".join(map(str, error.absolute_path)) or "top level")
    value = error.instance
    if error.validator == "additionalProperties":
        known = error.schema.get("properties", {})
        extra = next(key for key in value if key not in known)
        return f"{where}: unknown key {extra!r} {nearest(extra, known)}"
    if error.validator == "enum":
        return f"{where}: {value!r} is not valid {nearest(value, error.validator_value)}"
    if error.validator == "type" and isinstance(value, str):
        hint = ""
        if error.validator_value in ("number", "integer"):
            with contextlib.suppress(ValueError):
                hint = f"; write {_yaml_number(float(value))} without quotes"
        return f"{where}: {value!r} is text, {error.validator_value} is needed{hint}"
    if error.validator == "required":
        missing = next(key for key in error.validator_value if key not in value)
        return f"{where}: key {missing!r} is missing"
    if error.validator == "pattern":
        return f"{where}: the name {value!r} must be letters, digits, '.', '_' and '-'"
    return f"{where}: {value!r}: {error.message.replace(repr(value), 'it', 1)}"


def _yaml_number(value: float) -> str:
    """A spelling that YAML 1.1 reads as a number: 1e-4 would be text."""
    text = f"{value:g}"
    return text if "e" not in text or "." in text else text.replace("e", ".0e", 1)


# --- what refers to what ------------------------------------------------------------------


def reference_problems(config: dict, root: Path) -> list[str]:
    """Names that are in no catalogue, impossible designs, missing files."""
    problems = []

    def problem(where: str, text: str) -> None:
        problems.append(f"config: {where}: {text}")

    for name, entry in config["models"].items():
        where = f"models.{name}"
        _exactly_one(problem, where, entry, ("path", "hub", "pretrain"))
        if "path" in entry and not (root / entry["path"] / "config.json").is_file():
            problem(
                f"{where}.path", f"{entry['path']!r} is no model folder (config.json is not there)"
            )
        if "pretrain" in entry:
            saved = [f"step{step}" for step in entry["pretrain"].get("checkpoints", [])]
            for revision in entry.get("revisions", []):
                if revision not in saved:
                    problem(
                        f"{where}.revisions",
                        f"{revision!r} is not saved {nearest(revision, saved)}",
                    )
    for name, entry in config["tasks"].items():
        where = f"tasks.{name}"
        _exactly_one(problem, where, entry, ("generate", "files", "hub"))
        generate = entry.get("generate", {})
        if "length" in generate and generate["kind"] != "ginc":
            problem(f"{where}.generate", "key 'length' has no meaning for this kind")
        if "generate" not in entry and "labels" not in entry:
            problem(where, "key 'labels' is missing")
        if entry["prompt"].count("{label}") != 1:
            problem(f"{where}.prompt", f"{entry['prompt']!r} must hold {{label}} exactly once")
        for path in _files(entry):
            if not (root / path).is_file():
                problem(f"{where}.files", f"{path!r} does not exist")
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
    for name, entry in config["figures"].items():
        _check_figure(problem, f"figures.{name}", entry, config, root)
    return problems


def _exactly_one(problem, where: str, entry: dict, keys: tuple[str, ...]) -> None:
    there = [key for key in keys if key in entry]
    if len(there) != 1:
        problem(
            where, f"exactly one of {', '.join(keys)} is needed, found {', '.join(there) or 'none'}"
        )


def _files(entry: dict) -> list[str]:
    files = entry.get("files", [])
    return [files] if isinstance(files, str) else list(files.values()) if files else []


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
        train = entry.get("train", {})
        if train and "lora" not in train and not {"layers", "matrices"} <= set(train):
            problem(f"{where}.train", "both 'layers' and 'matrices' are needed, or 'lora'")
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
    for key in set(entry) - {"kind", "title", "models", *NEEDS[entry["kind"]]}:
        problem(where, f"key {key!r} has no meaning for kind {entry['kind']!r}")

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
    for task in tasks:
        rows = most_rows(config["tasks"][task], root)
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
            if config["tasks"][task].get("generate", {}).get("kind") != "ginc":
                problem(f"{where}.tasks", f"{name!r} reads tasks of kind 'ginc' only, not {task!r}")
        for layer in learner.get("train", {}).get("layers", []):
            for model in models:
                layers = layer_count(config["models"][model.split("@")[0]], root)
                if isinstance(layer, int) and layers is not None and layer >= layers:
                    problem(
                        f"learners.{name}.train.layers",
                        f"{layer} is outside model {model!r}, which has layers 0 ... {layers - 1}",
                    )


def most_rows(task: dict, root: Path) -> int | None:
    """An upper bound of the training rows, or None where it is known only after download."""
    if "generate" in task:
        return task["generate"]["rows"] - min(
            task.get("queries", 500), task["generate"]["rows"] // 2
        )
    if "files" in task:
        files = task["files"]
        path = root / (files if isinstance(files, str) else files["train"])
        if path.suffix in (".jsonl", ".json", ".csv") and path.is_file():
            with path.open("rb") as file:
                return sum(1 for line in file if line.strip()) - (path.suffix == ".csv")
    return None


def classes(task: dict) -> int:
    """Number of label words of a task."""
    if "generate" in task:
        return task["generate"].get("classes", 2)
    return len(task["labels"])


def layer_count(model: dict, root: Path) -> int | None:
    """Layers of a local or built-in model, or what the entry says, else None."""
    shape = model.get("pretrain", {}).get("shape", {})
    if "path" in model and (root / model["path"] / "config.json").is_file():
        shape = json.loads((root / model["path"] / "config.json").read_text())
    keys = ("num_hidden_layers", "n_layer", "num_layers")
    return next((shape[key] for key in keys if key in shape), model.get("layers"))


# --- names and what they stand for --------------------------------------------------------


def expand(name: str, entry: dict) -> list[str]:
    """Names of an entry whose list makes several of it: ``gd@0.01``, ``pythia@step1000``."""
    if "revisions" in entry:
        return [f"{name}@{revision}" for revision in entry["revisions"]]
    if "rates" in entry:
        return [f"{name}@{rate:g}" for rate in entry["rates"]]
    return [name]


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
    if revision:
        entry["revision"] = revision
    return entry


def learner_entry(config: dict, name: str) -> dict:
    """The entry of ``learner`` or ``learner@rate``: keys of ``descent.Learner`` alone."""
    base, _, value = name.partition("@")
    entry = config["learners"][base]
    settings = {key: entry[key] for key in DESCENT if key in entry}
    if value:
        settings["rate"] = next(rate for rate in entry["rates"] if f"{rate:g}" == value)
    return settings


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
