"""Attention in single operations, plain or with momentum, for transformers' interface.

Dai et al. (2023, arXiv 2212.10559, section 5) read attention over demonstrations as gradient
descent and add what momentum is to descent, an exponential moving average of the values of
earlier tokens:

    MoAttn_t = Attn_t + sum_{i<t} eta^(t-i) v_i.

A model has it if its config holds `attention_momentum` (eta); with eta = 0 the same code is
plain attention, which makes the twin to compare with. Plain transformers would load such a
model without its momentum: `loading.load` and `activate` give it back.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from iclgd.io.cli import InputError
from iclgd.models import dimensions, forward, tolerance

BLOCK = 64  # tokens of the scan that one matrix product takes together


def plain_attention(
    module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor, scaling: float, **_
) -> tuple[Tensor, None]:
    """Attention in single operations: [batch, heads, time, width] to [batch, time, heads, width].

    Unlike the fused kernels it runs at full speed under vmap and takes the mixed precision
    of float32 weights in a bfloat16 model; unlike transformers' ``eager`` its softmax is
    not cut to float32 in a float64 model.
    """
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (x.repeat_interleave(groups, 1) for x in (key, value))
    weights = (query @ key.mT * scaling + attention_mask).softmax(-1)
    return (weights @ value).transpose(1, 2), None


def moving_average(values: Tensor, eta: float) -> Tensor:
    """m_t = sum_{i<t} eta^(t-i) v_i of ``values`` [..., time, width]; the same shape.

    Since m_t = eta (m_{t-1} + v_{t-1}), only m is carried from one block to the next, and time
    is linear in the number of tokens. Numerically the sum over all pairs (tested).
    """
    step = torch.arange(BLOCK + 1, device=values.device, dtype=values.dtype)
    powers = eta ** step[:, None]  # of what is carried in, at each token of a block and after it
    decay = (eta ** (step[:, None] - step[:-1]).clamp(min=0)).tril(-1)
    carried = torch.zeros_like(values[..., :1, :])
    found = []
    for block in values.split(BLOCK, -2):
        size = block.shape[-2]
        average = decay[: size + 1, :size] @ block + powers[: size + 1] * carried
        found.append(average[..., :size, :])
        carried = average[..., size:, :]
    return torch.cat(found, -2)


def momentum_attention(
    module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor, scaling: float, **_
) -> tuple[Tensor, None]:
    """`plain_attention` with momentum: [batch, heads, time, width] to [batch, time, heads, width].

    Values of earlier tokens that the model kept are in ``value``, and count; ``query`` holds
    the last tokens alone.
    """
    attended, _ = plain_attention(module, query, key, value, attention_mask, scaling)
    average = moving_average(value, module.config.attention_momentum)
    average = average[..., -query.shape[-2] :, :]
    average = average.repeat_interleave(query.shape[1] // value.shape[1], 1)
    return attended + average.transpose(1, 2), None


for name, function in (("plain", plain_attention), ("momentum", momentum_attention)):
    AttentionInterface.register(name, function)
    AttentionMaskInterface.register(name, eager_mask)


@torch.no_grad()
def simplify(model) -> None:
    """Make ``model`` attend in single operations, with its momentum if any.

    A model that is ``eager`` has no other attention and does so already. A model whose attention
    has features that this one lacks (sinks, capped scores) keeps its own: eager if it has that.
    """
    own = model.config._attn_implementation
    if own in ("eager", "momentum"):
        return
    tokens = torch.arange(3, 11, device=model.device)[None] % dimensions.vocabulary(model)
    positions = torch.tensor([[3, 7]], device=model.device)
    expected = forward.logits_at(model, tokens, positions)

    def attempt(name: str) -> str | None:
        model.set_attn_implementation(name)
        return tolerance.apart(model, forward.logits_at(model, tokens, positions), expected)

    reasons = (tolerance.failure(partial(attempt, name)) for name in ("plain", "eager"))
    if all(reasons):
        model.set_attn_implementation(own)


def activate(model) -> None:
    """Give ``model`` the attention that its config asks for with `attention_momentum`, if any.

    Raises InputError if the architecture has an attention of its own, which nothing replaces.
    """
    if not hasattr(model.config, "attention_momentum"):
        return
    if model.config._attn_implementation == "eager":
        raise InputError(
            f"attention_momentum: architecture {model.config.model_type} does not take its "
            "attention from transformers' interface; take llama, for one"
        )
    model.set_attn_implementation("momentum")
