"""Does any protocol of gradient descent close the gap to ICL?"""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from iclgd.reporting.findings import MODEL, Row, at, interval, short
from iclgd.reporting.names import Names

BRACKETS = "of the excess bounds of one-sided tests at 5 %, on either side; of accuracy 95 %"
# For the report: its section, what the figure means, and what it does not.
SECTION = "answers"
MEANS = "Whether the gap to ICL is one of this protocol of GD, or of all that were tried."
MEANS_NOT = "A grid is finite: what lies at its border might come nearer beyond it."
PLACE = ["model", "task", "shots", "design"]
ENDS = {"estimate": "", "low": "_low", "high": "_high"}
LOSSES = {"label": "label tokens", "all": "all tokens", "squared": "squared error"}
OPTIMISERS = {"sgd": "SGD", "nesterov": "Nesterov", "sign": "Sign", "adam": "Adam"}
OPTIMISERS |= {"monotone": "Monotone"}
WORDED = ("rate", "batch", "optimiser", "loss", "train", "causal")  # keys with words of their own


def findings(summary: pl.DataFrame) -> list[Row]:
    """The closest point of every protocol, and whether it is within reach of ICL."""
    head = ["learner", "distance", "ICL reordered", "excess", "smallest effect", "accuracy"]
    head += ["ICL's accuracy", "loss (nats)", "at the end of the grid", "verdict"]
    found = [[*MODEL, *head]]
    right = {tuple(row[name] for name in PLACE): row["accuracy"] for row in references(summary)}
    for row in closest(summary):
        place = [row["model"], row["task"], str(row["shots"])]
        learner = at(row["learner"], row["epoch"])
        values = [short(row["estimate"]), short(row["reference"]), _interval(row, "excess")]
        values += [short(row["smallest"]), _interval(row, "accuracy")]
        values += [short(right[tuple(row[name] for name in PLACE)]), short(row["loss"])]
        found.append([*place, learner, *values, row["border"] or "", verdict(row)])
    return found


def _interval(row: dict, name: str) -> str:
    return interval({part: row[f"{name}{end}"] for part, end in ENDS.items()})


def references(summary: pl.DataFrame) -> list[dict]:
    """Rows of ICL under another order; they have ICL's accuracy."""
    return list(summary.filter(learner_role="icl-reordered").sort(PLACE).iter_rows(named=True))


def closest(summary: pl.DataFrame) -> list[dict]:
    """One row for every protocol and place, the point nearest to ICL; without one, as diverged."""
    learners = summary.filter(pl.col("learner_role") != "icl-reordered")
    by = [*PLACE, "family"]
    rows = learners.filter("closest")
    lost = learners.join(rows, on=by, how="anti").group_by(by).agg(pl.col("smallest").first())
    lost = lost.with_columns(
        learner="family", epoch=pl.lit(0, pl.Int32), reached=False, missed=False
    )
    return list(pl.concat([rows, lost], how="diagonal_relaxed").sort(by).iter_rows(named=True))


def verdict(row: dict) -> str:
    """What the closest point of a protocol says, of a row of `closest`."""
    if row["estimate"] is None:
        return "diverged"
    if row["reached"]:
        return "within reach"
    return "out of reach" if row["missed"] else "undecided"


# --- words ---------------------------------------------------------------------------------


def protocol(entry: Mapping, shots: int) -> list[str]:
    """The parts of a protocol's name, by its entry in ``protocols`` of the figure.

    ``Adam, full batch`` and ``label tokens``; what else it sets follows.
    """
    batch, name = entry["batch"], OPTIMISERS.get(entry["optimiser"], entry["optimiser"])
    first = f"{name}, {'full batch' if batch is None else f'batch {batch}'}"
    parts = [LOSSES[entry["loss"]]]
    if entry.get("train"):
        parts.append(_part(entry["train"]))
    if entry.get("causal"):
        parts.append("layer-causal")
    parts += [f"{key} {one:g}" for key, one in entry.items() if key not in WORDED and one]
    steps = 1 if batch is None else -(-shots // batch)
    return [first, *parts, *([f"{steps} steps an epoch"] if steps > 1 else [])]


def protocols(entries: Mapping[str, Mapping], shots: int, names: Names) -> dict[str, list[str]]:
    """The name of every protocol; those that are told apart by nothing have their labels."""
    said = {family: protocol(entry, shots) for family, entry in entries.items()}
    alike = list(said.values())
    return {
        family: parts if alike.count(parts) == 1 else [*parts, names.label(family)]
        for family, parts in said.items()
    }


def ordered(entries: Mapping[str, Mapping]) -> list[str]:
    """Families by loss, optimiser and batch: label tokens, SGD and the full batch first."""

    def key(family: str) -> tuple:
        entry = entries[family]
        places = [
            [*known].index(entry[name]) if entry[name] in known else len(known)
            for name, known in (("loss", LOSSES), ("optimiser", OPTIMISERS))
        ]
        batch = entry["batch"]
        return (*places, entry["optimiser"], batch is not None, -(batch or 0), family)

    return sorted(entries, key=key)


def _part(train: Mapping) -> str:
    """What of the model a protocol trains."""
    if "lora" in train:
        return f"LoRA of rank {train['lora']['rank']}"
    if "parameters" in train:
        return f"{len(train['parameters'])} parameters"
    if "reach" in train:
        return f"the matrix of rank {train['reach']} by reach"
    layers = train["layers"]
    where = "all layers" if layers == "all" else f"layer {', '.join(f'{one:g}' for one in layers)}"
    return f"W {' '.join(train['matrices'])}, {where}"


def setting(row: dict, summary: pl.DataFrame, names: Names) -> str:
    """A model, task and design, in as few words as tell it from the others of the summary."""
    several = {name for name in PLACE if summary[name].n_unique() > 1}
    parts = [names.label(row[name]) for name in ("model", "task") if name in several]
    if "shots" in several:
        parts.append(f"{row['shots']} demonstrations")
    elif "design" in several:
        parts.append(row["design"])
    return ", ".join(parts) or names.label(row["task"])


def headline(summary: pl.DataFrame, names: Names) -> str:
    """Whether any protocol closes the gap to ICL, and whether for more than one task and model.

    A protocol closes it where its closest point is within reach (`verdict`).
    """
    rows = closest(summary)
    count = len({row["family"] for row in rows})
    if not rows:
        return "No protocol of gradient descent was tried"
    effect = f"{rows[0]['smallest']:g}".replace("0.", ".", 1)
    aim = f"within {effect} of ICL's own noise"
    reached: dict[str, list[dict]] = {}  # by setting
    for row in rows:
        own = reached.setdefault(setting(row, summary, names), [])
        own += [row] * row["reached"]
    varied = _varied(rows)
    what = varied[0] if len(varied) == 1 else "setting"
    where = f", in {len(reached)} of {len(reached)} {what}s"
    if len(reached) == 1:
        where = f" in {next(iter(reached))}"
    if not any(reached.values()):
        open_ones = sum(verdict(row) == "undecided" for row in rows)
        none = "The only protocol does not come" if count == 1 else f"No protocol of {count} comes"
        if not open_ones:
            return f"{none} {aim}{where}"
        none = none.replace(" come", " surely come")
        return f"{none} {aim}{where} ({open_ones} of {len(rows)} undecided)"
    able = {row["family"] for found in reached.values() for row in found}
    if len(reached) == 1:
        return f"{_of(len(able), count)} {aim}{where}"
    own: dict[str, list[dict]] = {}
    for row in (row for found in reached.values() for row in found):
        own.setdefault(row["family"], []).append(row)
    wide = {
        name: sum(name in _varied(found) and len(found) > 1 for found in own.values())
        for name in varied
    }
    beyond = [f"{some or 'none'} for more than one {name}" for name, some in wide.items()]
    places = sum(bool(found) for found in reached.values())
    if len(varied) > 1:
        return f"{_of(len(able), count)} {aim} somewhere: {', '.join(beyond)}"
    told = f"{_of(len(able), count)} {aim} in {places} of {len(reached)} {what}s"
    if len(reached) <= 3:
        (first, *more) = sorted(reached.items(), key=lambda one: -len(one[1]))
        told = f"{_of(len(first[1]), count)} {aim} in {first[0]}"
        told += "".join(f", {len(found) or 'none'} in {name}" for name, found in more)
    return told if places == 1 else f"{told}; {beyond[0]}"


def borders(summary: pl.DataFrame) -> str:
    """How many closest points lie where the grid of epochs and rates ends, in a sentence."""
    rows = [row["border"] or "" for row in closest(summary)]
    ends = {"lie at the last epoch": "last epoch", "at an end of the rates": " rate"}
    found = [f"{sum(end in row for row in rows)} {words}" for words, end in ends.items()]
    return f"Of {len(rows)} closest points, {' and '.join(found)} tried."


def _of(some: int, count: int) -> str:
    if count == 1:
        return "The only protocol comes"
    return f"{some} of {count} protocols {'comes' if some == 1 else 'come'}"


def _varied(rows: list[dict]) -> list[str]:
    """What differs between the places of these rows: task, model, or else their design."""
    several = {name for name in PLACE if len({row[name] for row in rows}) > 1}
    return [name for name in ("task", "model") if name in several] or ["design"]


# --- shapes --------------------------------------------------------------------------------


def outline(tiles: set[tuple[int, int]]) -> list[tuple[int, int, int, int]]:
    """The edges (x, y, x2, y2) between tiles that are in a set and those that are not.

    A tile (x, y) spans x to x + 1 and y to y + 1; edges on one line are joined.
    """
    across = {
        (x, y + side) for x, y in tiles for side in (0, 1) if (x, y - 1 + 2 * side) not in tiles
    }
    down = {
        (x + side, y) for x, y in tiles for side in (0, 1) if (x - 1 + 2 * side, y) not in tiles
    }
    found = []
    for x, y in sorted(across, key=lambda one: (one[1], one[0])):
        if found and found[-1][2:] == (x, y) and found[-1][1] == y:
            found[-1] = (*found[-1][:2], x + 1, y)
        else:
            found.append((x, y, x + 1, y))
    standing = []
    for x, y in sorted(down):
        if standing and standing[-1][2:] == (x, y):
            standing[-1] = (*standing[-1][:2], x, y + 1)
        else:
            standing.append((x, y, x, y + 1))
    return found + standing


def fitting(texts: list[str], places: list[float], gap: float, wide: list[float]) -> list[int]:
    """Which of the labels at growing places do not run into each other, the last one first."""
    kept: list[int] = []
    for i in reversed(range(len(texts))):
        if not kept or places[kept[-1]] - wide[kept[-1]] / 2 - places[i] - wide[i] / 2 >= gap:
            kept.append(i)
    return kept[::-1]
