"""Every artifact and the meaning of its columns: the single source of all documentation.

What belongs to a study is here, all else in a module for each room (`data`).
"""

from __future__ import annotations

from iclgd.metrics import (
    accuracy,
    attention_similarity,
    distances,
    errors,
    label_dose,
    order_sensitivity,
    sparsity_requirement,
)
from iclgd.metrics.order_patterns import PATTERNS
from iclgd.reporting.data import learners, metrics, models, tasks
from iclgd.reporting.data.artifact import ESTIMATE, KEYS, RUN, Artifact, keys, listed

DIFFERENCES = {
    **accuracy.CONTRASTS,
    **attention_similarity.CONTRASTS,
    "tv_slope": distances.SLOPE,
    **errors.CONTRASTS,
    **label_dose.CONTRASTS,
}
MEASURED = {**order_sensitivity.CONTRASTS, **PATTERNS, "missing": sparsity_requirement.MISSING}
STUDY = (
    Artifact(
        "results/{study}/summary/claims.parquet",
        "the papers' claims, one row per claim and place where it is decided",
        {
            "paper": "authors and year",
            "place": "where it is claimed",
            "claim": "the claim in one sentence",
            "quantity": "the quantity that decides it",
            "figure": "the figure that shows it",
            **keys("model task shots learner"),
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
            **keys("model task design shots a b draw order epoch example"),
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
            **keys("learner a b epoch"),
            "metric": "name of the metric, a column of `results/agreement` or `results/attention`,"
            f" or a difference over the same draws and queries: {listed(DIFFERENCES)}; of errors"
            f" (the likeliest label is not the right one): {listed(errors.METRICS)}; of"
            f" `label_dose`: {listed(label_dose.METRICS)}",
            "measure": f"name of any other quantity; also: {listed(MEASURED)}",
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
            "excess_settled": "excess if runs that had not ended at the last epoch, where that is"
            " the nearest, went on to ICL itself",
            "excess_at_least": "lower bound of the excess, less what these runs would take from it",
            "excess_{of}": "its standard error, df, skewness and mde, and its bounds at the levels"
            " of its tests (sensitivity: 5 %)",
            "nearer": "solver minus estimate, cell by cell",
            "untouched_least": "lower bound of `untouched` at the level of its test",
            "nearer_least": "lower bound of `nearer` at the level of its test",
            "nearer_most": "its upper bound, where not the whole vocabulary is kept",
            "nearer_at_most": 'upper bound of it at the level of the test "no nearer"',
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
            "p_difference": 'p-value of "farther from ICL than ICL from itself by more than the'
            ' smallest effect", by Holm',
            "p_equivalence": 'p-value of "farther by less than the smallest effect", by Holm',
            "p_learned": 'p-value of "zero-shot is farther than the smallest effect", by Holm',
            "p_nearer": 'p-value of "nearer to ICL than the solver", by Holm',
            "p_solved": 'p-value of "nearer than the solver by less than the smallest", by Holm',
            "level_{of}": "one-sided level at which each of these tests is made, Holm's over the"
            " primary ones",
            "verdict": "equivalent, negligible, unspecific, different, inconclusive",
            "reason": "why it is inconclusive",
            "draws_needed": "draws that decide it, if these estimates are the truth",
            "underpowered": "power below 80 % to find an excess of 0 below the smallest effect, or"
            " one of twice that above it",
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
            "dose": "size of the departure, 0 to 1; or steps of GD beyond the layers; of"
            " `label_dose` the share of wrong labels among the demonstrations, mean over draws",
            "labels": "those that demonstrations show: `right`, `flipped` (some are the next one),"
            " `abstract` (other words); null: of all together",
            "reading": "GD at the rate and epoch nearest to ICL on validation queries (`tuned`),"
            " with rate and steps of the construction (`untuned`), or on functions, in the space of"
            " a kernel, at the nearest of its own rates and epochs (`kernel`); of `existence`: the"
            " rate and epoch `nearest` to ICL, of best `accuracy`, or `untouched` (epoch 0)",
            "foremost": "the nearest on validation queries, of all that ICL taught or of all that"
            " descend on the labels",
            "part": "of ICL's change: `mapping` (which label) or `labels` (whether it is a label)",
            "demonstrations": "whose gradients: `own`, with `wrong labels`, or of `other texts`",
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
        "results/{study}/findings.csv",
        "the same as one long table, one row per value, with the digits that are printed; a copy of"
        " it is the reference run of a study, `docs/reference/{study}.csv`",
        {
            "figure": "the figure, or `models`, `claims` or `answer`",
            "kind": "its kind, or `models`, `claims` or `answer`",
            "model": KEYS["model"],
            "task": KEYS["task"],
            "shots": KEYS["shots"],
            "learner": "name of the learner, without a rate that was chosen for it",
            "of": "what else the value is of: a metric, a dose, a test, a claim",
            "quantity": "column of `findings.txt`; `rate and epoch`: those that were chosen;"
            " `verdicts: different`: how many there are; `configuration`: a hash of all entries"
            " that the figure needs",
            "estimate": "the value",
            "low": "lower end of its interval, of which `findings.txt` says what it is",
            "high": "upper end of that interval",
            "p": "p-value; of claims after Holm's correction",
            "said": "what is no number, such as a verdict; after an estimate its baseline",
        },
    ),
    Artifact("results/{study}/answer.txt", "the study's answer in at most fifteen lines", {}),
    Artifact("results/{study}/summary/answer.json", "the same, for the report", {}),
    Artifact(
        "results/{study}/figures/{figure}.{format}",
        "a figure: `svg`, `png`, `pdf`, `html` (with tooltips), `tex` (its numbers as a table)",
        {},
    ),
    Artifact("results/library.js", "Vega, the JavaScript that draws figures in a browser", {}),
)
FOLDERS = (
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
ARTIFACTS = (
    *tasks.ARTIFACTS,
    *learners.ARTIFACTS,
    *metrics.ARTIFACTS,
    *models.ARTIFACTS,
    *STUDY,
    *FOLDERS,
)
