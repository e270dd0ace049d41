"""How to descend: the entry of a learner, checked."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from iclgd.io.cli import InputError
from iclgd.learners import layer_causal
from iclgd.models import architectures

EPOCHS = (0, 1, 2, 5, 10, *range(20, 1001, 20))
OPTIMISERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
LOSSES = ("label", "all", "squared")


@dataclass(frozen=True)
class Learner:
    """How to descend. The fields are the keys of a learner in the catalogue.

    ``batch``: demonstrations per step, in their stored order (null: all, full-batch GD).
    ``train``: null for all weights; ``{layers, matrices}`` for W_x of some layers (numbers,
    or fractions of depth) or ``all``; ``{lora: {rank, alpha, matrices}}`` for adapters;
    ``{parameters: [...]}`` for those of the model's parameters, by their names.
    ``loss``: ``label`` (the answer's tokens, Shen et al.), ``all`` (every token, Dai et al.) or
    ``squared`` (the answer's tokens, von Oswald et al.; see ``gradient_descent.squared_error``).
    ``causal``: null, or layer-causal GD (Deutch et al.) by one of `layer_causal.READINGS`.
    ``record``: epochs at which the queries are asked; null: 0, 1, 2, 5, 10, 20, 40, ...
    """

    rate: float
    epochs: int = 200
    batch: int | None = None
    optimiser: str = "sgd"
    momentum: float = 0.0
    train: dict | None = None
    loss: str = "label"
    causal: str | None = None
    record: tuple[int, ...] | None = None

    def recorded(self) -> list[int]:
        """Recorded epochs in order; 0 (the untouched model) and the last are always there."""
        chosen = self.record if self.record is not None else EPOCHS
        return sorted({0, *(e for e in chosen if e <= self.epochs), self.epochs})

    def over(self, tensors: list[torch.Tensor]) -> torch.optim.Optimizer:
        """A new optimiser of ``tensors``."""
        extra = {"momentum": self.momentum} if self.optimiser == "sgd" else {}
        return OPTIMISERS[self.optimiser](tensors, lr=self.rate, **extra)


def learner(entry: dict) -> Learner:
    """A Learner from a JSON object. Raises InputError that names an unknown key or value."""

    def one_of(what: str, value: str, known) -> None:
        if value not in known:
            raise InputError(f"learner: {what} {value!r} is none of {', '.join(known)}")

    for key in entry:
        if key not in Learner.__annotations__:
            raise InputError(
                f"learner: unknown key {key!r} (known: {', '.join(Learner.__annotations__)})"
            )
    if "rate" not in entry:
        raise InputError("learner: there is no rate")
    made = Learner(**entry)
    one_of("optimiser", made.optimiser, OPTIMISERS)
    one_of("loss", made.loss, LOSSES)
    if made.momentum and made.optimiser != "sgd":
        raise InputError(f"learner: momentum belongs to sgd, not to {made.optimiser}")
    if made.train is not None:
        part = made.train.get("lora", made.train)
        needed = ("rank", "matrices") if "lora" in made.train else ("layers", "matrices")
        needed = ("parameters",) if "parameters" in made.train else needed
        if not set(needed) <= set(part) <= {*needed, "alpha"} or len(made.train) > 2:
            raise InputError(f"learner: train {made.train} needs just the keys {', '.join(needed)}")
        for matrix in part.get("matrices", []):
            one_of("matrix", matrix, architectures.MATRICES)
    if made.causal is not None:
        one_of("causal", made.causal, layer_causal.READINGS)
        if "layers" not in (made.train or {}) or made.loss == "squared":
            raise InputError(
                "learner: causal needs train with layers and matrices, and no squared loss"
            )
    return made
