"""Kinds of figures: one row for each, and one for each statistic that they show.

A kind ``K`` is a row of `KINDS`, ``src/iclgd/reporting/kinds/K.py`` with its table of findings, and
``src/plot_K.py``, which draws it; a statistic ``S`` is a row of
`STATISTICS` and ``src/summarise_S.py``. Rules are made of these rows (``rules/figures.smk``);
an input's name is the option of the script and the method of ``iclgd.study.figures`` that
finds its files.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from iclgd.study.captions import CAPTIONS

RUNS = ("models", "tasks", "demonstrations")
PAIRS, LEARNERS = (*RUNS, "pairs"), (*RUNS, "learners")


@dataclass(frozen=True)
class Statistic:
    """How a summary is computed.

    ``inputs``: tables by option. ``needs``: files that must be there, but have no option.
    ``figure_keys``: keys of ``--figure`` beside its name, kind and roles. ``ending``: of the file.
    """

    inputs: tuple[str, ...]
    figure_keys: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    ending: str = ""
    environment: str = "plot"


STATISTICS = {
    "accuracy": Statistic(("logits",), ending=".accuracy"),
    "agreement": Statistic(("agreement",)),
    "attention": Statistic(("attention", "logits"), figure_keys=("reference", "causal")),
    "checkpoints": Statistic(("accuracy", "drift")),
    "controls": Statistic(("agreement",), figure_keys=("controls",)),
    "curves": Statistic(("agreement", "curves")),
    "dose": Statistic(("agreement", "logits", "manifests")),
    "equivalence": Statistic(
        ("agreement",), figure_keys=("reference", "replicates", "primary", "smallest_effect")
    ),
    "errors": Statistic(("agreement",)),
    "existence": Statistic(("agreement",)),
    "label_dose": Statistic(("logits", "demonstrations", "task"), figure_keys=("controls",)),
    "nearest": Statistic(("agreement", "logits")),
    "order": Statistic(("logits",), figure_keys=("reference",), ending=".order"),
    "reach": Statistic(("reach",)),
    "regression": Statistic(("models",), needs=("folders",), environment="torch"),
    "sensitivity": Statistic(("agreement",), figure_keys=("smallest_effect",)),
    "sparsity": Statistic(("sparsity", "circuits")),
    "steps": Statistic(("agreement",)),
    "updates": Statistic(("updates",)),
    "twins": Statistic(("perplexity", "manifests")),
    "variance": Statistic(("logits", "demonstrations", "task")),
}


@dataclass(frozen=True)
class Kind:
    """A kind of figure.

    ``keys``: what its entry must have, beside ``kind``; ``optional``: what it may have, beside
    ``title``. ``statistic``: what it shows. ``inputs``: other files that its plot reads.
    ``figure_keys``: keys of ``--figure`` beside its title, labels and roles. ``explored``: whether
    the report's explorer shows its pairs of learners.
    """

    keys: tuple[str, ...]
    statistic: str
    caption: str = ""  # of the report, and of Snakemake's own; none is refused (`problems`)
    inputs: tuple[str, ...] = ()
    figure_keys: tuple[str, ...] = ()
    explored: bool = False
    optional: tuple[str, ...] = ()

    def summary(self, figure: str) -> str:
        """The name of the table that a figure of this kind shows."""
        return f"{figure}{STATISTICS[self.statistic].ending}"

    @property
    def statistics(self) -> tuple[str, ...]:
        """All that is computed for it: what it shows, and the summaries that these read."""
        read = (*self.inputs, *STATISTICS[self.statistic].inputs)
        return (self.statistic, *(one for one in read if one in BESIDE))


# Summaries that another summary or a plot reads, by the name of its option.
BESIDE = ("accuracy", "order")
# The method of `figures.Figure` that finds the files of an option, where its name is another.
METHODS = {"models": "manifests", "task": "tasks"}


KINDS = {
    "agreement": Kind(
        PAIRS,
        "agreement",
        CAPTIONS["agreement"],
        figure_keys=("chance",),
        explored=True,
    ),
    "epochs": Kind(
        ("of",),
        "agreement",
        CAPTIONS["epochs"],
        figure_keys=("chance",),
    ),
    "equivalence": Kind(
        ("of",),
        "equivalence",
        CAPTIONS["equivalence"],
        optional=("primary", "smallest_effect", "seeds"),
    ),
    "errors": Kind(
        ("of",),
        "errors",
        CAPTIONS["errors"],
    ),
    "existence": Kind(
        PAIRS,
        "existence",
        CAPTIONS["existence"],
    ),
    "nearest": Kind(
        ("of",),
        "nearest",
        CAPTIONS["nearest"],
    ),
    "sensitivity": Kind(
        PAIRS,
        "sensitivity",
        CAPTIONS["sensitivity"],
        figure_keys=("protocols",),
        optional=("smallest_effect",),
    ),
    "shots": Kind(
        PAIRS,
        "agreement",
        CAPTIONS["shots"],
        figure_keys=("chance",),
        explored=True,
    ),
    "size": Kind(
        PAIRS,
        "agreement",
        CAPTIONS["size"],
        inputs=("manifests",),
        figure_keys=("chance",),
        explored=True,
    ),
    "depth": Kind(
        PAIRS,
        "curves",
        CAPTIONS["depth"],
    ),
    "scale": Kind(
        ("models", "tasks", "runs"),
        "accuracy",
        CAPTIONS["scale"],
    ),
    "order": Kind(
        LEARNERS,
        "order",
        CAPTIONS["order"],
        figure_keys=("learners",),
    ),
    "variance": Kind(
        LEARNERS,
        "variance",
        CAPTIONS["variance"],
        inputs=("order",),
        figure_keys=("learners",),
    ),
    "attention": Kind(
        LEARNERS,
        "attention",
        CAPTIONS["attention"],
        figure_keys=("learners",),
    ),
    "sparsity": Kind(
        ("models",),
        "sparsity",
        CAPTIONS["sparsity"],
    ),
    "checkpoints": Kind(
        LEARNERS,
        "checkpoints",
        CAPTIONS["checkpoints"],
        figure_keys=("chance", "learners"),
    ),
    "controls": Kind(
        PAIRS,
        "controls",
        CAPTIONS["controls"],
        figure_keys=("controls",),
    ),
    "dose": Kind(
        PAIRS,
        "dose",
        CAPTIONS["dose"],
    ),
    "label_dose": Kind(
        LEARNERS,
        "label_dose",
        CAPTIONS["label_dose"],
        figure_keys=("chance",),
    ),
    "reach": Kind(
        ("models", "tasks", "demonstrations"),
        "reach",
        CAPTIONS["reach"],
    ),
    "updates": Kind(
        PAIRS,
        "updates",
        CAPTIONS["updates"],
    ),
    "steps": Kind(
        PAIRS,
        "steps",
        CAPTIONS["steps"],
    ),
    "regression": Kind(
        ("models",),
        "regression",
        CAPTIONS["regression"],
    ),
    "twins": Kind(
        ("models",),
        "twins",
        CAPTIONS["twins"],
    ),
}


def showing(statistic: str) -> list[str]:
    """The kinds of figures that a statistic is computed for."""
    return [name for name, kind in KINDS.items() if statistic in kind.statistics]


def problems(workflow: Path) -> list[str]:
    """One line for every row that lacks its caption, a file of its own, or the summary it shows."""
    found = []
    for name, kind in KINDS.items():
        if not kind.caption:
            found.append(f"config: kind {name!r} of figures has no caption (iclgd.study.kinds)")
        if kind.statistic not in STATISTICS:
            found.append(f"config: kind {name!r} of figures shows no statistic {kind.statistic!r}")
    files = [f"src/plot_{name}.py" for name in KINDS] + [module(name) for name in KINDS]
    for file in [*files, *(f"src/summarise_{name}.py" for name in STATISTICS)]:
        if not (workflow / file).is_file():
            found.append(f"config: {file} is missing, which iclgd.study.kinds has a row for")
    return found


def module(kind: str) -> str:
    """The file of a kind's module (``iclgd.reporting.kinds``), below the workflow's folder."""
    return f"src/iclgd/reporting/kinds/{kind}.py"
