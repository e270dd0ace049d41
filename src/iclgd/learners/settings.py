"""Settings of one GD learner, validated."""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import torch

from iclgd.io.cli import InputError
from iclgd.learners import layer_causal, optimisers
from iclgd.learners.monotone import Monotone
from iclgd.learners.optimisers import OPTIMISERS
from iclgd.learners.sign import SignDescent
from iclgd.models import architectures

EPOCHS = (0, 1, 2, 5, 10, *range(20, 1001, 20))
LOSSES = ("label", "all", "squared")
OWN = {one.__name__: one for one in (Monotone, SignDescent)}  # optimisers that torch has not


@dataclass(frozen=True)
class Learner:
    """How to train. The fields are the keys of a learner in the catalogue.

    ``batch``: demonstrations per step, in their stored order (null: all, full-batch GD).
    ``train``: null for all weights; ``{layers, matrices}`` for W_x of some layers (numbers,
    or fractions of depth) or ``all``; ``{lora: {rank, alpha, matrices}}`` for adapters;
    ``{parameters: [...]}`` for those of the model's parameters, by their names; ``{reach: rank}``
    for one matrix of a layer, another in each draw (`reach_measures.trained`).
    ``loss``: ``label`` (the answer's tokens, Shen et al.), ``all`` (every token, Dai et al.) or
    ``squared`` (the answer's tokens, von Oswald et al.; see ``gradient_descent.squared_error``).
    ``causal``: null, or layer-causal GD (Deutch et al.) by one of `layer_causal.READINGS`.
    ``record``: epochs at which the queries are evaluated; null: 0, 1, 2, 5, 10, 20, 40, ...
    ``until``: the mean loss (that of ``loss``) at which a run has converged, and stays as it is;
    ``stall``: the share of its loss that a run must lose over the last tenth of its epochs, or it
    has stalled, and stays as it is (`endings.stalled`); null: every run trains to the last epoch.
    ``settings``: those of the optimiser beside the rate (`optimisers`), in the catalogue keys of
    the learner itself.
    """

    rate: float
    epochs: int = 200
    batch: int | None = None
    optimiser: str = "sgd"
    train: dict | None = None
    loss: str = "label"
    causal: str | None = None
    record: tuple[int, ...] | None = None
    until: float | None = None
    stall: float | None = None
    settings: dict[str, float] = field(default_factory=dict)

    def recorded(self) -> list[int]:
        """Recorded epochs in order; 0 (the pretrained model) and the last are always there."""
        chosen = self.record if self.record is not None else EPOCHS
        return sorted({0, *(e for e in chosen if e <= self.epochs), self.epochs})

    def over(self, tensors: list[torch.Tensor]) -> torch.optim.Optimizer:
        """A new optimiser of ``tensors``."""
        row = OPTIMISERS[self.optimiser]
        given = {key: self.settings.get(key, default) for key, default in row.settings.items()}
        made = OWN[row.torch_class] if row.ours else getattr(torch.optim, row.torch_class)
        return made(tensors, lr=self.rate, **given, **row.fixed)


def learner(entry: dict) -> Learner:
    """A Learner from a JSON object. Raises InputError that names an unknown key or value."""

    own = [one.name for one in fields(Learner) if one.name != "settings"]
    known = [*own, *optimisers.known_settings()]
    for key in entry:
        if key not in known:
            raise InputError(f"learner: unknown key {key!r} (known: {', '.join(known)})")
    if "rate" not in entry:
        raise InputError("learner: there is no rate")
    settings = {key: value for key, value in entry.items() if key not in own}
    made = Learner(**{key: entry[key] for key in entry if key in own}, settings=settings)
    _one_of("optimiser", made.optimiser, OPTIMISERS)
    _one_of("loss", made.loss, LOSSES)
    if reason := optimisers.foreign(made.optimiser, made.settings):
        raise InputError(f"learner: {reason}")
    check_trained(made.train)
    if made.causal is not None:
        _one_of("causal", made.causal, layer_causal.READINGS)
        if "layers" not in (made.train or {}) or made.loss == "squared":
            raise InputError(
                "learner: causal needs train with layers and matrices, and no squared loss"
            )
    return made


def trained(entry: dict) -> dict | None:
    """The key ``train`` of a JSON object that may have no other. Raises InputError as `learner`."""
    for key in entry:
        if key != "train":
            raise InputError(f"learner: {key} has no meaning here (it has train)")
    check_trained(entry.get("train"))
    return entry.get("train")


def check_trained(train: dict | None) -> None:
    """Raise InputError for a key ``train`` (see `Learner`) that names no weights."""
    if train is None:
        return
    part = train.get("lora", train)
    needed = ("rank", "matrices") if "lora" in train else ("layers", "matrices")
    needed = next(((key,) for key in ("parameters", "reach") if key in train), needed)
    if not set(needed) <= set(part) <= {*needed, "alpha"} or len(train) > 2:
        raise InputError(f"learner: train {train} needs just the keys {', '.join(needed)}")
    for matrix in part.get("matrices", []):
        _one_of("matrix", matrix, architectures.MATRICES)


def _one_of(what: str, value: str, known) -> None:
    if value not in known:
        raise InputError(f"learner: {what} {value!r} is none of {', '.join(known)}")
