"""The paths of all artifacts. What studies can share is one cache in ``results``; the rest is in a
folder of the study's name there. Braces are the wildcards of rules.
"""

from __future__ import annotations

from dataclasses import dataclass

MODEL = "results/models/{model}"
MANIFEST = "results/models/{model}.json"
CONSTRUCTION = "results/construction/{model}/provenance.json"
PRETRAINING = "results/pretraining/{model}/provenance.json"
TASK = "results/tasks/{task}.parquet"
TASK_MANIFEST = "results/tasks/{task}.json"
DEMONSTRATIONS = "results/demonstrations/{task}/{design}/{draws}.parquet"
LOGITS = "results/logits/{model}/{task}/{design}/{learner}/{draws}.parquet"
ATTENTION = "results/attention/{model}/{task}/{design}/{learner}/{draws}.parquet"
AGREEMENT = "results/agreement/{model}/{task}/{design}/{a}--{b}.parquet"
CURVES = "results/agreement/{model}/{task}/{design}/{a}--{b}.curves.parquet"
SPARSITY = "results/sparsity/{model}.parquet"
CIRCUITS = "results/sparsity/{model}.circuits.parquet"
PERPLEXITY = "results/perplexity/{model}.parquet"
DRIFT = "results/drift/{model}--{reference}.parquet"
UPDATES = "results/updates/{model}/{task}/{design}/{a}--{b}/{draws}.parquet"
REACH = "results/reach/{model}/{task}/{design}/{draws}.parquet"
LIBRARY = "results/library.js"

FORMATS = ("svg", "png", "pdf", "html", "tex")  # of every figure
# Folders of the cache.
SHARED = ("models", "tasks", "demonstrations", "logits", "agreement", "attention", "sparsity")
SHARED += ("drift", "perplexity", "reach", "updates", "pretraining", "construction")


@dataclass(frozen=True)
class OfStudy:
    """The files of a single study."""

    study: str

    @property
    def folder(self) -> str:
        return f"results/{self.study}"

    def summary(self, name: str) -> str:
        """The summary of this name; ``kinds.Kind.summary`` has the names."""
        return f"{self.folder}/summary/{name}.parquet"

    @property
    def claims(self) -> str:
        return self.summary("claims")

    @property
    def examples(self) -> str:
        return self.summary("examples")

    @property
    def answer(self) -> str:
        """The answer on one screen."""
        return f"{self.folder}/answer.txt"

    @property
    def answered(self) -> str:
        """The answer for other steps."""
        return f"{self.folder}/summary/answer.json"

    @property
    def findings(self) -> str:
        return f"{self.folder}/findings.txt"

    @property
    def quantities(self) -> str:
        """The findings as one long table."""
        return f"{self.folder}/findings.csv"

    @property
    def report(self) -> str:
        return f"{self.folder}/report.html"

    @property
    def record(self) -> str:
        """The entries of the last run (``iclgd.study.shared``)."""
        return f"{self.folder}/study.json"

    def figure(self, name: str) -> list[str]:
        """The files of a figure, SVG first."""
        return [f"{self.folder}/figures/{name}.{ending}" for ending in FORMATS]
