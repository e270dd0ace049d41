"""The comparison for a model and data in memory: `compare`, `icl`, `gd`, `agreement`.

The functions are the workflow's own, without its files: the same texts give the same numbers.
Demonstrations and queries are pairs of a text and its label word; one list of demonstrations is a
draw, and a list of such lists is several.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from iclgd.io import parquet
from iclgd.io.cli import InputError
from iclgd.io.schemas.logits import LOGITS
from iclgd.io.schemas.task import TASK
from iclgd.learners import (
    batches,
    evaluation,
    gradient_descent,
    in_context,
    settings,
    trainable,
    training_batch,
)
from iclgd.metrics import agreement as metrics
from iclgd.metrics import pairing, registry
from iclgd.metrics.distributions import Top
from iclgd.models import attention, dimensions, loading, probes
from iclgd.statistics import equivalence
from iclgd.tasks import answer_tokens, prompts, readers, sampling, task_tables
from iclgd.tasks.readouts.next_token import Distributions, NextToken

Example = tuple[str, str]  # a text and its label word
Draws = Sequence[Example] | Sequence[Sequence[Example]]

PROMPT = "{text}\nLabel: {label}\n\n"
# Monotone full-batch steps on the label's loss until it is .01.
LEARNER = {"optimiser": "monotone", "rate": 1e-3, "epochs": 60, "until": 0.01, "stall": 0.02}
LEARNER |= {"record": [0, 5, 10, 60]}
ICL, REORDERED, GD = "icl", "icl-reordered", "gd"
SHOWN = ("accuracy_b", "tv", "token_overlap", "ocs")
# Metrics of two arrays of distributions, which know no labels.
OF_ARRAYS = ("tv", "js", "token_overlap", "nucleus_overlap", "ocs", "rbo")


@dataclass(frozen=True)
class Comparison:
    """What `compare` found.

    ``logits``: next-token distributions of ICL and GD (`io.schemas.logits.LOGITS`).
    ``agreement``: every metric for every draw, order, epoch and query, of GD and of ICL under
    another order against ICL (`metrics.registry.AGREEMENT`).
    ``verdicts``: of the tests of equivalence (`statistics.equivalence.judged`); empty where there
    is one order alone.
    """

    logits: pl.DataFrame
    agreement: pl.DataFrame
    verdicts: pl.DataFrame

    @property
    def verdict(self) -> str:
        """Is GD as near to ICL as ICL is to itself? With a reason if the tests cannot tell."""
        if self.verdicts.is_empty():
            return "inconclusive: one order"
        row = self.verdicts.filter(measure="tv", factor=1.0, choice="nearest").row(0, named=True)
        return row["verdict"] if row["reason"] is None else f"{row['verdict']}: {row['reason']}"

    @property
    def summary(self) -> pl.DataFrame:
        """Means over test queries, draws and orders, by learner and epoch.

        ``accuracy``, and agreement with ICL: ``tv`` (0: the same, 1: nothing shared),
        ``token_overlap`` and ``ocs``, each in [0, 1].
        """
        test = self.agreement.filter(split="test", status="ok").rename({"b": "learner"})
        means = test.group_by("learner", "epoch").agg(pl.col(SHOWN).mean())
        accuracy = test.filter(learner=REORDERED)["accuracy_a"].mean()
        icl = pl.DataFrame({"learner": [ICL], "accuracy_b": [accuracy]})
        found = pl.concat([icl, means], how="diagonal_relaxed").rename({"accuracy_b": "accuracy"})
        return found.sort("learner", "epoch", descending=[True, False])

    def plot(self):
        """Total variation from ICL over the epochs of GD, beside that of ICL reordered: Altair."""
        import altair as alt

        rows = self.summary.filter(pl.col("tv").is_not_null())
        gd, reordered = rows.filter(learner=GD), rows.filter(learner=REORDERED)
        y = alt.Y("tv:Q", title="total variation from ICL", scale=alt.Scale(domain=[0, 1]))
        orange = {"color": "#D55E00"}
        line = alt.Chart(alt.Data(values=gd.to_dicts())).mark_line(point=orange, **orange)
        level = alt.Chart(alt.Data(values=reordered.to_dicts())).mark_rule(
            color="#0072B2", strokeDash=[4, 3]
        )
        title = f"GD (orange) and ICL reordered (blue): {self.verdict}"
        return alt.layer(line.encode(alt.X("epoch:Q"), y), level.encode(y)).properties(title=title)


def compare(
    model,
    tokenizer,
    demonstrations: Draws,
    queries: Sequence[Example],
    *,
    prompt: str = PROMPT,
    instruction: str = "",
    learner: Mapping | None = None,
    orders: int = 4,
    keep: int = 1024,
    smallest: float = equivalence.SMALLEST,
) -> Comparison:
    """In-context learning and gradient descent on the same demonstrations.

    ``model``: a causal language model of transformers, on any device; it is left as it was.
    ``prompt``: of one example, with ``{text}`` and ``{label}``. ``learner``: settings of GD as in
    a configuration (`learners.settings.Learner`; default `LEARNER`). ``orders``: of each draw, for
    ICL and its own noise. ``keep``: likeliest tokens that are kept. A quarter of the queries, the
    first ones, choose the epoch; all numbers are of the rest. ``smallest``: total variation that
    would matter. A verdict that tells takes several draws.

    Raises InputError for what cannot be compared: fewer than four queries, a label that no
    demonstration has, label words with one first token, a prompt longer than the context.
    """
    asked = _asked(tokenizer, demonstrations, queries, prompt, instruction, orders, model, keep)
    with _prepared(model, tokenizer) as loaded:
        icl = pl.concat(_icl_rows(loaded, asked))
        gd = pl.concat(_gd_rows(loaded, asked, settings.learner(dict(learner or LEARNER))))
    pairs = [pairing.compare(icl, gd, GD)[0]]
    verdicts = pl.DataFrame()
    if icl["order"].max() > 0:
        pairs.append(pairing.compare(icl, pairing.shifted(icl, "order"), REORDERED)[0])
        tests = equivalence.Tests(reference=REORDERED, smallest=smallest)
        verdicts = equivalence.judged(pairs, tests)
    logits = parquet.match(pl.concat([icl, gd]), LOGITS)
    agreed = parquet.match(pl.concat(pairs), registry.AGREEMENT)
    return Comparison(logits, agreed, verdicts)


def icl(
    model,
    tokenizer,
    demonstrations: Sequence[Example],
    queries: Sequence[Example],
    *,
    prompt: str = PROMPT,
    instruction: str = "",
) -> np.ndarray:
    """Natural log-probabilities [queries, vocabulary] of the next token after each query, with
    the demonstrations in front of it in the order given. Errors as of `compare`."""
    asked = _asked(tokenizer, demonstrations, queries, prompt, instruction, 1, model)
    with _prepared(model, tokenizer) as loaded:
        found = _icl_answers(loaded, asked)
        return np.concatenate([_dense(answers) for _, _, answers in found])


def gd(
    model,
    tokenizer,
    demonstrations: Sequence[Example],
    queries: Sequence[Example],
    *,
    prompt: str = PROMPT,
    instruction: str = "",
    learner: Mapping | None = None,
) -> dict[int, np.ndarray]:
    """The same of each query alone, after training on the demonstrations, by recorded epoch.

    Epoch 0 is the pretrained model (zero-shot). Errors as of `compare`.
    """
    asked = _asked(tokenizer, demonstrations, queries, prompt, instruction, 1, model)
    chosen = settings.learner(dict(learner or LEARNER))
    with _prepared(model, tokenizer) as loaded:
        found: dict[int, list[np.ndarray]] = {}
        for _, now, _, answers in _gd_answers(loaded, asked, chosen):
            found.setdefault(now.epoch, []).append(_dense(answers))
    return {epoch: np.concatenate(parts) for epoch, parts in found.items()}


def agreement(p: np.ndarray, q: np.ndarray) -> pl.DataFrame:
    """How much two arrays of log-probabilities [M, vocabulary] agree, row by row.

    Columns: ``tv`` and ``js`` (nats), 0 where they are the same; ``token_overlap`` (of the ten
    likeliest), ``nucleus_overlap``, ``ocs`` and ``rbo``, 1 where they are. Formulae are in methods,
    sources in `metrics.agreement`. Raises ValueError for arrays of other shapes.
    """
    if p.ndim != 2 or p.shape != q.shape:
        raise ValueError(f"two arrays [M, vocabulary] are needed, not {p.shape} and {q.shape}")
    none = np.zeros((len(p), 0))
    pair = metrics.Pair(_top(p), _top(q), none, none, none, none)
    return pl.DataFrame({name: metrics.METRICS[name].value(pair) for name in OF_ARRAYS})


# --- inputs ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Asked:
    """Demonstrations and queries as the workflow's tables have them."""

    task: pl.DataFrame
    queries: pl.DataFrame
    runs: list[prompts.Demonstrations]
    readout: NextToken
    names: dict[str, str] = field(default_factory=lambda: {"task": "task", "design": "given"})

    def constant(self, learner: str) -> dict[str, str | int]:
        """What all rows of a learner share."""
        shots = len(self.runs[0].examples)
        return {"model": "model", **self.names, "shots": shots, "learner": learner}


def _asked(
    tokenizer,
    demonstrations: Draws,
    queries: Sequence[Example],
    prompt: str,
    instruction: str,
    orders: int,
    model,
    keep: int | None = None,
) -> _Asked:
    draws = _draws(demonstrations)
    shots = len(draws[0]) if draws else 0
    if any(len(draw) != shots for draw in draws) or not shots:
        raise InputError("every draw needs the same number of demonstrations, one at least")
    if len(queries) < 4:
        raise InputError(f"four queries at least are needed, not {len(queries)}")
    words = dict.fromkeys(label for draw in draws for _, label in draw)
    entry = {"prompt": prompt, "instruction": instruction, "labels": {one: one for one in words}}
    validation = len(queries) // 4
    splits = {"train": [example for draw in draws for example in draw]}
    splits |= {"validation": queries[:validation], "test": queries[validation:]}
    rows = {
        split: [row for _, row in readers.render(_placed(split, part), entry, "given")]
        for split, part in splits.items()
    }
    task = task_tables.task_table(rows, entry, "task").select(list(TASK)).cast(TASK)
    many = min(orders, math.factorial(shots))
    runs = [
        prompts.Demonstrations(draw, order, tuple(draw * shots + place for place in places))
        for draw in range(len(draws))
        for order, places in enumerate(_orders(shots, many, draw))
    ]
    size = dimensions.vocabulary(model) if keep is None else keep
    readout = NextToken.of_task(tokenizer, task, runs, model, size)
    return _Asked(task, prompts.queries(task), runs, readout)


def _draws(demonstrations: Draws) -> list[list[Example]]:
    given = list(demonstrations)
    return [given] if given and isinstance(given[0][0], str) else [list(one) for one in given]


def _placed(split: str, examples: Sequence[Example]) -> Iterator[tuple[str, dict]]:
    for number, (text, label) in enumerate(examples):
        yield f"{split} {number}", {"text": text, "label": label}


def _orders(shots: int, count: int, draw: int) -> list[tuple[int, ...]]:
    """So many different orders of a draw: the given one, then others at random."""
    given, rng = tuple(range(shots)), task_tables.generator("api", draw)
    others = [one for one in sampling.orders(rng, shots, count) if one != given]
    return [given, *others][:count]


@contextmanager
def _prepared(model, tokenizer) -> Iterator[loading.Loaded]:
    """The model as learners need it: in evaluation, without gradients; at the end as before."""
    training = model.training
    needed = [parameter.requires_grad for parameter in model.parameters()]
    attention.activate(model)
    model.eval().requires_grad_(False)
    context = dimensions.context(model.config)
    try:
        yield loading.Loaded("model", model, tokenizer, str(model.device), context)
    finally:
        model.train(training)
        for parameter, before in zip(model.parameters(), needed, strict=True):
            parameter.requires_grad_(before)


# --- learners -------------------------------------------------------------------------------


def _icl_answers(loaded: loading.Loaded, asked: _Asked):
    parts = list(asked.queries.iter_slices(batches.QUERIES))
    return in_context.answers(loaded, asked.task, asked.runs, parts, asked.readout, asked.names)


def _icl_rows(loaded: loading.Loaded, asked: _Asked) -> Iterator[pl.DataFrame]:
    for run, part, found in _icl_answers(loaded, asked):
        keys = {"draw": run.draw, "order": run.order, "epoch": 0}
        yield asked.readout.rows(found, asked.constant(ICL) | keys, part)


def _gd_answers(loaded: loading.Loaded, asked: _Asked, learner: settings.Learner):
    """Run, recorded epoch, part of the queries and its answers, of one order of every draw."""
    tokenizer = loaded.tokenizer
    runs = [run for run in asked.runs if run.order == 0]
    sequences = prompts.encode_queries(tokenizer, asked.queries)
    shown = answer_tokens.encode_demonstrations(tokenizer, asked.task, runs)
    texts = [*sequences, *(tokens for run in shown for tokens, _ in run)]
    prompts.check_length([len(tokens) for tokens in texts], loaded.context, **asked.names)
    together, _ = probes.Ways(loaded).of(texts)
    trained_on = training_batch.batches(shown, learner.loss, loaded.device, together)
    model, chosen = trainable.choose(loaded.model, learner.train, seed="task")
    evaluated = evaluation.Queries(model, chosen, sequences, loaded.device, together)
    for run, batch in zip(runs, trained_on, strict=True):
        for now in gradient_descent.descend(model, chosen, [batch], learner):
            answers = evaluation.answers(model, now.weights, evaluated, asked.readout)
            for start, (found,) in answers:
                yield run, now, asked.queries.slice(start, batches.QUERIES), found


def _gd_rows(
    loaded: loading.Loaded, asked: _Asked, learner: settings.Learner
) -> Iterator[pl.DataFrame]:
    """Rows of GD; those of full-batch GD are the same under every order, and have the first."""
    for run, now, part, found in _gd_answers(loaded, asked, learner):
        keys = {"draw": run.draw, "order": run.order, "epoch": now.epoch}
        end = {"loss": float(now.losses[0]), "state": now.states[0], "trained": now.trained[0]}
        yield asked.readout.rows(found, asked.constant(GD) | keys, part, **end)


# --- arrays ---------------------------------------------------------------------------------


def _dense(found: Distributions) -> np.ndarray:
    """Log-probabilities in the order of tokens, of answers that kept the whole vocabulary."""
    logprobs = np.empty(found.top_ids.shape, np.float64)
    np.put_along_axis(logprobs, found.top_ids.astype(np.int64), found.top_logprobs, axis=1)
    logprobs[~found.finite] = np.nan
    return logprobs


def _top(logprobs: np.ndarray) -> Top:
    order = np.argsort(-logprobs, axis=1, kind="stable")
    return Top(order, np.take_along_axis(logprobs, order, 1), np.zeros(len(logprobs)))
