"""Static patches: one change of each MLP's matrices for all queries, from ICL's states alone.

What demonstrations do to a query at its last token can be done by a change of rank 1 of the MLPs'
weights, another for each query, exactly (Dherin et al. 2507.16003; of gated MLPs Goldwaser et al.
2511.17864). Here one change has to do for all: from the lowest block upwards, the matrices that
read the block's state map it to what they made of it after the demonstrations, and the matrix that
writes adds what the block still lacks. Each is a least-squares fit over texts with a ridge, in
closed form; of a single text without a ridge it is the change of rank 1. No labels, no gradients.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor, nn

from iclgd.io.cli import InputError
from iclgd.learners import teaching
from iclgd.learners.teaching import Lesson, Part, Texts
from iclgd.models import architectures, hooks, partial_forward, row_check

# A batch of texts, and what enters the block that is next [rows, time, width] (None: nothing is
# computed yet).
Batch = tuple[Part, Tensor | None]


class Change(NamedTuple):
    """A change W [out, in] of a matrix as what it was made of: W = sum_i ``weights``_i ``x``_i^T,
    over texts, [n, out] and [n, in]; W x_i was to be ``wanted``_i [n, out]. There are fewer texts
    than inputs."""

    x: Tensor
    weights: Tensor
    wanted: Tensor

    def whole(self) -> Tensor:
        """W [out, in]."""
        return self.weights.mT @ self.x

    def of(self, state: Tensor) -> Tensor:
        """W times each state [rows, in]: [rows, out]."""
        return state @ self.x.mT @ self.weights


class Patch(NamedTuple):
    """Changes of the MLP of a block: of matrices that read, and of the one that writes."""

    read: list[Change]
    write: Change | None


class Matrix(NamedTuple):
    """A matrix of a block, its module, and its change."""

    layer: int
    module: nn.Module
    change: Change


class Fit(NamedTuple):
    """Patches by one ridge: the changes of the matrices, and that of the model by all of them."""

    ridge: float
    matrices: list[Matrix]
    change: teaching.Change


def modules(model) -> list[tuple[list[nn.Module], nn.Module]]:
    """The matrices of each block's MLP: those that read its state, and the one that writes.

    Raises InputError for an architecture that is not known, and one without an MLP.
    """
    names = architectures.row(model.config).mlp
    if not names:
        raise InputError(f"architecture {model.config.model_type!r} has no MLP to patch")
    found = []
    for block in partial_forward.blocks(model)[1]:
        *read, write = (architectures.module(model.config, block, name) for name in names)
        found.append((read, write))
    return found


def ridge_fit(x: Tensor, y: Tensor, ridge: float) -> Change:
    """W that minimises sum ||W x_i - y_i||^2 + c ||W||^2, x [n, in], y [n, out].

    c is ``ridge`` times the mean of x's squared norms; at 0 W is the smallest of all that fit
    best. Solved over texts, in float64.
    """
    x, y = x.double(), y.double()
    gram = x @ x.mT
    if ridge == 0:
        return Change(x, torch.linalg.pinv(gram, hermitian=True) @ y, y)
    gram.diagonal().add_(ridge * gram.diagonal().mean())
    return Change(x, torch.linalg.solve(gram, y), y)


def applied(model, patches: dict[int, Patch]) -> teaching.Change:
    """The change of the model by the patches of some blocks, at the last token."""
    places = modules(model)
    changed: list[tuple[nn.Module, Change]] = []
    for number, patch in patches.items():
        read, write = places[number]
        changed += zip(read, patch.read, strict=True)
        changed += [(write, patch.write)] if patch.write else []

    def add(number: int, state: Tensor, output: Tensor) -> Tensor:
        return output + changed[number][1].of(state.double()).to(output.dtype)

    return lambda last: hooks.changing([module for module, _ in changed], last, add)


class Seen(NamedTuple):
    """At the last token of each text [texts, width]: what the matrices of a block's MLP read, what
    the one that writes is given, and what leaves the block."""

    read: Tensor
    written: Tensor
    left: Tensor


@torch.no_grad()
def _watch(
    model, layers: Iterable[int], batches: Iterable[Batch], change: teaching.Change
) -> list[Seen]:
    """What some blocks see, of a model under a ``change`` that begins at the lowest of them."""
    layers, places = list(layers), modules(model)
    stack = partial_forward.blocks(model)[1]
    watched = {
        "read": ([places[i][0][0] for i in layers], True),
        "written": ([places[i][1] for i in layers], True),
        "left": ([stack[i] for i in layers], False),
    }
    seen = {name: [{} for _ in layers] for name in watched}
    for part, hidden in batches:
        with ExitStack() as inside:
            last = part.last[:, 0]
            inside.enter_context(change(last))
            for name, (at, inputs) in watched.items():

                def keep(layer: int, state: Tensor, name=name, part=part) -> None:
                    seen[name][layer] |= dict(zip(part.numbers, state.double(), strict=True))

                inside.enter_context(hooks.seeing(at, last, keep, inputs))
            _leaving(model, layers[-1], part, layers[0], hidden)
    return [
        Seen(*(teaching.in_order(one) for one in parts))
        for parts in zip(*seen.values(), strict=True)
    ]


def _leaving(model, block: int, part: Part, begin: int, hidden: Tensor | None) -> Tensor:
    return partial_forward.leaving(model, block, part.tokens, begin, hidden, part.cache)


def states(model, texts: Texts) -> list[Seen]:
    """What every block sees of texts: of those after the demonstrations, what to imitate.

    Raises InputError where the row of the architecture is wrong."""
    row_check.check(model, matrices=["mlp"])
    every = range(len(modules(model)))
    return _watch(model, every, ((part, None) for part in texts.parts(model)), teaching.unchanged)


@torch.no_grad()
def fitted(
    model, lesson: Lesson, wanted: list[Seen], ridge: float, places: list[int] | None = None
) -> dict[int, Patch]:
    """A patch for each block, from the `states` ``wanted`` after the demonstrations.

    ``places``: of each text, the text whose states it is to have; default: its own. One block after
    the other: what enters it comes from the patched blocks below it.
    """
    inside, order = modules(model), places or list(range(len(lesson.alone.sequences)))
    there: list[Batch] = [(part, None) for part in lesson.alone.parts(model)]
    found: dict[int, Patch] = {}
    for layer, (read, _) in enumerate(inside):
        target = Seen(*(one[order] for one in wanted[layer]))
        (plain,) = _watch(model, [layer], there, teaching.unchanged)
        change = target.read - plain.read
        reads = [ridge_fit(plain.read, _made_of(module, change), ridge) for module in read]
        half = applied(model, {layer: Patch(reads, None)})
        (now,) = _watch(model, [layer], there, half)
        patch = Patch(reads, ridge_fit(now.written, target.left - now.left, ridge))
        found[layer], change = patch, applied(model, {layer: patch})
        there = [(part, _after(model, layer, part, hidden, change)) for part, hidden in there]
    return found


def fits(
    model, lesson: Lesson, ridges: Iterable[float], places: list[int] | None = None
) -> Iterator[Fit]:
    """The patches of each ridge; ``places`` as in `fitted`."""
    wanted, inside = states(model, lesson.after), modules(model)
    for ridge in ridges:
        found = fitted(model, lesson, wanted, ridge, places)
        matrices = [
            Matrix(layer, module, change)
            for layer, patch in found.items()
            for module, change in zip(
                [*inside[layer][0], inside[layer][1]], [*patch.read, patch.write], strict=True
            )
        ]
        yield Fit(ridge, matrices, applied(model, found))


def _made_of(module: nn.Module, change: Tensor) -> Tensor:
    """What a matrix makes of a change of its input [texts, in]: without its bias, [texts, out]."""
    given = change.to(next(module.parameters()).dtype)
    return (module(given) - module(torch.zeros_like(given))).double()


def _after(model, layer: int, part: Part, hidden: Tensor | None, change: teaching.Change) -> Tensor:
    """What leaves a block under a ``change``, of all tokens of a batch."""
    with change(part.last[:, 0]):
        return _leaving(model, layer, part, layer, hidden)
