"""Every artifact and the meaning of its columns: the single source of all documentation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from dataclasses import dataclass

from iclgd.metrics import (
    accuracy,
    agreement,
    attention_similarity,
    distances,
    errors,
    model_metrics,
    order_sensitivity,
    sparsity_requirement,
)
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
    "draw": "number of the choice of demonstrations, from 0",
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


def _meanings(metrics: Mapping[str, Metric]) -> dict[str, str]:
    return {name: metric.meaning for name, metric in metrics.items()}


def _listed(metrics: Mapping[str, Metric]) -> str:
    """Metrics with their meanings, in one line."""
    return "; ".join(f"`{name}` ({one.meaning})" for name, one in metrics.items())


def _keys(names: str) -> dict[str, str]:
    return {name: KEYS[name] for name in names.split()}


RUN = _keys("model task design shots")
DIFFERENCES = {
    **accuracy.CONTRASTS,
    **attention_similarity.CONTRASTS,
    "tv_slope": distances.SLOPE,
    **errors.CONTRASTS,
}
MEASURED = {**order_sensitivity.CONTRASTS, "missing": sparsity_requirement.MISSING}
ARTIFACTS = (
    Artifact(
        "results/tasks/{task}.parquet",
        "one row per example; a prompt is `instruction` + (`text` + `answer` + `ending`) of every"
        " demonstration + `text` of the query",
        {
            **_keys("task"),
            "example": "number of the row",
            **_keys("split"),
            "instruction": "stands once, before all demonstrations",
            "text": "the input, up to the space before the answer",
            "answer": "the label word, with the space in front of it",
            "ending": "what separates a demonstration from what follows",
            "label": "class, from 0",
        },
    ),
    Artifact(
        "results/tasks/{task}.json",
        "numbers of rows of a data set: used, and left out by reason; controls have no such file",
        {
            **_keys("task"),
            "read": "rows that were read, by split of the source",
            "left_out": "rows that are in no split, by reason: their label is in `leave_out`; all"
            " their fields are `empty`; they have more characters than `longest`; they are"
            " `contradictory`, the same text with two labels; `duplicate`; for training, but"
            " queries as well (`asked`); for test, but `surplus`, beyond `queries`",
            "classes": "rows of every label word, by split",
        },
    ),
    Artifact(
        "results/demonstrations/{task}/{design}/{draws}.parquet",
        "which examples are shown, the one table that every learner uses",
        {
            **_keys("task design draw order"),
            "position": "place in the prompt, from 0",
            "example": "number of the task's row at that place",
            "binding": "label that each label of the task has in this draw; null: its own",
        },
    ),
    Artifact(
        "results/logits/{model}/{task}/{design}/{learner}/{draws}.parquet",
        "next-token distributions, one row per draw, order, recorded epoch and query",
        {
            **RUN,
            **_keys("learner draw order epoch example split label"),
            "answer_id": "id of the first token of the query's answer",
            "status": "`ok`, or `diverged` (then the distributions are null)",
            "loss": "GD: mean loss of the demonstrations at this epoch, nats",
            **_keys("state"),
            "trained": "GD: epochs that this run has really trained by this one: fewer than `epoch`"
            " where it has converged or stalled",
            "label_logprobs": "natural log-probability (over the whole vocabulary) of each label's"
            " first token",
            "top_ids": "most likely tokens (up to the design's `keep`), ties by token id",
            "top_logprobs": "their natural log-probabilities",
            "tail_mass": "probability of all other tokens",
        },
    ),
    Artifact(
        "results/agreement/{model}/{task}/{design}/{a}--{b}.curves.parquet",
        "agreement on the K most likely tokens, means over test queries",
        {
            **RUN,
            **_keys("a b draw order epoch"),
            "k": "tokens that are compared, 1 to 100",
            "token_overlap": "share of shared tokens among the K likeliest",
            "ocs": "cosine of the two distributions cut to their K likeliest",
        },
    ),
    Artifact(
        "results/agreement/{model}/{task}/{design}/{a}--{b}.parquet",
        "learner a against learner b, one row per query (draw, order and epoch are those of b)",
        {
            **RUN,
            **_keys("a b draw order epoch example split label"),
            "label_a": "the likeliest label under a",
            "label_b": "the likeliest label under b",
            **_keys("status"),
            "loss": "b's mean loss of the demonstrations, nats; null if it has no epochs",
            **_keys("state"),
            **_meanings(agreement.METRICS),
        },
    ),
    Artifact(
        "results/attention/{model}/{task}/{design}/{learner}/{draws}.parquet",
        "inside self-attention at the learner's last epoch, one row per draw, order, query, layer",
        {
            **RUN,
            **_keys("learner draw order epoch example"),
            "layer": "layer, from 0; null: all of them",
            **_keys("split"),
            **_meanings(attention_similarity.SIMILARITIES),
        },
    ),
    Artifact(
        "results/sparsity/{model}.circuits.parquet",
        "measures of each head's circuits that no rotation of the basis changes",
        {
            **_keys("model"),
            "layer": "layer, from 0",
            "head": "head, from 0",
            "circuit": "`qk` (W_Q W_K) or `ov` (W_O W_V)",
            **_meanings(sparsity_requirement.INVARIANTS),
            "singular_values": "singular values, largest first",
        },
    ),
    Artifact(
        "results/sparsity/{model}.parquet",
        "how many weights are small, one row per head, matrix and threshold",
        {
            **_keys("model"),
            "layer": "layer, from 0",
            "head": "head, from 0",
            "matrix": "`q`, `k` or `v`",
            "threshold": "absolute value of a weight",
            **_meanings(sparsity_requirement.SHARES),
        },
    ),
    Artifact(
        "results/drift/{model}--{reference}.parquet",
        "how far weights are from those of another checkpoint, one row per tensor",
        {
            **_keys("model"),
            "reference": "the checkpoint it is compared with",
            "tensor": "name of the tensor",
            "weights": "number of its entries",
            **_meanings(model_metrics.DRIFT),
        },
    ),
    Artifact(
        "results/perplexity/{model}.parquet",
        "perplexity by position in held-out documents, one row per bucket of positions",
        {
            **_keys("model"),
            "first": "first position of the bucket, from 0",
            "last": "its last position",
            "tokens": "tokens that were predicted",
            "nats": "their mean loss, nats",
            **_meanings(model_metrics.PERPLEXITY),
        },
    ),
    Artifact(
        "results/models/{model}.json",
        "a model's manifest; its weights are in the folder of the same name",
        {
            "model": KEYS["model"],
            "architecture": "`model_type` of its config",
            "layers": "number of layers",
            "weights": "number of weights",
            "dtype": "type of its weights",
            "source": "where it came from",
            "commit": "commit of its repository; null for a folder",
            "sha256": "of its weights",
            "remote_code": "whether code from its repository may run",
            "objective": "what it was trained on, if not on the next token",
            "pretraining": "recipe of a built-in model",
            "probes": "its accuracies on held-out prompts when it was made",
            "in_context_learning": "whether it learns in context, in words; null: not probed",
        },
    ),
    Artifact(
        "results/{made}/{model}/provenance.json",
        "how a model was constructed or pretrained here; its weights are in the same folder",
        {
            "entry": "recipe of the configuration",
            "loss": "last loss of its training, nats; null without training",
            "objective": "what it was trained on, if not on the next token",
            "probes": "its accuracies on held-out prompts",
            "in_context_learning": "whether it learns in context, in words",
            "sha256": "of its weights",
            "torch": "version of torch",
            "{other}": "more about the run that made it",
        },
    ),
    Artifact(
        "results/pretraining/{model}/curve.parquet",
        "loss and accuracy during pretraining, one row per evaluation",
        {
            "step": "steps of the optimiser",
            "tokens": "tokens seen",
            "loss": "mean loss since the row before, nats",
            "accuracy_{classes}_{shots}shot": "accuracy among the label words on held-out prompts",
        },
    ),
    Artifact(
        "results/{study}/summary/claims.parquet",
        "the papers' claims, one row per claim and place where it is decided",
        {
            "paper": "authors and year",
            "place": "where it is claimed",
            "claim": "the claim in one sentence",
            "quantity": "the quantity that decides it",
            "figure": "the figure that shows it",
            **_keys("model task shots learner"),
            "estimate": "the value of the quantity",
            "low": "lower end of its interval at the level at which it is tested (Holm)",
            "high": "upper end of that interval",
            "reference": "the paper's own value",
            "p": "p-value",
            "p_holm": "the same after Holm's correction",
            **{name: ESTIMATE[name] for name in ("draws", "queries", "mde")},
            "underpowered": "power below 80 % for the paper's effect",
            "verdict": "holds, fails, negligible, cannot tell: of this place",
            "overall": "the same of the claim over all places; mixed: it holds in some and fails in"
            " others",
        },
    ),
    Artifact(
        "results/{study}/summary/examples.parquet",
        "prompts and answers that the report shows: of every pair of learners in figures of kind"
        " agreement, shots and size the five test queries nearest by total variation, at its"
        " quartiles, and farthest",
        {
            **_keys("model task design shots a b draw order epoch example"),
            "place": "which of the five",
            "tv": "total variation of both answers",
            "token_overlap": "share of shared tokens among the ten likeliest",
            "instruction": "instruction at the start of the prompt",
            "demonstrations": "demonstrations of a in their order",
            "demonstrations_b": "those of b; null if it was given the query alone",
            "text": "the query",
            "answer": "its right answer",
            "answer_token": "its first token",
            "tokens": "a's ten likeliest, then those of b's that are not among them",
            "probability_a": "their probabilities under a; null where its logits do not keep them",
            "probability_b": "the same under b",
            "rank_a": "their ranks under a, likewise",
            "rank_b": "the same under b",
        },
    ),
    Artifact(
        "results/{study}/summary/{figure}.parquet",
        "what a figure shows, one row per value; each kind of figure has some of these columns",
        {
            **RUN,
            **_keys("learner a b epoch"),
            "metric": "name of the metric, a column of `results/agreement` or `results/attention`,"
            f" or a difference over the same draws and queries: {_listed(DIFFERENCES)}; of errors"
            f" (the likeliest label is not the right one): {_listed(errors.METRICS)}",
            "measure": f"name of any other quantity; also: {_listed(MEASURED)}",
            **ESTIMATE,
            "diverged": "share of runs that diverged",
            "chosen": "rate and epoch of best accuracy on validation queries",
            "k": "number of most likely tokens that are compared",
            "layer": "layer, from 0; null: mean over layers",
            "source": "property of the order that explains this share of the variance",
            "kind": "controls: `pair`, `control` or `ceiling`; twins: `mean` or `difference`",
            "control": "name of the negative control",
            "floor": "agreement of the best negative control",
            "ceiling": "agreement of ICL with itself",
            "normalised": "place of the estimate between floor (0) and ceiling (1)",
            "normalised_low": "the same of its lower end",
            "normalised_high": "the same of its upper end",
            "against": "what a difference is from: a model, a learner or a design",
            "family": "the learner without its rate",
            "choice": "how rate and epoch were chosen: best `accuracy`, or `nearest` to ICL",
            "border": "which end of the epochs or rates tried it lies at; null: none",
            "ended": "share of runs that had ended (converged or stalled) at the last epoch",
            "reference": "distance of ICL from itself under another order",
            "untouched": "distance of ICL from the pretrained model (zero-shot)",
            "solver": "distance of ICL from the nearest solver of the task that does no GD",
            "solver_name": "that solver; null: there is none",
            "rounding": "distance of the learner from itself on reordered demonstrations, from"
            " which full-batch GD differs by rounding alone",
            "excess": "estimate minus reference, cell by cell",
            "excess_most": "its upper bound, where not the whole vocabulary is kept",
            "excess_{of}": "its standard error, df, skewness and mde, and its bounds at the levels"
            " of its tests (sensitivity: 5 %)",
            "nearer": "solver minus estimate, cell by cell",
            "untouched_least": "lower bound of `untouched` at the level of its test",
            "nearer_least": "lower bound of `nearer` at the level of its test",
            "primary": "whether the study declares this test as a primary one",
            "factor": "multiple of the study's smallest effect that is tested; the verdict is at 1",
            "smallest": "the smallest effect of interest times that",
            "reached": "whether the excess is surely below it (one-sided, 5 %), all runs sound",
            "missed": "whether the excess is surely above it (one-sided, 5 %)",
            "closest": "a protocol's point nearest to ICL: each draw at the rate and epoch that"
            " the other draws choose on validation queries, named after what all choose",
            "accuracy": "share of test queries that are answered right; of the reference ICL's",
            "accuracy_low": "lower end of its 95 % interval",
            "accuracy_high": "upper end of its 95 % interval",
            "cells": "errors: cells of a draw and a query that the estimate is a share of; with"
            " fewer than 20 it is null",
            "p": "errors: one-sided p-value, of gaps that they are above 0, of differences from ICL"
            " reordered that they are below",
            "p_difference": 'p-value of "farther from ICL than ICL is from itself", by Holm',
            "p_equivalence": 'p-value of "farther by less than the smallest effect", by Holm',
            "p_learned": 'p-value of "zero-shot is farther than the smallest effect", by Holm',
            "p_nearer": 'p-value of "nearer to ICL than the solver", by Holm',
            "level_{of}": "one-sided level at which each of these tests is made, Holm's over the"
            " primary ones",
            "verdict": "equivalent, negligible, different, inconclusive",
            "reason": "why it is inconclusive",
            "draws_needed": "draws that decide it, if these estimates are the truth",
            "underpowered": "power below 80 % for an excess of that size",
            "loss": "mean loss of the demonstrations at this epoch, nats",
            "nearest": "nearest to ICL of its family, on validation queries",
            "matrix": "`q`, `k`, `v`, or the circuit `qk`, `ov`",
            "threshold": "absolute value of a weight",
            "layers": "number of layers",
            "models": "pretrained models that have a value",
            "required": "share that the construction of GD needs",
            "revision": "checkpoint",
            "step": "its step of pretraining",
            "departure": "how the model departs from the construction of GD",
            "nature": "what the departed model computes, compared with the learner: GD with another"
            " kernel, rate or number of steps, or not GD",
            "dose": "size of the departure, 0 to 1; or steps of GD beyond the layers",
            "reading": "GD at the rate and epoch nearest to ICL on validation queries (`tuned`), or"
            " with rate and steps of the construction (`untuned`)",
            "at_end": "the tuned rate or epoch is the first or last that was tried",
            "draw": "doses: the draw that this total variation is of alone, its mean over test"
            " queries and orders; null: over all draws",
            "response": "how the metric responds as the dose grows: falls, wavers or is blind",
            "rate": "step size of GD",
            "scale": "scale of the inputs, 1 in training",
            "prompts": "prompts that have a value",
            "at": "position in the document, or number of demonstrations",
            "eta": "momentum of attention",
            "seed": "seed of one pair of twins; null: over all",
            "seeds": "seeds that have a value",
        },
    ),
    Artifact(
        "results/{study}/study.json",
        "the configuration entries that the last run used, written when a run starts; another study"
        " that gives one of these names another meaning is refused, as their files would clash",
        {
            "models": "entries of models by name, with those they are derived from",
            "tasks": "entries of tasks by name, likewise",
            "demonstrations": "entries of designs by name",
            "learners": "entries of learners by name, one for each rate",
            "runs": "model/task/design/learner of every table of logits",
        },
    ),
    Artifact("results/{study}/report.html", "the report, one page that needs no network", {}),
    Artifact("results/{study}/findings.txt", "the numbers of every figure as short tables", {}),
    Artifact(
        "results/{study}/figures/{figure}.{format}",
        "a figure: `svg`, `png`, `pdf`, `html` (with tooltips), `tex` (its numbers as a table)",
        {},
    ),
    Artifact("results/library.js", "Vega, the JavaScript that draws figures in a browser", {}),
    Artifact(
        "results/models/{model}/",
        "a model's config, weights (safetensors) and tokenizer as `transformers` loads them",
        {},
    ),
    Artifact(
        "results/pretraining/{model}/step{step}/", "the same of a checkpoint of its pretraining", {}
    ),
    Artifact("results/benchmarks/", "what `make bench` measured, with a table and two figures", {}),
)
