"""What is wrong with a figure: see ``iclgd.study.checks``."""

from __future__ import annotations

import itertools
from pathlib import Path

from iclgd.learners import kernels, languages, optimisers, taught
from iclgd.models import architectures
from iclgd.study import learners, names, pairing, sizes
from iclgd.study.kinds import KINDS
from iclgd.study.values import nearest


def check(problem, where: str, entry: dict, config: dict, root: Path) -> None:
    for key in KINDS[entry["kind"]].keys:
        if key not in entry:
            problem(where, f"key {key!r} is missing (a figure of kind {entry['kind']!r} needs it)")
    kind = KINDS[entry["kind"]]
    for key in set(entry) - {"kind", "title", *kind.keys, *kind.optional}:
        problem(where, f"key {key!r} has no meaning for kind {entry['kind']!r}")
    if "of" in entry:
        _check_of(problem, f"{where}.of", entry["of"], config)
        for name in entry.get("primary", []):
            if name not in entry["of"]:
                problem(f"{where}.primary", f"{name!r} is not in 'of' {nearest(name, entry['of'])}")
        parts = [config["figures"].get(name, {}) for name in entry["of"]]
        compared = {model for part in parts for model in part.get("models", [])}
        for name in entry.get("seeds", []):
            if name not in compared:
                problem(f"{where}.seeds", f"{name!r} is no model of 'of' {nearest(name, compared)}")
        return
    if "models" not in entry:
        return

    def known(key: str, given, catalogue: dict) -> list[str]:
        there = names.known(catalogue)
        for name in given:
            if name not in catalogue and name not in there:
                problem(
                    f"{where}.{key}",
                    f"{name!r} is not in the catalogue {names.hint(name, catalogue)}",
                )
        return [name for name in given if name in catalogue or name in there]

    models = known("models", entry["models"], config["models"])
    tasks = known("tasks", entry.get("tasks", []), config["tasks"])
    for pair in entry.get("pairs", []):
        learners.check_pair(problem, f"{where}.pairs", *pair, config["learners"])
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
    trained = known(
        "learners" if "learners" in entry else "pairs" if pairs else "runs",
        dict.fromkeys(named),
        config["learners"],
    )
    if runs and len(runs) != len([r for r in runs if r[0] in designs and r[1] in trained]):
        return
    starts = {config["demonstrations"][design].get("first", 0) for design in designs}
    if len(starts) > 1:
        first = ", ".join(map(str, sorted(starts)))
        problem(
            f"{where}.demonstrations",
            f"draws of one number are compared, but these begin at different ones: 'first' {first}",
        )
    _check_projections(problem, where, entry["kind"], models, trained, config, root)
    if entry["kind"] == "attention":
        methods = [config["learners"][names.base(n)].get("method") for n in trained]
        if methods[:1] != ["icl"] or set(methods[1:]) != {"gd"}:
            problem(f"{where}.learners", "a learner of method icl is needed, then others of gd")
        for name in trained:
            if "reach" in config["learners"][names.base(name)].get("train", {}):
                problem(f"{where}.learners", f"{name!r} trains another matrix in each draw")
    if entry["kind"] in ("reach", "updates"):
        for task in tasks:
            if config["tasks"][task].get("control") in (pairing.FLIPPED, "conflict"):
                problem(
                    f"{where}.tasks", f"task {task!r} has other texts with two labels: no control"
                )
    if entry["kind"] == "updates":
        _check_updates(problem, f"{where}.pairs", entry["pairs"], config["learners"])
    if entry["kind"] in ("existence", "steps", "dose"):
        _check_against_icl(problem, where, entry, config)
    if entry["kind"] == "dose":
        roots = pairing.models(config, {**entry, "models": models})
        if len(roots) != 1:
            problem(
                f"{where}.models",
                f"one model without a list is needed, found {', '.join(roots) or 'none'}",
            )
    if entry["kind"] == "label_dose":
        _check_label_dose(problem, where, tasks, designs, trained, config)
    _check_tasks(problem, where, tasks, designs, trained, config, root)
    for name in trained:
        shown = [run[0] for run in runs if run[1] == name] if runs else designs
        _check_trained(problem, where, name, (models, tasks, shown), config, root)


def _check_tasks(
    problem, where: str, tasks: list, designs: list, trained: list, config: dict, root: Path
) -> None:
    """Whether tasks have the rows that designs show; other demonstrations have the same words."""
    redrawn = [name for name in trained if _shift(config, name) == "draw"]
    for task in tasks:
        if redrawn and pairing.original(config["tasks"], task).get("bindings") == "drawn":
            problem(
                f"{where}.tasks",
                f"{redrawn[0]!r} has other demonstrations, which in task {task!r} have other label "
                "words ('bindings: drawn'): leave one of them out",
            )
        rows = sizes.most_rows(pairing.original(config["tasks"], task), root)
        conflict = config["tasks"][task].get("control") == "conflict"
        if conflict and rows is not None:
            rows *= 2
        for design in designs:
            shots = config["demonstrations"][design]["shots"]
            if conflict and shots % 2:
                problem(
                    f"{where}.tasks",
                    f"design {design!r} shows {shots} demonstrations, which is odd: task {task!r} "
                    "('control: conflict') shows each input twice",
                )
            if rows is not None and shots > rows:
                problem(
                    f"{where}.tasks",
                    f"design {design!r} shows {shots} demonstrations, "
                    f"task {task!r} has at most {rows} training rows",
                )


def _check_trained(
    problem, where: str, name: str, places: tuple[list, list, list], config: dict, root: Path
) -> None:
    """Whether a learner can do its work in ``places``: models, tasks and designs."""
    models, tasks, designs = places
    learner = config["learners"].get(names.base(name), {})
    for design in designs if learner.get("method") == "gd" else []:
        shots = config["demonstrations"][design]["shots"]
        optimiser = learner.get("optimiser", "sgd")
        if wrong := optimisers.in_parts(optimiser, learner.get("batch"), shots):
            problem(f"learners.{names.base(name)}", f"design {design!r}: {wrong}")
    if learner.get("method") == "bayes":
        for task in tasks:
            generate = pairing.original(config["tasks"], task).get("generate", {})
            control = config["tasks"][task].get("control")
            if wrong := languages.unreadable(generate, control, "imagined" in learner):
                problem(f"{where}.tasks", f"{name!r} cannot read task {task!r}: {wrong}")
    _check_other_rows(problem, where, name, learner, tasks, config)
    _check_layers(problem, name, learner, models, config, root)
    constructed = [
        model for model in models if "construct" in config["models"].get(names.base(model), {})
    ]
    taught_by = learner.get("method") == "vector" or learner.get("match") == taught.ATTENTION
    if taught_by and constructed:
        problem(
            f"{where}.models",
            f"{name!r} needs the states of tokens, which construction {constructed[0]!r} has not",
        )
    if learner.get("method") == "kernel":
        if learner.get("layer") == kernels.UNEMBEDDING and constructed:
            problem(
                f"{where}.models",
                f"{name!r} reads what enters the unembedding, which means nothing in construction "
                f"{constructed[0]!r}",
            )
        vectors = learner.get("loss") == "squared" or "precondition" in learner
        if vectors and (others := [model for model in models if model not in constructed]):
            problem(
                f"{where}.models",
                f"{name!r} has 'loss: squared' or 'precondition', which need a construction, and "
                f"{others[0]!r} is none",
            )


def _check_other_rows(
    problem, where: str, name: str, learner: dict, tasks: list, config: dict
) -> None:
    """Whether rows that are not shown are what a learner takes them for."""
    imagines = "imagined" in learner
    for task in tasks if imagines or learner.get("method") in taught.METHODS else []:
        kind = pairing.original(config["tasks"], task).get("generate", {}).get("kind")
        if imagines and not languages.EXOGENOUS.get(kind, True):
            problem(
                f"{where}.tasks",
                f"{name!r} imagines inputs of task {task!r}, which tell of what makes the labels",
            )
        if config["tasks"][task].get("control") in (pairing.FLIPPED, "conflict"):
            problem(
                f"{where}.tasks",
                f"{name!r} learns from rows that are not shown, and task {task!r} has each of them "
                "with two labels",
            )


def _check_layers(
    problem, name: str, learner: dict, models: list, config: dict, root: Path
) -> None:
    """Whether the layers that a learner names by number are in all models."""
    trained = learner.get("train", {}).get("layers", [])
    named = {"train.layers": [] if trained == "all" else trained, "at": learner.get("at", [])}
    named["layer"] = [learner["layer"]] if "layer" in learner else []
    for key, layers in named.items():
        for layer, model in itertools.product(layers, models):
            there = sizes.layer_count(pairing.original(config["models"], model), root)
            if isinstance(layer, int) and there is not None and layer >= there:
                problem(
                    f"learners.{name}.{key}",
                    f"{layer} is outside model {model!r}, which has layers 0 ... {there - 1}",
                )


def _check_against_icl(problem, where: str, entry: dict, config: dict) -> None:
    """Pairs whose first is one ICL; of ``steps`` with learners that have steps, of ``dose`` with
    one GD and at most one on functions."""
    learners = config["learners"]
    firsts = {names.base(pair[0]) for pair in entry["pairs"]}
    if len(firsts) > 1 or any(learners.get(one, {}).get("method") != "icl" for one in firsts):
        problem(
            f"{where}.pairs", f"ICL must stand first in each, found {', '.join(sorted(firsts))}"
        )
    seconds = list(dict.fromkeys(names.base(pair[1]) for pair in entry["pairs"]))
    methods = [learners.get(one, {}).get("method") for one in seconds]
    if entry["kind"] == "steps" and not set(methods) & {"gd", "kernel", "distil"}:
        problem(f"{where}.pairs", "no learner there takes steps")
    if entry["kind"] == "dose" and (methods.count("gd") != 1 or methods.count("kernel") > 1):
        problem(f"{where}.pairs", "one learner of method gd is needed, and at most one of kernel")


def _check_updates(problem, where: str, pairs: list, learners: dict) -> None:
    """A patch and a learner that trains weights, in each pair."""
    for pair in pairs:
        first, second = (learners.get(names.base(one), {}) for one in pair)
        if first.get("method") != "patch" or second.get("method") != "gd":
            problem(where, f"a learner of method patch is needed, then one of gd, not {pair}")
        elif {"lora", "reach"} & set(second.get("train", {})):
            problem(where, f"{pair[1]!r} trains no matrix that {pair[0]!r} is sure to patch")


def _check_label_dose(
    problem, where: str, tasks: list, designs: list, trained: list, config: dict
) -> None:
    """One task with flipped labels of it, each share once; ICL, and what is held against it."""
    entries = {name: config["tasks"][name] for name in tasks}
    parents = [name for name, entry in entries.items() if "of" not in entry]
    if len(parents) != 1:
        found = ", ".join(parents) or "none"
        problem(f"{where}.tasks", f"one task with right labels is needed, found {found}")
    parent = repr(parents[0]) if parents else "that task"
    seen: dict[tuple, str] = {}
    for name, entry in entries.items():
        if "of" in entry and (not pairing.same_draws(entry) or entry["of"] not in parents):
            wanted = f"'control: {pairing.FLIPPED}' or '{pairing.ABSTRACT}' of {parent}"
            problem(f"{where}.tasks", f"{name!r} is not {wanted}")
        labels = (entry.get("control", pairing.FLIPPED), entry.get("share", 0))
        if seen.setdefault(labels, name) != name:
            problem(f"{where}.tasks", f"{name!r} shows the same labels as {seen[labels]!r}")
    shares = [share for control, share in seen if control == pairing.FLIPPED]
    for design in designs:
        shots = config["demonstrations"][design]["shots"]
        if len({round(share * shots) for share in shares}) < len(shares):
            problem(
                f"{where}.demonstrations",
                f"design {design!r} shows {shots}: two shares are the same number of wrong labels",
            )
    if pairing.FLIPPED not in {entry.get("control") for entry in entries.values()}:
        problem(f"{where}.tasks", f"no task has 'control: {pairing.FLIPPED}', so there is no dose")
    known = {name: config["learners"].get(names.base(name), {}) for name in trained}
    for name, entry in known.items():
        if "reference" in entry:
            problem(f"{where}.learners", f"{name!r} has no answers of its own: it is a reference")
    icls = [
        name for name, one in known.items() if one.get("method") == "icl" and "model" not in one
    ]
    if len(icls) != 1 or len(known) < 2:
        found = ", ".join(icls) or "none"
        problem(f"{where}.learners", f"one ICL is needed, and others beside it, found {found}")


def _check_projections(
    problem, where: str, kind: str, models: list, learners: list, config: dict, root: Path
) -> None:
    """Single projections need a row of the model's architecture; of a hub model its step tells."""
    trained = {
        names.base(name): config["learners"].get(names.base(name), {}).get("train") or {}
        for name in learners
    }
    places = [
        f"learners.{name}.train"
        for name, train in trained.items()
        if {"matrices", "reach"} & set(train.get("lora") or train)
    ]
    places += [f"{where}.models"] if kind in ("attention", "sparsity") else []
    for model in models if places else []:
        found = sizes.architecture(pairing.original(config["models"], model), root)
        if reason := found and architectures.unknown(found):
            for place in dict.fromkeys(places):
                problem(place, f"model {model!r}: {reason}")


def _shift(config: dict, learner: str) -> str | None:
    return config["learners"].get(names.base(learner), {}).get("shift")


def check_compared(problem, where: str, entry: dict, config: dict) -> None:
    found = pairing.compared(config, entry)
    if not found:
        problem(
            where,
            "nothing is left to compare: references need designs with 'orders: 2' or 'draws: 2' "
            "at least, and no control has any",
        )
    elif entry["kind"] == "equivalence" and not any(
        pairing.is_reference(config, run[-1]) for run in found
    ):
        problem(
            f"{where}.of",
            "no design there has 'orders: 2' or more: ICL under another order is the reference",
        )
    if entry["kind"] == "sensitivity":
        _check_protocols(problem, where, entry, config, found)


def _check_protocols(problem, where: str, entry: dict, config: dict, compared: list) -> None:
    """ICL with itself reordered in every design, and with learners that train."""
    learners = config["learners"]
    seconds: dict[str, set[str]] = {name: set() for name in entry["demonstrations"]}
    icls = {a for *_, a, _ in compared if learners[names.base(a)].get("method") == "icl"}
    if len(icls) > 1:
        problem(f"{where}.pairs", f"one ICL is needed, found {', '.join(sorted(icls))}")
    for _, _, design, a, b in compared:
        if learners[names.base(a)].get("method") == "icl":
            seconds[design].add(names.base(b))
    for design, found in seconds.items():
        if not any(learners[name].get("shift") == "order" for name in found):
            problem(
                f"{where}.pairs",
                f"design {design!r} has no pair of ICL and its reference with 'shift: order', "
                "which is ICL's own noise: name it, and give the design 'orders: 2' or more",
            )
        if not any(learners[name].get("method") == "gd" for name in found):
            problem(f"{where}.pairs", "no pair is of ICL and a learner of method gd")


def _check_of(problem, where: str, given: list[str], config: dict) -> None:
    paired = [name for name, entry in config["figures"].items() if "pairs" in entry]
    for name in given:
        if name not in paired:
            problem(where, f"{name!r} is no figure with pairs {nearest(name, paired)}")
            continue
        for first in {names.base(pair[0]) for pair in config["figures"][name]["pairs"]}:
            if pairing.order_reference(config, first) is None:
                problem(
                    where,
                    f"{name!r} compares {first!r}, of which the learners have no reference with "
                    "'shift: order'",
                )
