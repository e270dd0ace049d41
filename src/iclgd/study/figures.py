"""From the entry of a figure to its runs, its files and the arguments of its steps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from iclgd.study import jobs, modelfiles, names, pairing, paths, roles, sizes
from iclgd.study.kinds import KINDS, Kind

Run = tuple[str, str, str, str]  # model, task, design, learner
Pair = tuple[str, str, str, str, str]  # model, task, design, a, b

UNTOLD = ("epochs", "record", "until", "stall")  # settings that are no part of a protocol


def blocks(config: dict, template: str, run: Run) -> list[str]:
    """The files of a run, one for each block of draws."""
    model, task, design, learner = run
    return [
        template.format(model=model, task=task, design=design, learner=learner, draws=draws)
        for draws in pairing.blocks(config["demonstrations"][design])
    ]


@dataclass(frozen=True)
class Figure:
    """One entry of ``figures`` in a configuration that has been checked."""

    config: dict
    name: str

    @property
    def entry(self) -> dict:
        return self.config["figures"][self.name]

    @property
    def kind(self) -> Kind:
        return KINDS[self.entry["kind"]]

    @property
    def title(self) -> str:
        return self.entry.get("title", self.name)

    @property
    def parts(self) -> list[dict]:
        return pairing.parts(self.config, self.entry)

    @cached_property
    def models(self) -> list[str]:
        found = dict.fromkeys(name for part in self.parts for name in part["models"])
        return list(dict.fromkeys(names.expand_all(found, self.config["models"])))

    @cached_property
    def runs(self) -> list[Run]:
        """Of every logits table that the figure shows."""
        entry, learners = self.entry, self.config["learners"]
        if self.pairs:
            found = [
                (model, task, design, learner)
                for model, task, design, *pair in self.pairs
                for learner in pair
                if not pairing.is_reference(self.config, learner)
            ]
            if entry["kind"] == "dose":
                found += pairing.departed(self.config, entry)
            return list(dict.fromkeys(found))
        shown = entry.get("runs") or [
            (design, learner)
            for design in entry.get("demonstrations", [])
            for learner in entry.get("learners", [])
        ]
        return [
            (model, task, design, learner)
            for model in self.models
            for task in entry.get("tasks", [])
            for design, name in shown
            for learner in names.expand_all([name], learners)
        ]

    @cached_property
    def pairs(self) -> list[Pair]:
        """Of every agreement table that the figure shows."""
        compares = "pairs" in self.entry or "of" in self.entry
        return pairing.compared(self.config, self.entry) if compares else []

    @property
    def order_reference(self) -> str:
        """ICL under another order, as a figure of other figures calls it."""
        return pairing.order_reference(self.config, self.pairs[0][3])

    # --- files, by the name of the option that takes them --------------------------------

    def agreement(self) -> list[str]:
        return self._of_pairs(paths.AGREEMENT)

    def curves(self) -> list[str]:
        return self._of_pairs(paths.CURVES)

    def _of_pairs(self, template: str) -> list[str]:
        return [
            template.format(model=model, task=task, design=design, a=a, b=b)
            for model, task, design, a, b in self.pairs
        ]

    def logits(self) -> list[str]:
        return [path for run in self.runs for path in blocks(self.config, paths.LOGITS, run)]

    def attention(self) -> list[str]:
        """Of every learner but the first, which is ICL."""
        icl = names.expand_all(self.entry["learners"][:1], self.config["learners"])
        runs = [run for run in self.runs if run[-1] not in icl]
        return [path for run in runs for path in blocks(self.config, paths.ATTENTION, run)]

    def updates(self) -> list[str]:
        return [
            paths.UPDATES.format(model=model, task=task, design=design, a=a, b=b, draws=draws)
            for model, task, design, a, b in self.pairs
            for draws in pairing.blocks(self.config["demonstrations"][design])
        ]

    def reach(self) -> list[str]:
        return [
            paths.REACH.format(model=model, task=task, design=design, draws=draws)
            for model in self.models
            for task in self.entry["tasks"]
            for design in self.entry["demonstrations"]
            for draws in pairing.blocks(self.config["demonstrations"][design])
        ]

    def manifests(self) -> list[str]:
        return self._of_models(paths.MANIFEST)

    def folders(self) -> list[str]:
        return self._of_models(paths.MODEL)

    def perplexity(self) -> list[str]:
        return self._of_models(paths.PERPLEXITY)

    def sparsity(self) -> list[str]:
        return self._of_models(paths.SPARSITY)

    def circuits(self) -> list[str]:
        return self._of_models(paths.CIRCUITS)

    def _of_models(self, template: str) -> list[str]:
        return [template.format(model=model) for model in self.models]

    def drift(self) -> list[str]:
        """Of every checkpoint from the first checkpoint of its model."""
        first: dict[str, str] = {}
        for model in self.models:
            first.setdefault(names.base(model), model)
        return [
            paths.DRIFT.format(model=model, reference=first[names.base(model)])
            for model in self.models
        ]

    def demonstrations(self) -> list[str]:
        return [
            paths.DEMONSTRATIONS.format(task=task, design=design, draws=draws)
            for task in self.entry["tasks"]
            for design in self.entry["demonstrations"]
            for draws in pairing.blocks(self.config["demonstrations"][design])
        ]

    def tasks(self) -> list[str]:
        return [paths.TASK.format(task=task) for task in self.entry["tasks"]]

    # --- the JSON object that its steps receive --------------------------------------------

    def description(self, keys: tuple[str, ...]) -> dict:
        """``--figure`` (``iclgd.io.figures.Figure``) with these keys beside the usual ones."""
        found = {"name": self.name, "kind": self.entry["kind"], "roles": self.roles()}
        return found | {key: getattr(self, f"_{key}")() for key in keys}

    def named(self) -> list[str]:
        """Base names of all models, tasks and learners that the figure names."""
        found: list[str] = []
        for part in self.parts:
            found += [*part["models"], *part.get("tasks", []), *part.get("learners", [])]
            found += [learner for _, learner in part.get("runs", [])]
            found += [learner for pair in part.get("pairs", []) for learner in pair]
        if "of" in self.entry:
            found.append(self.order_reference)
        return sorted({names.base(name) for name in found})

    def roles(self) -> dict[str, str]:
        known = roles.of_study(self.config)
        return {name: known[name] for name in self.named()}

    def _title(self) -> str:
        return self.title

    def _labels(self) -> dict[str, str]:
        known = labels(self.config)
        return {name: known[name] for name in self.named() if name in known}

    def _chance(self) -> dict[str, float]:
        """Accuracy of guessing among the label words, by task."""
        tasks = self.config["tasks"]
        shown = dict.fromkeys(task for part in self.parts for task in part["tasks"])
        return {task: 1 / sizes.classes(pairing.original(tasks, task)) for task in shown}

    def _controls(self) -> dict[str, list[str]]:
        """What each control is: its name to its original and its kind."""
        found = {}
        for catalogue in ("models", "tasks"):
            entries = self.config[catalogue]
            for name in self.entry[catalogue]:
                entry = entries[names.base(name)]
                if "of" in entry:
                    found[name] = [entry["of"], entry["control"]]
        return found

    def _learners(self) -> list[str]:
        return names.expand_all(self.entry["learners"], self.config["learners"])

    def _reference(self) -> str:
        return self.order_reference if "of" in self.entry else self.entry["learners"][0]

    def _replicates(self) -> dict[str, str]:
        """Learners with the learner that is the same on reordered demonstrations."""
        found = {names.base(a) for *_, a, _ in self.pairs} - {names.base(self.pairs[0][3])}
        return {name: pairing.order_reference(self.config, name) for name in sorted(found)}

    @property
    def tests(self) -> list[Run]:
        """Every primary test of a figure of verdicts: what trains, and no control."""
        known = roles.of_study(self.config)
        entry = {**self.entry, "of": self.entry.get("primary", self.entry["of"])}
        found = [
            (model, task, design, names.base(b))
            for model, task, design, a, b in pairing.compared(self.config, entry)
            if known[names.base(a)] == "icl" and known[names.base(b)] in roles.TRAINED
            if known[names.base(model)] not in ("control", "construction")
            if known[task] != "control"
        ]
        return list(dict.fromkeys(found))

    def _primary(self) -> list[list[str]]:
        return [list(one) for one in self.tests]

    def _smallest_effect(self) -> float | None:
        return self.entry.get("smallest_effect")

    def _seeds(self) -> list[str]:
        return self.entry.get("seeds", [])

    def _protocols(self) -> dict[str, dict]:
        """How each learner that trains descends, its rate included, by its whole name.

        A batch that no design of the figure has more demonstrations than is full: it is None.
        """
        designs = self.config["demonstrations"]
        most = max((designs[run[2]]["shots"] for run in self.runs), default=0)
        found = {}
        for name in dict.fromkeys(run[-1] for run in self.runs):
            entry = self.config["learners"][names.base(name)]
            if entry.get("method") in ("gd", "kernel"):
                own = {"batch": None, "optimiser": "sgd", "loss": "label"}
                own |= {key: one for key, one in jobs.learner(self.config, name).items()}
                if own["batch"] is not None and own["batch"] >= most:
                    own["batch"] = None
                found[name] = {key: one for key, one in own.items() if key not in UNTOLD}
        return found

    def _causal(self) -> list[str]:
        learners = self.config["learners"]
        return [name for name in self.named() if "causal" in learners.get(name, {})]


def labels(config: dict) -> dict[str, str]:
    """The ``label`` of every entry, for readers.

    A model's says what it was quantised to and that it follows instructions, by itself or in
    brackets; a model of which there is something to tell has one.
    """
    found = {
        name: entry["label"]
        for catalogue in ("models", "tasks", "learners")
        for name, entry in config[catalogue].items()
        if "label" in entry
    }
    for name, entry in config["models"].items():
        plain = found.get(name, name)
        if (label := modelfiles.told(config, entry).beside(plain)) != plain:
            found[name] = label
    return found
