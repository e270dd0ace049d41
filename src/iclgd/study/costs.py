"""What jobs cost: seconds of one core, megabytes of memory and of disk, before they run.

Operations are counted as the field does: 2 for each weight and token of a forward pass, 4 more
for a backward pass. The speed, and what a step takes beside its arithmetic, were measured in the
default study and in that of SmolLM2 on 2 cores (docs/performance.md has the machine). Texts are not
there yet when a run is planned, so their length is a guess, and so is the epoch at which
gradient descent has converged: a sum over a study is right within a factor of two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from iclgd.learners import taught
from iclgd.study import names, paths, places, sizes, taskfiles
from iclgd.study.figures import Figure
from iclgd.study.pairing import blocks, original

SPEED = 45e9  # operations in a second of one core, of a model of 135 million weights
# Seconds of a step beside its arithmetic, the median over jobs; of any other step OTHER.
OTHER = 3.0
STEPS = {"run_gd": 4.0, "run_icl": 2.0, "run_solver": 2.0, "compare_logits": 2.5}
STEPS |= {"measure_reach": 4.0, "run_kernel": 2.0, "run_distil": 4.0, "run_imitation": 3.0}
STEPS |= {"run_tangent": 4.0}
STEPS |= {"fetch_model": 0.3, "construct_model": 0.6, "sample_demonstrations": 0.5}
# Beside its operations a model is read, and of large ones that is what some steps do: seconds for
# each million of weights.
READING = {"fetch_model": 0.3, "derive_model": 0.1, "extract_sparsity": 0.1, "run_solver": 0.02}
OTHERS = 3  # steps of a figure that run no model: a summary, a plot, its share of the rest
CONVERGED = 0.45  # of the epochs at most, where training ends by a criterion
TRIALS = 1.5  # passes of a monotone step: some are tried in vain
LONGEST, USUAL = 250, 0.2  # characters of a text that is not limited, and the share that is usual
PER_TOKEN = 4.5  # characters
RECORDED = 14  # epochs before the last of 200, where a learner names none
QUERIES, KEEP = 500, 1024  # defaults of prepare_task, and of designs
BASE = 300.0  # megabytes of a step beside its model
MADE_UP = 213  # tokens of the made-up language
KEPT = 5.5  # bytes of a kept token on the disk, of SmolLM2's distributions
LEARNERS = ("run_icl", "run_gd", "run_tangent", "run_kernel", "run_solver")
LEARNERS += ("run_distil", "run_imitation")
EPOCHS = ("run_gd", "run_kernel", "run_distil")  # of these, those that have recorded epochs
FITTING = 3  # passes over its texts that a patch needs for each ridge
COPIES = {"run_gd": 4.3, "run_distil": 4.3, "measure_reach": 14.0, "run_tangent": 7.0}
COPIES |= {"compare_updates": 8.0}
COPIES |= {"compare_attention": 3.0, "derive_model": 3.0}
NAMED = re.compile(r"(?<![\w.])(\d+(?:\.\d+)?)\s*([mb])(?![a-z0-9])", re.IGNORECASE)


class Costs:
    """The costs of the jobs of a study with these entries (`Study.config`)."""

    def __init__(self, config: Mapping, root: Path = Path(".")):
        self.config, self.root = config, root
        self.lengths: dict[str, float] = {}  # tokens of a text by task, as all jobs ask for it

    def seconds(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """Of one core."""
        read = READING.get(rule, 0.0) * self._weights(wildcards) * 1e-6
        return STEPS.get(rule, OTHER) + read + self._operations(rule, wildcards) / SPEED

    def megabytes(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """At most at a time."""
        return BASE + COPIES.get(rule, 1.2) * self._weights(wildcards) * 4e-6

    def megabytes_written(self, rule: str, wildcards: Mapping[str, str]) -> float:
        """To the disk, about: weights that are no link, and distributions."""
        if rule in ("fetch_model", "derive_model"):
            path = self.config["models"][names.base(wildcards["model"])].get("path", ".gguf")
            return self._weights(wildcards) * 4e-6 if path.endswith(".gguf") else 0.0
        if rule not in LEARNERS:
            return 0.0
        design = self.config["demonstrations"][wildcards["design"]]
        rows = _draws(wildcards["draws"]) * self._queries(wildcards["task"])
        if rule == "run_icl":
            rows *= _orders(design.get("orders", 1))
        elif rule != "run_solver":
            entry = self.config["learners"][names.base(wildcards["learner"])]
            rows *= _orders(entry.get("orders", design.get("orders", 1)))
            rows *= _recorded(entry) if rule in EPOCHS else 1
        tokens = (
            MADE_UP if "generate" in original(self.config["tasks"], wildcards["task"]) else KEEP
        )
        return rows * min(design.get("keep", KEEP), tokens) * KEPT * 1e-6

    def unknown(self, jobs: Iterable[tuple[str, Mapping[str, str]]]) -> list[str]:
        """Models of these jobs whose size is not known before they are fetched."""
        models = {at["model"] for _, at in jobs if "model" in at}
        unknown = {names.base(model) for model in models if not self._weights({"model": model})}
        return sorted(
            name
            for name in unknown
            if not {"construct", "pretrain"} & set(original(self.config["models"], name))
        )

    def whole(self, figures: Iterable[Figure]) -> float:
        """Seconds of one core of all that these figures need, if nothing of it is there."""
        figures = list(figures)
        runs = {run for figure in figures for run in figure.runs}
        designs, learners = self.config["demonstrations"], self.config["learners"]
        seconds = OTHER * sum(OTHERS + len(figure.runs) for figure in figures)
        for model in {run[0] for run in runs}:
            seconds += self.seconds("fetch_model", {"model": model})
        for model, task, design, learner in runs:
            method = learners[names.base(learner)]["method"]
            rule = "run_imitation" if method in taught.IMITATING else f"run_{method}"
            at = {"model": model, "task": task, "design": design, "learner": learner}
            for draws in blocks(designs[design]):
                seconds += self.seconds(rule, at | {"draws": draws})
        return seconds

    # --- operations ----------------------------------------------------------------------

    def _operations(self, rule: str, at: Mapping[str, str]) -> float:
        """Of a step that runs a model; 0 of all others."""
        if rule not in (*LEARNERS, "compare_attention", "compare_updates", "measure_reach"):
            return 0.0
        weights, text = self._weights(at), self._tokens(at["task"])
        asked = 2 * weights * text * self._queries(at["task"])
        if rule == "run_kernel":  # hidden states, and answers
            return 2 * asked
        if rule == "run_solver":
            return asked
        design = self.config["demonstrations"][at["design"]]
        prompt = 2 * weights * text * design["shots"]
        runs = _draws(at["draws"])
        if rule == "measure_reach":  # of each query a backward pass for each score
            classes = sizes.classes(original(self.config["tasks"], at["task"]))
            return runs * (prompt + 2 * asked + 3 * asked * (classes + 1))
        if rule == "compare_updates":  # a patch, and training on three kinds of demonstrations
            patch = self._taught(at["a"], design, prompt, asked, 2 * weights * text)
            return runs * (patch + 3 * self._trained(at["b"], design, prompt, 0.0))
        if rule == "run_tangent":  # derivatives of a quarter along each, of all along their sum
            entry = self.config["learners"][names.base(at["learner"])]
            runs *= _orders(entry.get("orders", design.get("orders", 1)))
            return runs * (4 * prompt + asked * (2 + 3 * (1 + design["shots"] / 4)))
        if rule == "run_gd":
            return runs * self._trained(at["learner"], design, prompt, asked)
        if rule in ("run_distil", "run_imitation"):
            return runs * self._taught(at["learner"], design, prompt, asked, 2 * weights * text)
        if "imagined" in self.config["learners"].get(names.base(at["learner"]), {}):
            asked *= sizes.classes(original(self.config["tasks"], at["task"]))  # with each label
        return runs * _orders(design.get("orders", 1)) * (prompt + asked)

    def _trained(self, learner: str, design: Mapping, prompt: float, asked: float) -> float:
        """Of one run of gradient descent under all its orders."""
        entry = self.config["learners"][names.base(learner)]
        epochs, passes = entry.get("epochs", 200), 3.0
        if "until" in entry:
            epochs, passes = epochs * CONVERGED, passes * TRIALS
        recorded = _recorded(entry) - 1
        orders = _orders(entry.get("orders", design.get("orders", 1)))
        return orders * _above(entry) * (epochs * passes * prompt + recorded * asked)

    def _taught(
        self, learner: str, design: Mapping, prompt: float, asked: float, text: float
    ) -> float:
        """Of what ICL teaches in one draw: ICL on its texts, training or fitting, the queries."""
        entry = self.config["learners"][names.base(learner)]
        orders = _orders(entry.get("orders", design.get("orders", 1)))
        texts, method = entry.get("texts", taught.TEXTS), entry["method"]
        shown = prompt + texts * text  # the demonstrations are computed once
        if method == "distil":
            epochs = entry.get("epochs", 200)
            return orders * (shown + 3 * epochs * texts * text + (_recorded(entry) - 1) * asked)
        tried = len(entry.get("ridges", taught.RIDGES)) if method == "patch" else 1
        fitted = FITTING * tried * texts * text if method == "patch" else texts * text
        return orders * (shown + fitted + 2 * asked)

    # --- sizes ---------------------------------------------------------------------------

    def _weights(self, at: Mapping[str, str]) -> float:
        """Of the model of a job; 0 where a job has none, or nothing says how large it is."""
        if "model" not in at:
            return 0.0
        manifest = self.root / paths.MANIFEST.format(model=at["model"])
        if manifest.exists():
            return json.loads(manifest.read_text())["weights"]
        entry = original(self.config["models"], at["model"])
        if "path" in entry:
            folder = places.model(entry["path"], self.root)
            files = [folder] if folder.is_file() else folder.glob("*.safetensors")
            return sum(file.stat().st_size for file in files) / 4
        found = NAMED.search(json.dumps([entry, at["model"]]).replace("-", " ").replace("_", " "))
        return float(found[1]) * {"m": 1e6, "b": 1e9}[found[2].lower()] if found else 0.0

    def _tokens(self, task: str) -> float:
        """Of one text of a task with its prompt."""
        if task not in self.lengths:
            self.lengths[task] = self._length(task)
        return self.lengths[task]

    def _length(self, task: str) -> float:
        entry = original(self.config["tasks"], task)
        if "prompt" not in entry:  # made up here, in words that are tokens
            return 8.0
        if length := taskfiles.usual_length(entry, self.root):
            return length / PER_TOKEN
        around = len(entry["prompt"]) + len(entry.get("instruction", ""))
        return (around + USUAL * entry.get("longest", LONGEST)) / PER_TOKEN

    def _queries(self, task: str) -> int:
        return original(self.config["tasks"], task).get("queries", QUERIES)


def _above(entry: Mapping) -> float:
    """The share of a model that is computed where one layer alone trains: what lies below stays."""
    layers = entry.get("train", {}).get("layers")
    alone = isinstance(layers, list) and len(layers) == 1 and isinstance(layers[0], float)
    return max(1 - layers[0], 0.1) if alone else 1.0


def _recorded(entry: Mapping) -> int:
    """Epochs at which a learner answers the queries; 0 and the last are always among them."""
    return len({0, *entry.get("record", range(RECORDED)), entry.get("epochs", 200)})


def _orders(orders: int | str) -> int:
    """Of each draw; of ``all``, those of four demonstrations."""
    return 24 if orders == "all" else orders


def _draws(block: str) -> int:
    """Of a block of draws such as ``5-9``."""
    first, last = map(int, block.split("-"))
    return last - first + 1
