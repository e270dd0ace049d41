"""ICL and gradient descent on one architecture, against plain transformers and torch.

`row` is the line of docs/models.md; ``python tests/architectures/check.py`` writes all lines anew,
below the text of the page.
"""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import small
import torch

from iclgd.io.cli import InputError
from iclgd.learners import evaluation, gradient_descent, in_context, trainable, training_batch
from iclgd.learners.settings import Learner
from iclgd.models import architectures, float64, loading, probes
from iclgd.tasks.prompts import Demonstrations
from iclgd.tasks.readouts.next_token import NextToken

PAGE = Path(__file__).parents[2] / "docs" / "models.md"
RULE = "|---|---|---|---|---|\n"  # between the head of its table and the lines
# Largest difference of label log-probabilities.
TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-6}
PARTLY = 1e-5  # of a float64 model some part of which transformers computes in float32
RATE, EPOCHS = 0.002, 2
LABELS = [20, 21]
V = {"layers": [0.5], "matrices": ["v"]}

_rng = np.random.default_rng(0)
TEXTS = [_rng.integers(5, 200, n).tolist() for n in (6, 7, 6, 8)]
QUERIES = [_rng.integers(5, 200, n).tolist() for n in (3, 5, 4, 5)]
SHOWN = {i: ([*text, LABELS[i % 2]], len(text)) for i, text in enumerate(TEXTS)}
PROMPTS = [[i for tokens, _ in SHOWN.values() for i in tokens] + query for query in QUERIES]
RUNS = [Demonstrations(0, 0, (0, 1)), Demonstrations(1, 0, (2, 3))]


def plain(model, sequence: list[int]) -> torch.Tensor:
    """Log-probabilities of the labels behind a whole sequence, alone, with a mask of ones."""
    tokens = torch.tensor([sequence])
    ones = torch.ones_like(tokens)
    logits = model(input_ids=tokens, attention_mask=ones, use_cache=False).logits
    return logits[0, -1].double().log_softmax(-1)[LABELS]


def plain_descent(model, run: Demonstrations, train: dict | None) -> list[torch.Tensor]:
    """The answers to all queries at every epoch, by an ordinary loop over the demonstrations."""
    config, model = model.config, copy.deepcopy(model).requires_grad_(True)
    masks = {name: torch.ones_like(weight) for name, weight in model.named_parameters()}
    if train:
        layer = architectures.layer_number(config, train["layers"][0])
        chosen = architectures.parameter_names(config, layer, "v")
        for name, mask in masks.items():
            mask.zero_()
            if name in chosen:
                architectures.view(config, "v")(mask).fill_(1)
    optimiser = torch.optim.SGD(model.parameters(), lr=RATE)
    found = []
    for _ in range(EPOCHS + 1):
        with torch.no_grad():
            found.append(torch.stack([plain(model, query) for query in QUERIES]))
        optimiser.zero_grad()
        for example in run.examples:
            tokens, start = SHOWN[example]
            loss = -plain(model, tokens[:start])[LABELS.index(tokens[start])]
            (loss / len(run.examples)).backward()
        for name, weight in model.named_parameters():
            if weight.grad is not None:
                weight.grad *= masks[name]
        optimiser.step()
    return found


def icl(loaded) -> tuple[np.ndarray, bool]:
    """Our answers to all prompts, and whether they shared their beginning."""
    together, prefix = probes.Ways(loaded, prefixes=True).of(PROMPTS)
    found = in_context.score(loaded, PROMPTS, NextToken(LABELS, small.VOCABULARY), prefix, together)
    return found.label_logprobs, prefix is not None


def gd(loaded, train: dict | None) -> tuple[dict[tuple[int, int], np.ndarray], bool]:
    """Our answers by run and epoch, and whether the runs were trained side by side."""
    learner = Learner(rate=RATE, epochs=EPOCHS, train=train)
    together, _ = probes.Ways(loaded).of([*QUERIES, *(tokens for tokens, _ in SHOWN.values())])
    model, chosen = trainable.choose(loaded.model, train)
    shown = [[SHOWN[example] for example in run.examples] for run in RUNS]
    batches = training_batch.batches(shown, "label", "cpu", together)
    size = gradient_descent.runs_at_once(model, chosen, batches, learner)
    queries = evaluation.Queries(model, chosen, QUERIES, "cpu", together)
    found = {}
    for start in range(0, len(RUNS), size):
        block = batches[start : start + size]
        for epoch, weights, *_ in gradient_descent.descend(model, chosen, block, learner):
            for _, answers in evaluation.answers(
                model, weights, queries, NextToken(LABELS, small.VOCABULARY)
            ):
                for number, answer in enumerate(answers, start=start):
                    found[number, epoch] = answer.label_logprobs
    return found, size > 1


def check(kind: str, model, dtype: torch.dtype) -> str:
    """Ours against plain in one dtype; how it was done. Raises AssertionError or InputError."""

    def near(found: np.ndarray, expected: torch.Tensor) -> None:
        difference = float(np.abs(found - expected.numpy()).max())
        assert difference <= most, f"{kind}, {dtype}: {difference:.1e} apart"

    partly = dtype == torch.float64 and float64.narrow(copy.deepcopy(model)) is not None
    most = PARTLY if partly else TOLERANCE[dtype]

    untouched = copy.deepcopy(model)
    loaded = loading.Loaded(kind, model, None, "cpu", None)
    with torch.no_grad():
        expected = torch.stack([plain(untouched, prompt) for prompt in PROMPTS])
    assert expected.isfinite().all()
    found, shared = icl(loaded)
    near(found, expected)
    known = architectures.known(model.config)
    for train in (None, V) if known else (None,):
        found, stacked = gd(loaded, train)
        for number, run in enumerate(RUNS):
            for epoch, expected in enumerate(plain_descent(untouched, run, train)):
                near(found[number, epoch], expected)
    return " | ".join(
        (
            "shared beginning" if shared else "whole prompts",
            "side by side" if stacked else "one at a time",
            "yes" if known else "",
        )
    )


def row(kind: str) -> str:
    """The architecture's line of the table, after all checks in float32 and float64."""
    torch.set_num_threads(1)
    built, reason = {}, ""
    for dtype in TOLERANCE:
        try:
            model = small.build(kind, dtype)
            with torch.no_grad():
                plain(model, QUERIES[0])
            built[dtype] = model
        except Exception as error:  # transformers raises anything for what it cannot make or run
            reason = type(error).__name__
    if torch.float32 not in built:
        return f"| {kind} | not built small here ({reason}) | | | |"
    try:
        found = {check(kind, model, dtype) for dtype, model in built.items()}
    except InputError as error:
        reason = str(error).split(": ", 1)[1].split(" (")[0]
        return f"| {kind} | refused: {reason} | | | |"
    assert len(found) == 1
    return f"| {kind} | {found.pop()} | {'' if torch.float64 in built else 'float32 alone'} |"


def documented() -> dict[str, str]:
    """The lines of the page by architecture."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    return {line.split(" | ")[0].removeprefix("| "): line for line in lines[1:]}


if __name__ == "__main__":
    lines = []
    for kind in small.KINDS:
        lines.append(row(kind))
        print(lines[-1], flush=True)
    text = PAGE.read_text().partition(RULE)[0]
    PAGE.write_text(text + RULE + "\n".join(lines) + "\n")
