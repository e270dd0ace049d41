"""Gradient descent on demonstrations, many small runs at a time.

A *run* trains one copy of the chosen weights on the demonstrations of one draw in one
order, each demonstration alone in its sequence, and is then asked the queries alone. Runs
share the model's frozen weights and differ only in the trained tensors, which carry a
leading run dimension; the model's own tensors are never written, so that a reset is free.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.func import vmap
from torch.nn.functional import cross_entropy
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from iclgd import projections, prompts, scoring
from iclgd.cli import InputError

EPOCHS = (0, 1, 2, 5, 10, *range(20, 1001, 20))
STACKED_BYTES = 1 << 28
OPTIMISERS = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}
LOSSES = ("label", "all")
# BLOOM's GELU is an autograd.Function that vmap cannot enter: its runs train one by one.
NOT_STACKED = ("bloom",)


@dataclass(frozen=True)
class Learner:
    """How to descend. The fields are the keys of a learner in the catalogue.

    ``batch``: demonstrations per step, in their stored order (null: all, full-batch GD).
    ``train``: null for all weights; ``{layers, matrices}`` for W_x of some layers (numbers,
    or fractions of depth); ``{lora: {rank, alpha, matrices}}`` for adapters.
    ``loss``: ``label`` (the answer's tokens, Shen et al.) or ``all`` (every token, Dai et al.).
    ``record``: epochs at which the queries are asked; null: 0, 1, 2, 5, 10, 20, 40, ...
    """

    rate: float
    epochs: int = 200
    batch: int | None = None
    optimiser: str = "sgd"
    momentum: float = 0.0
    train: dict | None = None
    loss: str = "label"
    record: tuple[int, ...] | None = None

    def recorded(self) -> list[int]:
        """Recorded epochs in order; 0 (the untouched model) and the last are always there."""
        chosen = self.record if self.record is not None else EPOCHS
        return sorted({0, *(e for e in chosen if e <= self.epochs), self.epochs})


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
        if not set(needed) <= set(part) <= {*needed, "alpha"} or len(made.train) > 2:
            raise InputError(f"learner: train {made.train} needs just the keys {', '.join(needed)}")
        for matrix in part["matrices"]:
            one_of("matrix", matrix, projections.MATRICES)
    return made


@dataclass
class Trained:
    """The chosen tensors: name to start value, and masks for those trained only in part."""

    start: dict[str, Tensor]
    masks: dict[str, Tensor] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in self.start.values())


def plain_attention(
    module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float, **_
) -> tuple[Tensor, None]:
    """Attention in single operations: [batch, heads, time, width] to [batch, time, heads, width].

    Unlike the fused kernels it runs at full speed under vmap and takes the mixed precision
    of float32 weights in a bfloat16 model; unlike transformers' ``eager`` its softmax is
    not cut to float32 in a float64 model.
    """
    groups = query.shape[1] // key.shape[1]
    key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    weights = (query @ key.mT * scaling + mask).softmax(-1)
    return (weights @ value).transpose(1, 2), None


AttentionInterface.register("plain", plain_attention)
AttentionMaskInterface.register("plain", eager_mask)


def choose(model, train: dict | None, seed: str = "") -> tuple[object, Trained]:
    """The model to descend on and the tensors that ``train`` (see Learner) names.

    The model comes back wrapped if adapters are trained, else as it is, with
    `plain_attention`. Updates of size 1e-5 vanish in bfloat16, so trained weights are at
    least float32.
    """
    if model.config._attn_implementation != "eager":  # else it has but one, plain as well
        model.set_attn_implementation("plain")
    masks = {}
    if train and "lora" in train:
        model = _with_adapters(model, train["lora"], seed)
    parameters = dict(model.named_parameters())
    if train is None:
        names = list(parameters)
    elif "lora" in train:
        names = [name for name in parameters if "lora_" in name]
    else:
        for layer in train["layers"]:
            number = projections.layer_number(model.config, layer)
            for matrix in train["matrices"]:
                for name in projections.parameter_names(model.config, number, matrix):
                    mask = masks.setdefault(name, torch.zeros_like(parameters[name]))
                    projections.view(model.config, matrix)(mask).fill_(1)
        names = list(masks)
        masks = {name: mask for name, mask in masks.items() if not mask.all()}
    wide = {n: torch.promote_types(parameters[n].dtype, torch.float32) for n in names}
    return model, Trained({n: parameters[n].detach().to(wide[n]) for n in names}, masks)


def _with_adapters(model, lora: dict, seed: str):
    """``model`` wrapped by peft with fresh LoRA adapters (B = 0: the same function)."""
    from peft import LoraConfig, get_peft_model

    where = projections.layout(model.config)
    fused = [matrix for matrix in "qkv" if where.fused != "no" and matrix in lora["matrices"]]
    if len(fused) in (1, 2):
        raise InputError(
            "learner: q, k, v are one weight, and have one adapter, in architecture "
            f"{model.config.model_type}: name all three or none for lora"
        )
    modules = {
        name
        for matrix in lora["matrices"]
        for name in (where.mlp if matrix == "mlp" else (getattr(where, matrix),))
    }
    torch.manual_seed(zlib.crc32(seed.encode()))
    adapters = LoraConfig(
        r=lora["rank"],
        lora_alpha=lora.get("alpha", lora["rank"]),
        target_modules=sorted(modules),
        fan_in_fan_out=where.transposed,
    )
    return get_peft_model(model, adapters).eval().requires_grad_(False)


@dataclass(frozen=True)
class Batch:
    """Demonstrations as tensors; D demonstrations, T tokens, P scored positions at most.

    ``tokens`` [..., D, T]; ``positions`` [..., D, P], those *before* the scored tokens;
    ``targets`` [..., D, P], -100 where a demonstration has fewer than P. A leading run
    dimension stands for the dots where runs are stacked.
    """

    tokens: Tensor
    positions: Tensor
    targets: Tensor

    def step(self, start: int, size: int) -> Batch:
        """Demonstrations ``start`` ... ``start + size - 1`` of every run."""
        return Batch(
            *(x[..., start : start + size, :] for x in (self.tokens, self.positions, self.targets))
        )

    def micro(self) -> Iterator[Batch]:
        """The same demonstrations in parts of at most ``TOKENS_PER_BATCH`` tokens."""
        size = max(1, scoring.TOKENS_PER_BATCH * self.tokens.shape[1] // self.tokens.numel())
        return (self.step(start, size) for start in range(0, self.tokens.shape[1], size))


def tensors(encoded: list[tuple[list[int], int]], loss: str, device: str = "cpu") -> Batch:
    """Demonstrations (``prompts.encode_answers``) as a Batch [D, ...]."""
    spans = [list(range(start if loss == "label" else 1, len(tokens))) for tokens, start in encoded]
    width = max(map(len, spans))
    positions = [[i - 1 for i in span] + [0] * (width - len(span)) for span in spans]
    targets = [
        [tokens[i] for i in span] + [-100] * (width - len(span))
        for (tokens, _), span in zip(encoded, spans, strict=True)
    ]
    return Batch(
        scoring.pad([tokens for tokens, _ in encoded], device),
        torch.tensor(positions, device=device),
        torch.tensor(targets, device=device),
    )


def summed_loss(
    model, trained: dict[str, Tensor], tokens: Tensor, positions: Tensor, targets: Tensor
):
    """Sum of the cross-entropy (nats) over the scored tokens of one run; shapes as in Batch."""
    logits = scoring.logits_at(model, tokens, positions, trained).flatten(0, 1)
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return cross_entropy(logits, targets.flatten(), ignore_index=-100, reduction="sum")


def over_runs(function: Callable, trained: dict[str, Tensor], *shared_or_stacked, stacked: bool):
    """Call ``function(trained, *rest)`` for every run; outputs get a leading run dimension.

    The rest carries a run dimension if ``stacked``. A single run takes the plain path: no
    vmap, which large models do without.
    """
    runs = len(next(iter(trained.values())))
    if runs == 1:
        single = {name: tensor[0] for name, tensor in trained.items()}
        rest = [x[0] if stacked else x for x in shared_or_stacked]
        return function(single, *rest)[None]
    dims = (0, *(0 if stacked else None for _ in shared_or_stacked))
    return vmap(function, in_dims=dims, randomness="error")(trained, *shared_or_stacked)


def stack(batches: list[Batch]) -> Batch:
    """Stack the runs' demonstrations along a new leading dimension, padded to one width."""

    def joined(field: str, fill: int) -> Tensor:
        parts = [getattr(b, field) for b in batches]
        width = max(p.shape[-1] for p in parts)
        return torch.stack(
            [torch.nn.functional.pad(p, (0, width - p.shape[-1]), value=fill) for p in parts]
        )

    return Batch(joined("tokens", 0), joined("positions", 0), joined("targets", -100))


def runs_at_once(model, trained: Trained, batch: Batch) -> int:
    """How many runs train side by side: few enough for weights and tokens to stay small."""
    if model.config.model_type in NOT_STACKED:
        return 1
    by_weights = STACKED_BYTES // (4 * trained.bytes)
    return max(1, min(by_weights, scoring.TOKENS_PER_BATCH // batch.tokens.numel()))


def descend(
    model, trained: Trained, batches: list[Batch], learner: Learner
) -> Iterator[tuple[int, dict[str, Tensor], Tensor]]:
    """Train one run per batch side by side; yield at every recorded epoch.

    Yields ``epoch``, the trained tensors (leading dimension: runs) and the mean loss of the
    demonstrations [runs] under them. A run whose loss is not finite goes on with NaN
    weights, which cannot reach the other runs.
    """
    together = stack(batches)
    shots = together.tokens.shape[1]
    size = learner.batch or shots
    weights = {
        name: tensor.repeat(len(batches), *[1] * tensor.dim()).requires_grad_()
        for name, tensor in trained.start.items()
    }
    extra = {"momentum": learner.momentum} if learner.optimiser == "sgd" else {}
    optimiser = OPTIMISERS[learner.optimiser](list(weights.values()), lr=learner.rate, **extra)

    def mean_losses(batch: Batch) -> Iterator[Tensor]:
        """Parts whose sum is the mean loss over ``batch``'s scored tokens, each [runs]."""
        count = (batch.targets != -100).sum((1, 2))
        for part in batch.micro():
            rest = (part.tokens, part.positions, part.targets)
            total = over_runs(lambda w, *r: summed_loss(model, w, *r), weights, *rest, stacked=True)
            yield total / count

    record = learner.recorded()
    for epoch in range(learner.epochs + 1):
        if epoch in record:
            with torch.no_grad():
                losses = sum(mean_losses(together))
            yield epoch, {name: weight.detach() for name, weight in weights.items()}, losses
        if epoch == learner.epochs:
            return
        for start in range(0, shots, size):
            optimiser.zero_grad()
            for part in mean_losses(together.step(start, size)):
                part.sum().backward()
            for name, mask in trained.masks.items():
                weights[name].grad *= mask
            optimiser.step()


@torch.no_grad()
def ask(
    model, trained: dict[str, Tensor], tokens: Tensor, last: Tensor, label_ids: list[int], keep: int
) -> list[scoring.Distributions]:
    """Every run's distributions for all queries: ``tokens`` [Q, T], ``last`` [Q, 1]."""
    runs = len(next(iter(trained.values())))
    size = max(1, scoring.TOKENS_PER_BATCH // (tokens.shape[1] * runs))
    parts = [[] for _ in range(runs)]
    for t, p in zip(tokens.split(size), last.split(size), strict=True):
        logits = over_runs(
            lambda w, t, p: scoring.logits_at(model, t, p, w)[:, 0], trained, t, p, stacked=False
        )
        for run in range(runs):
            parts[run].append(scoring.distributions(logits[run], label_ids, keep))
    return [scoring.concatenate(p) for p in parts]


def demonstration_batches(
    tokenizer, task, runs: list[prompts.Demonstrations], loss: str, device: str
):
    """The demonstrations of every run as a Batch, each tokenised alone, in its order."""
    row = {r["example"]: r for r in task.iter_rows(named=True)}
    used = sorted({example for run in runs for example in run.examples})
    encoded = prompts.encode_answers(
        tokenizer,
        [row[i]["instruction"] + row[i]["text"] for i in used],
        [row[i]["answer"] for i in used],
    )
    encoded = dict(zip(used, encoded, strict=True))
    return [tensors([encoded[i] for i in run.examples], loss, device) for run in runs]
