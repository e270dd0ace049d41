"""An artifact, and what its columns have in common with those of others."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from iclgd.metrics.metric import Metric


@dataclass(frozen=True)
class Artifact:
    """Its path (``{}`` stand for names), what a row or the file is, and its columns' meanings.

    Folders (``path`` ends in a slash) and files that are neither table nor JSON have no columns.
    """

    path: str
    what: str
    columns: Mapping[str, str]

    def names(self, path: str) -> dict[str, str] | None:
        """The names in a path that is one of this artifact, such as ``{"model": "gptj"}``."""
        found = re.fullmatch(_pattern(self.path), path)
        return found and found.groupdict()

    def meaning(self, column: str) -> str | None:
        """What a column means; None if it is not one of this artifact."""
        for name, meaning in self.columns.items():
            if re.fullmatch(_pattern(name), column):
                return meaning
        return None


def _pattern(text: str) -> str:
    """A regular expression for a path or a column with ``{}`` in it."""
    parts = re.split(r"\{(\w+)\}", text)
    odd = itertools.cycle((re.escape, lambda name: f"(?P<{name}>[^/]+?)"))
    return "".join(make(part) for make, part in zip(odd, parts, strict=False))


KEYS = {
    "model": "name of the model in the configuration; `name@value` is a checkpoint or a dose",
    "task": "name of the task",
    "design": "name of the design in `demonstrations`",
    "shots": "number of demonstrations",
    "learner": "name of the learner; `name@rate` is GD at that learning rate",
    "a": "the learner that the others are compared with",
    "b": "the learner that is compared with it",
    "draw": "number of the choice of demonstrations; a design with `first` begins there",
    "order": "number of the order within the draw, from 0",
    "epoch": "epochs of GD; ICL has 0 only, and 0 of GD is the pretrained model (zero-shot)",
    "example": "number of the query, a row of the task",
    "split": "`train` (demonstrations), `validation` (choice of rate and epoch), `test` (reports)",
    "label": "class of the query, from 0",
    "status": "`ok`, or `diverged` (then nothing can be compared)",
    "state": "GD: `training`, `converged` (the loss came down to `until`), `stalled` (it fell by"
    " less than `stall`) or `capped` (at the last epoch, none of these); what has converged or"
    " stalled stays as it is in all later epochs; null at epoch 0, and for what has no epochs",
}
ESTIMATE = {
    "estimate": "the value",
    "low": "lower end of its 95 % interval (sparsity: the lowest layer)",
    "high": "upper end of its 95 % interval (sparsity: the highest layer)",
    "error": "its standard error",
    "df": "degrees of freedom of its interval",
    "skew": "skewness of its distribution, from that of the draws; 0 where it is unknown",
    "draws": "draws that have a value",
    "queries": "queries that have a value",
    "mde": "smallest difference that a test at 5 % detects with a power of 80 %",
}


def meanings(metrics: Mapping[str, Metric]) -> dict[str, str]:
    return {name: metric.meaning for name, metric in metrics.items()}


def listed(metrics: Mapping[str, Metric]) -> str:
    """Metrics with their meanings, in one line."""
    return "; ".join(f"`{name}` ({one.meaning})" for name, one in metrics.items())


def keys(names: str) -> dict[str, str]:
    return {name: KEYS[name] for name in names.split()}


RUN = keys("model task design shots")
