"""A study: its checked configuration, and the inputs and parameters of the rules.

Methods that take ``wildcards`` are functions for ``input:`` and ``params:`` of rules. They need no
Snakemake, so that tests call them directly.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from iclgd.study import (
    checks,
    claims,
    config,
    figures,
    jobs,
    kinds,
    names,
    pairing,
    paths,
    places,
    roles,
    scalars,
    shared,
)
from iclgd.study.config import ConfigError

DEFAULT = "default"
Files = list[str]


def name_of(files: Iterable[str | Path]) -> str:
    """The study's name: that of its last file; ``config.yaml`` has that of the default one."""
    stems = [Path(file).stem for file in files]
    return next((one for one in reversed(stems) if one not in ("", "config")), DEFAULT)


class Study:
    """Raises ConfigError with everything that is wrong, one line each."""

    def __init__(self, entries: dict, name: str = DEFAULT, root: Path = Path(".")):
        checks.check(entries, root)
        self.name = entries.get("study", name)
        self.config = {key: one for key, one in entries.items() if key != "study"}
        config.simplify(self.config)
        problems = self._problems(root)
        if problems:
            raise ConfigError(problems)
        self.paths = paths.OfStudy(self.name)
        self.models, self.tasks = self.config["models"], self.config["tasks"]
        self.designs, self.learners = self.config["demonstrations"], self.config["learners"]
        self.figures = {name: figures.Figure(self.config, name) for name in self.config["figures"]}
        if len(shlex.quote(self.study_json(None))) > 1.2 * checks.COMMAND:
            raise ConfigError([checks.TOO_LONG])

    def _problems(self, root: Path) -> list[str]:
        way = "name it by `study: NAME` in the configuration, or by --config study=NAME"
        if not scalars.matches(scalars.NAME, self.name):
            return [
                f"config: the name of this study, {self.name!r}, must be {scalars.NAME[2]}; {way}"
            ]
        if self.name in (*paths.SHARED, "benchmarks"):
            return [
                f"config: results/{self.name} is a folder of all studies, so no study's name; {way}"
            ]
        own = kinds.problems(places.WORKFLOW) or claims.problems(places.WORKFLOW)
        return own or shared.problems(self.config, self.name, root / "results")

    def refuse_targets(self, targets) -> None:
        """Raise ConfigError for requested files with a value that no entry has."""
        catalogues = (self.models, self.tasks, self.learners)
        if problems := names.target_problems(targets, catalogues):
            raise ConfigError(problems)

    def tests(self) -> list[tuple[int, int]]:
        """Of each primary test its draws, and how many tests are corrected together with it."""
        figures = (one for one in self.figures.values() if one.entry["kind"] == "equivalence")
        return [
            (self.designs[test[2]]["draws"], len(figure.tests))
            for figure in figures
            for test in figure.tests
        ]

    # --- names, for wildcard constraints -------------------------------------------------

    def of_method(self, *methods: str) -> str:
        """A regular expression for the learners of some methods."""
        found = [name for name, entry in self.learners.items() if entry.get("method") in methods]
        return names.pattern(names.expand_all(found, self.learners))

    def of_kinds(self, wanted) -> str:
        """A regular expression for the figures of some kinds."""
        entries = self.config["figures"].items()
        return names.pattern(name for name, entry in entries if entry["kind"] in wanted)

    @staticmethod
    def underived(entries: Mapping) -> str:
        """A regular expression for the entries that are not made of another one."""
        return names.pattern(names.underived(entries))

    @staticmethod
    def derived(entries: Mapping) -> str:
        """A regular expression for the entries that are made of another one."""
        return names.pattern(name for name, entry in entries.items() if "of" in entry)

    # --- models --------------------------------------------------------------------------

    def model_json(self, wildcards) -> str:
        return jobs.as_json(jobs.model(self.config, wildcards.model))

    def pretrain_json(self, wildcards) -> str:
        return jobs.as_json(self.models[wildcards.model]["pretrain"])

    def construct_json(self, wildcards) -> str:
        return jobs.as_json(jobs.model(self.config, wildcards.model)["construct"])

    def model_source(self, wildcards) -> str:
        """``--source`` of fetch_model: a local folder or file, or nothing for one to be fetched."""
        name = wildcards.model
        entry = jobs.model(self.config, name)
        if "construct" in entry:
            folder = Path(paths.CONSTRUCTION.format(model=name)).parent
        elif "pretrain" in entry:
            folder = Path(paths.PRETRAINING.format(model=names.base(name))).parent
            folder /= entry.get("revision", "")
        elif "path" in entry:
            folder = places.model(entry["path"])
        else:
            return ""
        return f"--source {shlex.quote(str(folder))}"

    def weights(self, wildcards) -> Files:
        """Files of a local model, or the provenance of one that is made here."""
        name = wildcards.model
        entry = jobs.model(self.config, name)
        if "construct" in entry:
            return [paths.CONSTRUCTION.format(model=name)]
        if "pretrain" in entry:
            return [paths.PRETRAINING.format(model=names.base(name))]
        if "path" in entry:
            source = places.model(entry["path"])
            return sorted(map(str, source.iterdir())) if source.is_dir() else [str(source)]
        return []

    def mixed_in(self, wildcards) -> Files:
        """The provenance of the model that a construction is mixed with, if it is."""
        toward = jobs.model(self.config, wildcards.model)["construct"].get("toward")
        return [paths.CONSTRUCTION.format(model=toward)] if toward else []

    def toward(self, wildcards, input) -> str:
        """``--toward`` with that model's folder."""
        return "".join(f"--toward {Path(path).parent}" for path in input.mixed_in)

    def kept(self) -> list[str]:
        """Models that are pretrained to be kept: those without revisions to study."""
        entries = self.models.items()
        return [name for name, e in entries if "pretrain" in e and "revisions" not in e]

    def pretrained(self, wildcards) -> Files:
        return [paths.PRETRAINING.format(model=name) for name in self.kept()]

    def pretraining_benchmarks(self, wildcards) -> Files:
        return [f"logs/pretrain_model/{name}.tsv" for name in self.kept()]

    def original_model(self, wildcards) -> str:
        return paths.MODEL.format(model=self.models[wildcards.model]["of"])

    def original_manifest(self, wildcards) -> str:
        return paths.MANIFEST.format(model=self.models[wildcards.model]["of"])

    def model_control(self, wildcards) -> str:
        return self.models[wildcards.model]["control"]

    # --- tasks and demonstrations --------------------------------------------------------

    def task_json(self, wildcards) -> str:
        # Labels are numbered in the order in which they stand in the configuration.
        return json.dumps(jobs.task(self.config, wildcards.task))

    def task_files(self, wildcards) -> Files:
        files = self.tasks[wildcards.task].get("files", [])
        return list(files.values()) if isinstance(files, dict) else files

    def original_task(self, wildcards) -> str:
        return paths.TASK.format(task=self.tasks[wildcards.task]["of"])

    def task_control(self, wildcards) -> str:
        return self.tasks[wildcards.task]["control"]

    def other_task(self, wildcards) -> Files:
        """The task whose inputs a control shows, if it is of that kind."""
        entry = self.tasks[wildcards.task]
        return [paths.TASK.format(task=entry["texts"])] if "texts" in entry else []

    def other_texts(self, wildcards) -> str:
        """``--texts`` with that task's table."""
        return "".join(f"--texts {shlex.quote(path)}" for path in self.other_task(wildcards))

    def wrong_share(self, wildcards) -> str:
        """``--share`` with the share of rows that have a wrong label, if the entry names one."""
        entry = self.tasks[wildcards.task]
        drawn = entry["control"] == pairing.FLIPPED  # by each draw, not in the table
        return f"--share {entry['share']}" if "share" in entry and not drawn else ""

    def original_prompt(self, wildcards) -> str:
        return pairing.original(self.tasks, wildcards.task)["prompt"]

    def bindings(self, wildcards) -> str:
        """``--bindings drawn`` for a task whose label words are given to classes by draw."""
        drawn = pairing.original(self.tasks, wildcards.task).get("bindings") == "drawn"
        return "--bindings drawn" if drawn else ""

    def conflict(self, wildcards) -> str:
        """``--conflict`` for a task in which each input is shown with two labels."""
        return "--conflict" if self.tasks[wildcards.task].get("control") == "conflict" else ""

    def drawn_like(self, wildcards) -> Files:
        """The task that shows the same examples in the same draws, if this one has such a one."""
        entry = self.tasks[wildcards.task]
        return [paths.TASK.format(task=entry["of"])] if pairing.same_draws(entry) else []

    def like(self, wildcards) -> str:
        """``--like`` with that task's table, and the share that each draw shows wrong."""
        wrong = self.tasks[wildcards.task].get("share", 0.0)
        drawn = self.drawn_like(wildcards)
        return "".join(f"--like {shlex.quote(path)} --wrong {wrong}" for path in drawn)

    def shots(self, wildcards) -> int:
        return jobs.design(self.config, wildcards.design)["shots"]

    def orders(self, wildcards) -> int | str:
        return jobs.design(self.config, wildcards.design)["orders"]

    def keep(self, wildcards) -> int:
        return jobs.design(self.config, wildcards.design)["keep"]

    # --- learners ------------------------------------------------------------------------

    def answering(self, wildcards) -> str:
        """The manifest of the model that answers in context, which may be another one."""
        own = self.learners[names.base(wildcards.learner)].get("model", wildcards.model)
        return paths.MANIFEST.format(model=own)

    def answering_folder(self, wildcards) -> str:
        own = self.learners[names.base(wildcards.learner)].get("model", wildcards.model)
        return paths.MODEL.format(model=own)

    def imagined(self, wildcards) -> str:
        """``--imagined N`` for a learner that imagines examples."""
        count = self.learners[wildcards.learner].get("imagined")
        return f"--imagined {count}" if count else ""

    def language(self, wildcards) -> str:
        """The made-up language of a task, for its exact reader."""
        return pairing.original(self.tasks, wildcards.task)["generate"]["kind"]

    def solver_json(self, wildcards) -> str:
        return jobs.as_json(jobs.solver(self.config, wildcards.learner))

    def settings(self, wildcard: str) -> Callable[[Any], str]:
        """The settings of the learner that a wildcard names."""
        return lambda wildcards: jobs.as_json(jobs.learner(self.config, wildcards[wildcard]))

    def reach_table(self, wildcards) -> Files:
        """What first-order steps reach in the same draws, for a learner that trains by it."""
        train = self.learners[names.base(wildcards.learner)].get("train", {})
        at = {key: wildcards[key] for key in ("model", "task", "design", "draws")}
        return [paths.REACH.format(**at)] if "reach" in train else []

    def by_reach(self, wildcards, input) -> str:
        """``--reach`` with that table."""
        return "".join(f"--reach {shlex.quote(path)}" for path in input.reach)

    def trained_orders(self, wildcards) -> str:
        """``--orders N`` for a learner that trains on the first orders only."""
        count = self.learners[names.base(wildcards.learner)].get("orders")
        return f"--orders {count}" if count else ""

    def logits_a(self, wildcards) -> Files:
        return self._logits(wildcards, wildcards.a)

    def logits_b(self, wildcards) -> Files:
        """The second learner's logits; none for a reference, which is the first one, shifted."""
        if pairing.is_reference(self.config, wildcards.b):
            return []
        return self._logits(wildcards, wildcards.b)

    def _logits(self, wildcards, learner: str) -> Files:
        run = (wildcards.model, wildcards.task, wildcards.design, learner)
        return figures.blocks(self.config, paths.LOGITS, run)

    def second_learner(self, wildcards, input) -> str:
        """``--b`` with its logits, or ``--shift`` for a reference, which has none of its own."""
        if input.b:
            return f"--b {shlex.join(input.b)}"
        return f"--shift {self.learners[wildcards.b]['shift']}"

    # --- figures -------------------------------------------------------------------------

    def tables(self, options: tuple[str, ...]) -> dict[str, Any]:
        """Inputs of a rule that makes a summary or a figure, by option."""
        return {option: self._table(option) for option in options}

    def _table(self, option: str) -> str | Callable[[Any], Files]:
        if option in kinds.BESIDE:
            return self.paths.summary(f"{{figure}}{kinds.STATISTICS[option].ending}")
        method = kinds.METHODS.get(option, option)
        return lambda wildcards: getattr(self.figures[wildcards.figure], method)()

    def options(self, options: tuple[str, ...]) -> Callable[[Any, Any], str]:
        """``--option`` and its files, for every option."""

        def found(wildcards, input) -> str:
            given = [(option, input.get(option)) for option in options]
            return " ".join(
                f"--{option} {shlex.join([files] if isinstance(files, str) else files)}"
                for option, files in given
            )

        return found

    def figure_json(self, wildcards) -> str:
        """``--figure`` of a plot."""
        figure = self.figures[wildcards.figure]
        return jobs.as_json(figure.description(("title", "labels", *figure.kind.figure_keys)))

    def statistic_json(self, figure_keys: tuple[str, ...]) -> Callable[[Any], str]:
        """``--figure`` of a summary: without the words that only readers see."""
        return lambda wildcards: jobs.as_json(
            self.figures[wildcards.figure].description(figure_keys)
        )

    def summary(self, name: str) -> str:
        return self.paths.summary(self.figures[name].kind.summary(name))

    # --- the whole study -----------------------------------------------------------------

    def requested(self) -> dict[str, figures.Figure]:
        """All figures; exits with an error if there are none."""
        if not self.figures:
            raise SystemExit("config: figures: there is no figure, so there is nothing to compute")
        return self.figures

    def all_figures(self, wildcards) -> Files:
        return [path for name in self.requested() for path in self.paths.figure(name)]

    def summaries(self, wildcards) -> Files:
        return [self.summary(name) for name in self.requested()]

    def manifests(self, wildcards) -> Files:
        """Of all models that a figure names."""
        models = [model for figure in self.requested().values() for model in figure.models]
        return [paths.MANIFEST.format(model=model) for model in dict.fromkeys(models)]

    def explored(self, what: str) -> Callable[[Any], Files]:
        """Files of every figure whose pairs of learners the report's explorer shows."""

        def found(wildcards) -> Files:
            shown = [one for one in self.requested().values() if one.kind.explored]
            if what == "summaries":
                return [self.summary(one.name) for one in shown]
            return list(dict.fromkeys(path for one in shown for path in getattr(one, what)()))

        return found

    def figures_json(self, figure_keys: tuple[str, ...]) -> Callable[[Any], str]:
        """``--figures`` of steps about all figures."""
        return lambda wildcards: json.dumps(
            {name: one.description(figure_keys) for name, one in self.requested().items()}
        )

    def configurations_json(self, wildcards) -> str:
        """What every figure is of, to compare only like with like (`shared.meaning`)."""
        return json.dumps({name: shared.meaning(self.config, name) for name in self.requested()})

    def reference(self, wildcards) -> Files:
        """The committed numbers of the study of this name, if it comes with the workflow."""
        path = places.reference(self.name)
        return [path] if Path(path).exists() else []

    def agreement_path(self, wildcards) -> str:
        """That of every agreement table, with {model}, {task}, {design}, {a} and {b} to fill in."""
        return paths.AGREEMENT

    def shifts_json(self, wildcards) -> str:
        """The key that is shifted in every reference."""
        learners = self.learners.items()
        shifts = {name: entry["shift"] for name, entry in learners if "shift" in entry}
        return jobs.as_json({"shifts": shifts})

    def study_json(self, wildcards) -> str:
        """The report's --study: the figures in their order, labels, roles, configuration."""
        shown = {
            name: {
                "kind": figure.entry["kind"],
                "title": figure.title,
                "caption": figure.kind.caption,
                "summary": self.summary(name),
                "files": self.paths.figure(name),
                "configuration": shared.meaning(self.config, name),
            }
            for name, figure in self.figures.items()
        }
        whole = {"figures": shown, "labels": figures.labels(self.config)}
        return json.dumps(whole | {"roles": roles.of_study(self.config), "config": self.config})

    def record(self) -> None:
        """Write what this study uses, for other studies to compare with."""
        shared.record(self.paths.record, self.config)
