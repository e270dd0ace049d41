"""Gradient descent on functions, in the space of a kernel.

A step of GD moves the weights; seen from outside it moves the answers, at x by the sum over
demonstrations of k(x, x_i) times what is missing at x_i. With a kernel k given, this needs no
weights: f <- f + (rate / N) sum_i k(x, x_i) r_i(f), r_i the negative gradient of the loss of
demonstration i by f(x_i). Attention that compares inputs by k does just this with the squared loss
(Cheng, Chen and Sra 2312.06528; for softmax attention and one step Dragutinovic, Saxe and Singh
2510.10425). With the linear kernel it is GD on the weights of a linear model.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from iclgd.io.cli import InputError
from iclgd.learners import features, kernels, newton, settings
from iclgd.learners.settings import Learner
from iclgd.models import families, forward, gd_transformer
from iclgd.models.linear_attention import KERNELS


class Entry(NamedTuple):
    """The settings of a learner of method ``kernel``: scores of inputs are divided by
    ``temperature``, ``layer`` is a number, a fraction of the depth or `kernels.UNEMBEDDING`,
    ``step`` one of `kernels.STEPS`; ``precondition`` p: steps are multiplied by C^-p, C the second
    moments of the language's inputs (Ahn et al. 2306.00297); ``plus``: see `gradient`; ``ridge``:
    see `newton.descend`."""

    kernel: str
    layer: float | str
    temperature: float
    step: str
    precondition: float
    plus: float
    ridge: float | None
    learner: Learner


def entry(given: dict) -> Entry:
    """From a JSON object. Raises InputError that names an unknown key or value."""
    descent = {key: value for key, value in given.items() if key not in kernels.SETTINGS}
    if wrong := next((key for key in descent if key not in kernels.DESCENT), None):
        raise InputError(f"learner: {wrong} has no meaning for a kernel")
    step = given.get("step", kernels.GRADIENT)
    found = Entry(
        given.get("kernel", ""),
        given.get("layer", kernels.LAYER),
        given.get("temperature", kernels.TEMPERATURE),
        step,
        given.get("precondition", 0.0),
        given.get("plus", 0.0),
        given.get("ridge"),
        # A step of Newton's has no size.
        settings.learner(descent if step == kernels.GRADIENT else {"rate": 1.0, **descent}),
    )
    for what, value, known in (
        ("kernel", found.kernel, kernels.KERNELS),
        ("loss", found.learner.loss, kernels.LOSSES),
        ("step", found.step, kernels.STEPS),
    ):
        if value not in known:
            raise InputError(f"learner: {what} {value!r} is none of {', '.join(known)}")
    with_keys = bool(found.plus), found.ridge is not None
    if wrong := kernels.unlike(found.kernel, found.step, found.learner.loss, *with_keys):
        raise InputError(f"learner: {wrong}")
    return found


def weights(kernel: str, x: Tensor, shown: Tensor, temperature: float = 1.0) -> Tensor:
    """How far a step at each demonstration [N, d] reaches each x [M, d]: [M, N].

    k(x.x_i / temperature) / N, or of ``softmax`` the kernel exp over its sum: a step of its own
    size at each x, which is what softmax attention takes. ``relu`` is no kernel (it is not positive
    definite), so that its steps follow the gradient in no space of functions; the algebra is that
    of attention with it.
    """
    scores = x @ shown.mT / temperature
    if kernel == kernels.SOFTMAX:
        return scores.softmax(-1)
    return KERNELS[kernel](scores) / len(shown)


class Step(NamedTuple):
    """``answers`` f to the queries [M, D] after ``epoch`` steps; ``loss``: the demonstrations'
    mean."""

    epoch: int
    answers: Tensor
    loss: float


class Task(NamedTuple):
    """What one run is given: inputs, first answers, and of the demonstrations what is wanted.

    ``x`` [N, d], ``asked`` [M, d]; ``start`` [N, D], ``asked_start`` [M, D]; ``targets`` [N]: the
    tokens that should follow; ``y`` [N, D]: what f should be, for the squared loss; logits are
    ``head`` f, head [V, D] (None: f itself).
    """

    x: Tensor
    asked: Tensor
    start: Tensor
    asked_start: Tensor
    targets: Tensor
    y: Tensor | None = None
    head: Tensor | None = None

    def logits(self, answers: Tensor) -> Tensor:
        """Of answers f [.., D]: [.., V]."""
        return answers if self.head is None else answers @ self.head.mT

    def missing(self, loss: str, answers: Tensor) -> Tensor:
        """The negative gradient of each demonstration's loss by its own answer, [N, D].

        ``squared``: 1/2 ||f - y||^2; ``label``: the cross-entropy of its token.
        """
        if loss == "squared":
            return self.y - answers
        gap = -self.logits(answers).softmax(-1)
        gap[torch.arange(len(gap)), self.targets] += 1
        return gap if self.head is None else gap @ self.head

    def loss(self, loss: str, answers: Tensor) -> float:
        """The demonstrations' mean."""
        if loss == "squared":
            return float((answers - self.y).square().sum(-1).mean() / 2)
        return float(torch.nn.functional.cross_entropy(self.logits(answers), self.targets))


def descend(task: Task, entry: Entry) -> Iterator[Step]:
    """Steps of one run, from epoch 0 to the last."""
    return by_newton(task, entry) if entry.step == kernels.NEWTON else gradient(task, entry)


def gradient(task: Task, entry: Entry) -> Iterator[Step]:
    """Gradient descent. With ``plus`` it is GD++ (von Oswald et al. 2212.07677, section 4): after
    each step inputs move, x <- x - plus / N sum_i x_i (x_i.x), which flattens their spectrum."""
    x, asked, shown, found = task.x, task.asked, task.start, task.asked_start
    loss, learner = entry.learner.loss, entry.learner
    for epoch in range(learner.epochs + 1):
        yield Step(epoch, found, task.loss(loss, shown))
        gap = learner.rate * task.missing(loss, shown)
        own, toward = (weights(entry.kernel, z, x, entry.temperature) for z in (x, asked))
        shown, found = shown + own @ gap, found + toward @ gap
        if entry.plus:
            asked = asked - entry.plus * (asked @ x.mT) @ x / len(x)
            x = x - entry.plus * (x @ x.mT) @ x / len(x)


def by_newton(task: Task, entry: Entry) -> Iterator[Step]:
    """Newton's method: of the squared loss its iteration for the inverse of the kernel matrix
    (`newton.inverses`), of the cross-entropy with a ridge damped steps (`newton.descend`)."""
    own, toward = (
        weights(entry.kernel, z, task.x, entry.temperature) for z in (task.x, task.asked)
    )
    epochs, loss = entry.learner.epochs, entry.learner.loss
    if loss == "squared":
        gap = task.missing(loss, task.start)
        found = (inverse @ gap for inverse in newton.inverses(own, epochs))
    else:
        targets = task.targets, task.head
        found = newton.descend(own, task.start, *targets, entry.ridge, epochs)
    for epoch, moved in enumerate(found):
        answers = task.asked_start + toward @ moved
        yield Step(epoch, answers, task.loss(loss, task.start + own @ moved))


class Seen(NamedTuple):
    """What a learner makes of prompts alone: inputs ``x`` [M, d] and answers f_0 ``start`` [M, D],
    in float64."""

    x: Tensor
    start: Tensor


class Construction:
    """The inputs and first answers of a construction: x is what its own attention compares, the
    mean of a line's words; f_0 = W_0 x; ``head`` [V, D] makes logits of f."""

    def __init__(self, loaded, power: float):
        self.loaded, self.model, self.power = loaded, loaded.model, power
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
        """x of both, as the kernel takes them: preconditioned, so that x.x' becomes x.C^-p x'."""
        if not self.power:
            return shown.x, asked.x
        basis = gd_transformer.power(self.model, -self.power / 2)
        return shown.x @ basis, asked.x @ basis


class Hidden:
    """Those of any other model: x is the hidden state at ``layer`` and a prompt's last token, and
    f are the logits themselves, which have no y. At `kernels.UNEMBEDDING` it is what enters that:
    steps with the linear kernel are then those on its rows, the last layer of the model alone
    (where nothing scales logits after it, and as if it were not tied to the embeddings)."""

    head = None

    def __init__(self, loaded, layer: float | str):
        self.loaded, self.layer = loaded, layer

    @torch.no_grad()
    def read(self, sequences: list[list[int]]) -> Seen:
        if self.layer == kernels.UNEMBEDDING:
            states = torch.stack([self._unembedded(one) for one in sequences])
        else:
            states = torch.from_numpy(features.last_states(self.loaded, sequences, self.layer))
        logits = torch.stack([self._logits(one) for one in sequences])
        return Seen(states.to(self.loaded.device), logits)

    def _logits(self, sequence: list[int]) -> Tensor:
        tokens, last = families.CAUSAL.inputs([sequence], self.loaded.device)
        return forward.logits_at(self.loaded.model, tokens, last)[0, 0].double()

    def _unembedded(self, sequence: list[int]) -> Tensor:
        tokens, last = families.CAUSAL.inputs([sequence], self.loaded.device)
        return forward.unembedded_at(self.loaded.model, tokens, last)[0, 0].double()

    def wanted(self, targets: Tensor) -> None:
        return None

    def compared(self, shown: Seen, asked: Seen) -> tuple[Tensor, Tensor]:
        """Hidden states have a large part in common, which would make all inputs alike: the mean
        of the demonstrations is taken away, and what is left has norm 1. What enters the
        unembedding stays as it is."""
        if self.layer == kernels.UNEMBEDDING:
            return shown.x, asked.x
        middle = shown.x.mean(0)
        return tuple(
            torch.nn.functional.normalize(one.x - middle, dim=-1) for one in (shown, asked)
        )


def reader(loaded, entry: Entry) -> Construction | Hidden:
    """What reads prompts of a loaded model. Raises InputError for the squared loss where answers
    are no vectors."""
    if isinstance(loaded.model, gd_transformer.ConstructedForCausalLM):
        if entry.layer == kernels.UNEMBEDDING:
            raise InputError("learner: layer unembedding has no meaning for a construction")
        return Construction(loaded, entry.precondition)
    if entry.precondition:
        raise InputError("learner: precondition needs a construction, whose inputs are known")
    if entry.learner.loss == "squared":
        raise InputError(
            "learner: loss squared needs a construction, whose answers are vectors, and "
            f"{loaded.name} is none: use 'loss: label'"
        )
    if entry.layer == kernels.UNEMBEDDING and loaded.model.get_output_embeddings() is None:
        raise InputError(f"learner: model {loaded.name} has no unembedding of its own")
    return Hidden(loaded, entry.layer)
