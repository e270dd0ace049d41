"""Activations inside self-attention, captured by hooks in the unchanged `transformers` model.

Three things are captured, of every layer: the output of self-attention after its output
projection and before the residual; the scaled q.k before mask, position bias and softmax;
and the query vectors as W_Q makes them, before any rotary position. A batch at a time:
whoever reduces it to numbers needs no memory for the others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from iclgd.io.cli import InputError
from iclgd.learners import gradient_descent, training_batch
from iclgd.learners.settings import Learner
from iclgd.learners.trainable import Trained
from iclgd.models import architectures, attention, dimensions, forward, partial_forward
from iclgd.models.families import CAUSAL


@dataclass(frozen=True)
class Captured:
    """Of the last token of each row: ``outputs`` [rows, layers, width], ``queries`` [rows,
    layers, heads * head width], ``scores`` [rows, layers, heads, time] with every token."""

    outputs: Tensor
    queries: Tensor
    scores: Tensor


def watched_attention(
    module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor,
    scaling: float,
    **more,
) -> tuple[Tensor, None]:
    """The model's attention, which first shows its module's ``see`` query, key and scaling."""
    module.see(query, key, scaling)
    with_momentum = hasattr(module.config, "attention_momentum")
    own = attention.momentum_attention if with_momentum else attention.plain_attention
    return own(module, query, key, value, attention_mask, scaling, **more)


AttentionInterface.register("watched", watched_attention)
AttentionMaskInterface.register("watched", eager_mask)


def _shown(method: Callable, see: Callable, scaling: float) -> Callable:
    """``method`` that shows ``see`` its queries and keys: arguments of _attn, else results."""

    def shown(*given):
        result = method(*given)
        query, key = (given if len(given) > 1 else result)[:2]
        see(query, key, scaling)
        return result

    return shown


def _modules(model, name: str) -> list:
    """The module ``name`` of every layer. Raises InputError where a layer has none."""
    blocks = partial_forward.blocks(model)[1]
    return [architectures.module(model.config, block, name) for block in blocks]


@contextmanager
def scored(model, see: Callable[[Tensor, Tensor, float], None]) -> Iterator[None]:
    """Within, ``see(query, key, scaling)`` is called by every layer, in their order.

    query [batch, heads, time, width], key [batch, key heads, time, width], with rotary
    positions if the model has them.
    """
    where = architectures.row(model.config)
    attentions = _modules(model, where.attention)
    if shows := where.shows:
        name = shows.method
        for module in attentions:
            setattr(module, name, _shown(getattr(module, name), see, shows.scaling(module)))
        try:
            yield
        finally:
            for module in attentions:
                delattr(module, name)
        return
    before = model.config._attn_implementation
    model.set_attn_implementation("watched")
    for module in attentions:
        module.see = see
    try:
        yield
    finally:
        for module in attentions:
            del module.see
        model.set_attn_implementation(before)


@contextmanager
def hooked(model, name: str, see: Callable[[Tensor], None]) -> Iterator[None]:
    """Within, ``see`` gets the output of the module ``name`` of every layer, in their order."""
    handles = [
        module.register_forward_hook(lambda _, __, output: see(output))
        for module in _modules(model, name)
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _wide(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))


@torch.no_grad()
def at_last(model, sequences: list[list[int]], weights: dict[str, Tensor]) -> Captured:
    """Run ``model``, ``weights`` in place of its own of the same names, over the sequences."""
    where = architectures.row(model.config)
    queries_of = architectures.queries(model.config)
    tokens, positions = CAUSAL.inputs(sequences, model.device)
    last, rows = positions[:, 0], torch.arange(len(sequences), device=model.device)
    outputs, queries, scores = [], [], []

    def see(query: Tensor, key: Tensor, scaling: float) -> None:
        # One key head may serve several heads.
        key = key.repeat_interleave(query.shape[1] // key.shape[1], 1)
        scores.append(_wide(torch.einsum("rhw,rhtw->rht", query[rows, :, last], key)) * scaling)

    with (
        scored(model, see),
        hooked(model, where.o, lambda output: outputs.append(_wide(output[rows, last]))),
        hooked(model, where.q, lambda out: queries.append(_wide(queries_of(out)[rows, last]))),
    ):
        forward.logits_at(model, tokens, positions, weights)
    if not scores:
        kind = dimensions.text_config(model.config).model_type
        raise InputError(
            f"the attention of {kind!r} shows neither queries nor keys (no `shows` in its row); "
            "leave the model out of figures of kind attention"
        )
    return Captured(*(torch.stack(x, 1) for x in (outputs, queries, scores)))


@torch.no_grad()
def queries(model, tokens: Tensor) -> Tensor:
    """Query vectors of all tokens [batch, time]: [batch, layers, time, heads * head width]."""
    where = architectures.row(model.config)
    queries_of = architectures.queries(model.config)
    found = []
    with hooked(model, where.q, lambda output: found.append(_wide(queries_of(output)))):
        forward.logits_at(model, tokens, torch.zeros_like(tokens[:, :1]))
    return torch.stack(found, 1)


@dataclass(frozen=True)
class FineTuned:
    """Result of one fine-tuning run: ``weights``, a copy of the trained tensors by name; and the
    query vectors of the demonstrations' tokens, [demonstrations, layers, time, heads * head width],
    ``before`` training and ``during`` the last epoch, each just before its step."""

    weights: dict[str, Tensor]
    before: Tensor
    during: Tensor


def train(model, trained: Trained, batch: training_batch.Batch, learner: Learner) -> FineTuned:
    """Train to the last epoch; ``model`` has its own weights again afterwards."""
    before = torch.cat([queries(model, one[None]) for one in batch.tokens])
    weights, seen = {}, []

    def watch(step: training_batch.Batch) -> None:
        for part in step.micro():
            seen.extend(queries(model, part.tokens[0]))
        del seen[: -len(batch.tokens)]

    for now in gradient_descent.descend(model, trained, [batch], learner, watch):
        if now.epoch == learner.epochs:
            weights = {name: tensor.detach().clone() for name, tensor in trained.start.items()}
    # A run that has converged before its first step has had none.
    return FineTuned(weights, before, torch.stack(seen) if seen else before)
