"""Gradient descent on functions, in the space of a kernel.

A step of GD moves the weights; seen from outside it moves the answers, at x by the sum over
demonstrations of k(x, x_i) times what is missing at x_i. With a kernel k given, this needs no
weights: f <- f + (rate / N) sum_i k(x, x_i) r_i(f), r_i the negative gradient of the loss of
demonstration i by f(x_i). All iterates are f_0 + sum_i k(x, x_i) a_i. Attention that compares
inputs by k does just this with the squared loss (Cheng, Chen and Sra 2312.06528; for softmax
attention and one step Dragutinovic, Saxe and Singh 2510.10425). With the linear kernel it is GD on
the weights of a linear model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from iclgd.io.cli import InputError
from iclgd.learners import features, kernels, settings
from iclgd.learners.settings import Learner
from iclgd.models import families, forward, gd_transformer
from iclgd.models.linear_attention import KERNELS


class Entry(NamedTuple):
    """The settings of a learner of method ``kernel``: scores of inputs are divided by
    ``temperature``, ``layer`` is a number or a fraction of the depth."""

    kernel: str
    layer: float
    temperature: float
    learner: Learner


def entry(given: dict) -> Entry:
    """From a JSON object. Raises InputError that names an unknown key or value."""
    descent = {key: value for key, value in given.items() if key not in kernels.SETTINGS}
    if wrong := next((key for key in descent if key not in kernels.DESCENT), None):
        raise InputError(f"learner: {wrong} has no meaning for a kernel")
    found = Entry(
        given.get("kernel", ""),
        given.get("layer", kernels.LAYER),
        given.get("temperature", kernels.TEMPERATURE),
        settings.learner(descent),
    )
    for what, value, known in (
        ("kernel", found.kernel, kernels.KERNELS),
        ("loss", found.learner.loss, kernels.LOSSES),
    ):
        if value not in known:
            raise InputError(f"learner: {what} {value!r} is none of {', '.join(known)}")
    return found


def weights(kernel: str, x: Tensor, shown: Tensor, temperature: float = 1.0) -> Tensor:
    """How far a step at each demonstration [N, d] reaches each x [M, d]: [M, N].

    k(x.x_i / temperature) / N, or of ``softmax`` the kernel exp over its sum: a step of its own
    size at each x, which is what softmax attention takes.
    """
    scores = x @ shown.mT / temperature
    if kernel == kernels.SOFTMAX:
        return scores.softmax(-1)
    return KERNELS[kernel](scores) / len(shown)


def missing(
    loss: str, head: Tensor | None, answers: Tensor, y: Tensor | None, targets: Tensor
) -> Tensor:
    """The negative gradient of each demonstration's loss by its own answer, [N, D].

    ``answers`` f [N, D]; logits are ``head`` f, head [V, D] (None: f itself). ``y`` [N, D]: what
    f should be (``squared``, 1/2 ||f - y||^2), else None; ``targets`` [N]: the token that should
    follow (``label``, the cross-entropy).
    """
    if loss == "squared":
        return y - answers
    logits = answers if head is None else answers @ head.mT
    gap = -logits.softmax(-1)
    gap[torch.arange(len(gap)), targets] += 1
    return gap if head is None else gap @ head


class Step(NamedTuple):
    """``coefficients`` a [N, D] after ``epoch`` steps; ``loss``: the demonstrations' mean."""

    epoch: int
    coefficients: Tensor
    loss: float


def descend(
    gram: Tensor,
    start: Tensor,
    learner: Learner,
    head: Tensor | None,
    y: Tensor | None,
    targets: Tensor,
) -> Iterator[Step]:
    """Steps of one run, from epoch 0 to the last.

    ``gram`` [N, N]: `weights` of the demonstrations themselves; ``start`` f_0 of them, [N, D];
    others as in `missing`.
    """
    found = torch.zeros_like(start)
    for epoch in range(learner.epochs + 1):
        answers = start + gram @ found
        yield Step(epoch, found, _loss(learner.loss, head, answers, y, targets))
        found = found + learner.rate * missing(learner.loss, head, answers, y, targets)


def _loss(
    loss: str, head: Tensor | None, answers: Tensor, y: Tensor | None, targets: Tensor
) -> float:
    if loss == "squared":
        return float((answers - y).square().sum(-1).mean() / 2)
    logits = answers if head is None else answers @ head.mT
    return float(torch.nn.functional.cross_entropy(logits, targets))


class Seen(NamedTuple):
    """What a learner makes of prompts alone: inputs ``x`` [M, d] and answers f_0 ``start`` [M, D],
    in float64."""

    x: Tensor
    start: Tensor


class Construction:
    """The inputs and first answers of a construction: x is what its own attention compares, the
    mean of a line's words; f_0 = W_0 x; ``head`` [V, D] makes logits of f."""

    def __init__(self, loaded):
        self.loaded, self.model = loaded, loaded.model
        self.head = self.model.lm_head.weight.detach().double() / gd_transformer.TEMPERATURE

    @torch.no_grad()
    def read(self, sequences: list[list[int]]) -> Seen:
        """Of prompts alone, as token ids with BOS, up to where the answer follows."""
        lines = torch.tensor([one[1:] for one in sequences], device=self.loaded.device)
        x = gd_transformer.inputs(self.model, lines)
        return Seen(x.double(), gd_transformer.guesses(self.model, x).double())

    @torch.no_grad()
    def wanted(self, targets: Tensor) -> Tensor:
        """y [N, D] of the tokens ``targets`` [N]."""
        return gd_transformer.targets(self.model, targets).double()

    def compared(self, shown: Seen, asked: Seen) -> tuple[Tensor, Tensor]:
        """x of both, as the kernel takes them."""
        return shown.x, asked.x


class Hidden:
    """Those of any other model: x is the hidden state at ``layer`` and a prompt's last token, and
    f are the logits themselves, which have no y."""

    head = None

    def __init__(self, loaded, layer: float):
        self.loaded, self.layer = loaded, layer

    @torch.no_grad()
    def read(self, sequences: list[list[int]]) -> Seen:
        states = torch.from_numpy(features.last_states(self.loaded, sequences, self.layer))
        logits = torch.stack([self._logits(one) for one in sequences])
        return Seen(states.to(self.loaded.device), logits)

    def _logits(self, sequence: list[int]) -> Tensor:
        tokens, last = families.CAUSAL.inputs([sequence], self.loaded.device)
        return forward.logits_at(self.loaded.model, tokens, last)[0, 0].double()

    def wanted(self, targets: Tensor) -> None:
        return None

    def compared(self, shown: Seen, asked: Seen) -> tuple[Tensor, Tensor]:
        """Hidden states have a large part in common, which would make all inputs alike: the mean
        of all that are shown and asked is taken away, and what is left has norm 1."""
        middle = torch.cat([shown.x, asked.x]).mean(0)
        return tuple(
            torch.nn.functional.normalize(one.x - middle, dim=-1) for one in (shown, asked)
        )


def reader(loaded, entry: Entry) -> Construction | Hidden:
    """What reads prompts of a loaded model. Raises InputError for the squared loss where answers
    are no vectors."""
    if isinstance(loaded.model, gd_transformer.ConstructedForCausalLM):
        return Construction(loaded)
    if entry.learner.loss == "squared":
        raise InputError(
            "learner: loss squared needs a construction, whose answers are vectors, and "
            f"{loaded.name} is none: use 'loss: label'"
        )
    return Hidden(loaded, entry.layer)
