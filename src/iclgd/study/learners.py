"""What is wrong with a learner, or with a pair of two: see ``iclgd.study.checks``."""

from __future__ import annotations

from iclgd.learners import kernels, optimisers, solvers, taught
from iclgd.study import names
from iclgd.study.jobs import DISPLAY
from iclgd.study.values import exactly_one, nearest

METHODS = ("icl", "gd", "tangent", "kernel", *taught.METHODS, "bayes", "solver")
TRAINED = ({"lora"}, {"layers", "matrices"}, {"parameters"}, {"reach"})  # what a learner may train


def check(problem, where: str, entry: dict, config: dict) -> None:
    """Call ``problem`` for what is wrong with a learner of ``config``."""
    learners, models = config["learners"], config["models"]
    if "reference" in entry:
        if entry["reference"] not in learners:
            problem(
                f"{where}.reference",
                f"{entry['reference']!r} is no learner {_family_or_near(entry, learners)}",
            )
        else:
            _check_repeated(problem, where, entry, learners[entry["reference"]])
        if "shift" not in entry:
            problem(where, "key 'shift' is missing beside 'reference'")
        extra = set(entry) - {"reference", "shift", *DISPLAY}
    elif entry.get("method") == "gd":
        exactly_one(problem, where, entry, ("rate", "rates"))
        _check_rates(problem, where, entry)
        own = {key: entry[key] for key in optimisers.known_settings() if key in entry}
        if wrong := optimisers.foreign(entry.get("optimiser", "sgd"), own):
            problem(where, wrong)
        _check_train(problem, where, entry)
        if "causal" in entry and "layers" not in entry.get("train", {}):
            problem(f"{where}.causal", "it needs 'train' with 'layers' and 'matrices'")
        if "causal" in entry and entry.get("loss") == "squared":
            problem(f"{where}.causal", "the squared loss has no layers")
        own = {key for keys in taught.KEYS.values() for key in keys}
        own |= {"shift", "model", "imagined", "solver", *kernels.SETTINGS}
        own |= {*solvers.known_settings()}
        extra = own & set(entry)
    elif entry.get("method") == "tangent":
        _check_train(problem, where, entry)
        extra = set(entry) - {"method", "train", "orders", *DISPLAY}
    elif entry.get("method") == "kernel":
        if entry.get("step") != kernels.NEWTON:
            exactly_one(problem, where, entry, ("rate", "rates"))
        elif {"rate", "rates"} & set(entry):
            problem(where, "'step: newton' has no rate")
        _check_rates(problem, where, entry)
        if "kernel" not in entry:
            problem(where, f"key 'kernel' is missing, one of {', '.join(kernels.KERNELS)}")
        if entry.get("loss", "label") not in kernels.LOSSES:
            problem(f"{where}.loss", f"a kernel has one of {', '.join(kernels.LOSSES)}")
        given = (entry.get(key, usual) for key, usual in kernels.USUAL.items())
        if wrong := kernels.unlike(*given, "plus" in entry, "ridge" in entry):
            problem(where, wrong)
        known = {"method", "rates", "orders", *kernels.DESCENT, *kernels.SETTINGS, *DISPLAY}
        extra = set(entry) - known
    elif entry.get("method") in taught.METHODS:
        known = {"method", "orders", *taught.KEYS[entry["method"]], *DISPLAY}
        if entry["method"] == "distil":
            _check_distilled(problem, where, entry)
            known |= {"rates", *taught.DESCENT}
        extra = set(entry) - known
    elif entry.get("method") == "solver":
        if "solver" not in entry:
            problem(where, f"key 'solver' is missing, one of {', '.join(solvers.SOLVERS)}")
            return
        own = {key: entry[key] for key in solvers.known_settings() if key in entry}
        if wrong := solvers.foreign(entry["solver"], own):
            problem(where, wrong)
        if entry.get("layer") == kernels.UNEMBEDDING:
            problem(f"{where}.layer", f"{kernels.UNEMBEDDING!r} is of method kernel alone")
        extra = set(entry) - {"method", "solver", *solvers.known_settings(), *DISPLAY}
    elif entry.get("method") in ("icl", "bayes"):
        own = {"model"} if entry["method"] == "icl" else set()
        extra = set(entry) - {"method", "imagined", *own, *DISPLAY}
        if "model" in entry and entry["model"] not in names.known(models):
            problem(f"{where}.model", f"{entry['model']!r} {names.hint(entry['model'], models)}")
    else:
        known = ", ".join(METHODS)
        problem(where, f"key 'method' (one of {known}) or 'reference' is missing")
        return
    for key in sorted(extra):
        problem(where, f"key {key!r} has no meaning here")


def _check_train(problem, where: str, entry: dict) -> None:
    train = entry.get("train")
    if train is not None and set(train) not in TRAINED:
        problem(
            f"{where}.train",
            "both 'layers' and 'matrices' are needed, or 'lora', 'parameters' or 'reach'",
        )
    elif "reach" in (train or {}) and entry["method"] != "gd":
        problem(f"{where}.train", "'reach' is for learners of method gd")


def _check_distilled(problem, where: str, entry: dict) -> None:
    exactly_one(problem, where, entry, ("rate", "rates"))
    _check_rates(problem, where, entry)
    _check_train(problem, where, entry)
    optimiser = entry.get("optimiser", "adam")
    if optimisers.OPTIMISERS[optimiser].judges:
        problem(f"{where}.optimiser", f"{optimiser!r} judges runs by their own loss: use another")
    if wrong := optimisers.foreign(optimiser, {k: entry[k] for k in ("momentum",) if k in entry}):
        problem(where, wrong)


def _check_rates(problem, where: str, entry: dict) -> None:
    spelled = [names.spelled(rate) for rate in entry.get("rates", [])]
    for name in {one for one in spelled if spelled.count(one) > 1}:
        problem(f"{where}.rates", f"two of them go by the name {name}")


def _family_or_near(entry: dict, learners: dict) -> str:
    """What may have been meant by a reference that is no learner: of ``gd@0.01`` it is ``gd``."""
    family = names.base(entry["reference"])
    if family != entry["reference"] and family in learners:
        return f"(write {family!r}: each of its rates is compared with itself)"
    return nearest(entry["reference"], learners)


def _check_repeated(problem, where: str, entry: dict, repeated: dict) -> None:
    """Call ``problem`` where the learner that a reference repeats cannot be repeated."""
    if "reference" in repeated:
        problem(
            f"{where}.reference",
            f"{entry['reference']!r} is a reference itself, of {repeated['reference']!r}",
        )
    elif entry.get("shift") == "order" and repeated.get("orders") == 1:
        problem(
            f"{where}.reference",
            f"{entry['reference']!r} trains on one order of each draw ('orders: 1'), so that there "
            "is no other to compare it with: give it 'orders: 2' or more",
        )


def check_pair(problem, where: str, first: str, second: str, learners: dict) -> None:
    """A reference stands second, beside the learner that it repeats, and has no rate of its own."""
    for name in (first, second):
        entry = learners.get(names.base(name), {})
        if "reference" not in entry:
            continue
        repeated = entry["reference"]
        if name != names.base(name) or name == first:
            rated = f"{repeated}@{names.value(name)}" if names.value(name) else repeated
            problem(
                where,
                f"{name!r} is a reference of {repeated!r}, which stands second and takes its "
                f"rate from the first, as in [{rated}, {names.base(name)}]",
            )
            return
    of = learners.get(second, {}).get("reference", names.base(first))
    if of != names.base(first):
        problem(where, f"{second!r} is a reference of {of!r}, not of {first!r}")
