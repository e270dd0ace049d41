"""Which learners a figure compares, on which model, task and design."""

from __future__ import annotations

from iclgd.study import names

BLOCK = 5  # draws per job
# Controls of tasks that change labels alone, and of label doses (kind `label_dose`).
FLIPPED, ABSTRACT = "flipped", "abstract"
RELABELLED = (FLIPPED, ABSTRACT)


def original(entries: dict, name: str) -> dict:
    """The entry itself, or the one that it is made of."""
    entry = entries[names.base(name)]
    return entries[names.base(entry["of"])] if "of" in entry else entry


def same_draws(task: dict) -> bool:
    """Whether a task shows the examples that its original shows, with other labels alone."""
    return task.get("control") in RELABELLED


def parts(config: dict, entry: dict) -> list[dict]:
    """A figure's entry, or those of the figures that it is of."""
    return [config["figures"][name] for name in entry["of"]] if "of" in entry else [entry]


def is_reference(config: dict, learner: str) -> bool:
    """Whether a learner is another under another order or with other demonstrations."""
    return "reference" in config["learners"][names.base(learner)]


def order_reference(config: dict, learner: str) -> str | None:
    """The learner that is this one under another order; None if there is none."""
    of = {"reference": names.base(learner), "shift": "order"}
    entries = config["learners"].items()
    return next((name for name, entry in entries if of.items() <= entry.items()), None)


def blocks(design: dict) -> list[str]:
    """Blocks of draws, one job each: ``["0-4", "5-9"]``; more draws leave full blocks alone."""
    size, first = design.get("block", BLOCK), design.get("first", 0)
    end = first + design["draws"]
    return [f"{i}-{min(i + size, end) - 1}" for i in range(first, end, size)]


def comparable(config: dict, design: str, learner: str) -> bool:
    """Whether a design has the second order or draw that a reference needs."""
    shift = config["learners"][names.base(learner)].get("shift")
    entry = config["demonstrations"][design]
    if shift == "order":
        return entry.get("orders", 1) != 1
    return shift != "draw" or entry["draws"] > 1


def controlled_pairs(config: dict, entry: dict, model: str, task: str) -> list[list[str]]:
    """The pairs of a figure that a model and a task are compared with.

    Of controls only the pair itself counts, not its references, and one control at a time.
    """
    originals = config["models"][names.base(model)], config["tasks"][task]
    controls = sum("of" in original for original in originals)
    if entry["kind"] != "controls" or controls == 0:
        return entry["pairs"]
    learners = [] if controls == 2 else entry["pairs"]
    return [pair for pair in learners if not is_reference(config, pair[1])]


def models(config: dict, entry: dict) -> list[str]:
    """The models of a figure in which learners are compared row by row.

    Of kind ``dose`` the construction alone. A model that departs from it learns the same by GD, to
    the last bit: GD is asked the query alone, and departures are in the attention to other lines.
    So their ICL is compared with the construction's GD, by the step that chooses a rate.
    """
    found = names.expand_all(entry["models"], config["models"])
    return [one for one in found if not names.value(one)] if entry["kind"] == "dose" else found


def departed(config: dict, entry: dict) -> list[tuple[str, str, str, str]]:
    """(model, task, design, learner) of the ICL of models that depart from a construction."""
    there = set(models(config, entry))
    return [
        (model, task, design, a)
        for model in names.expand_all(entry["models"], config["models"])
        if model not in there
        for task in entry["tasks"]
        for design in entry["demonstrations"]
        for a in dict.fromkeys(pair[0] for pair in entry["pairs"])
    ]


def compared(config: dict, entry: dict) -> list[tuple[str, str, str, str, str]]:
    """(model, task, design, a, b) of every agreement table that a figure shows.

    A reference that a design has no second order for is left out. A figure of other figures
    takes their learners, and ICL under another order; of kind ``epochs``, which draws them again,
    all that they compare.
    """
    found = [
        (model, task, design, a, b)
        for part in parts(config, entry)
        for model in models(config, part)
        for task in part["tasks"]
        for design in part["demonstrations"]
        for first, second in controlled_pairs(config, part, model, task)
        for a in names.expand_all([first], config["learners"])
        for b in names.expand_all([second], config["learners"])
    ]
    if "of" in entry and entry["kind"] != "epochs":
        learners = [run for run in found if not is_reference(config, run[-1])]
        found = [
            (*run, a, b)
            for *run, a, learner in learners
            for b in (learner, order_reference(config, a))
        ]
    if entry["kind"] == "equivalence":
        found += [
            (*run, learner, again)
            for *run, a, learner in found
            if not is_reference(config, learner) and (again := order_reference(config, learner))
        ]
    return [run for run in dict.fromkeys(found) if comparable(config, run[2], run[-1])]
