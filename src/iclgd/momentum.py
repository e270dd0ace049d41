"""Momentum attention: attention plus an exponential moving average of the values before it.

Dai et al. (2023, arXiv 2212.10559, section 5) read attention over demonstrations as gradient
descent and add what momentum is to descent: token t gets, beside its attention,

    MoAttn_t = Attn_t + sum_{i<t} eta^(t-i) v_i.

A model has it if its config holds `attention_momentum` (eta); with eta = 0 the same code is
plain attention, which makes the twin to compare with. Plain transformers would load such a
model without its momentum: `models.load` and `activate` give it back.
"""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import eager_mask

from iclgd.cli import InputError
from iclgd.trained import plain_attention

BLOCK = 64  # tokens of the scan that one matrix product takes together


def moving_average(values: Tensor, eta: float) -> Tensor:
    """m_t = sum_{i<t} eta^(t-i) v_i of ``values`` [..., time, width]; the same shape.

    Since m_t = eta (m_{t-1} + v_{t-1}), only m is carried from one block to the next, and time
    is linear in the number of tokens. Numerically the sum over all pairs (tested).
    """
    step = torch.arange(BLOCK + 1, device=values.device, dtype=values.dtype)
    powers = eta ** step[:, None]  # of what is carried in, at each token of a block and behind it
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
    module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, scaling: float, **_
) -> tuple[Tensor, None]:
    """`plain_attention` with momentum: [batch, heads, time, width] to [batch, time, heads, width].

    Values of earlier tokens that the model kept are in ``value``, and count; ``query`` holds
    the last tokens alone.
    """
    attended, _ = plain_attention(module, query, key, value, mask, scaling)
    average = moving_average(value, module.config.attention_momentum)
    average = average[..., -query.shape[-2] :, :]
    average = average.repeat_interleave(query.shape[1] // value.shape[1], 1)
    return attended + average.transpose(1, 2), None


AttentionInterface.register("momentum", momentum_attention)
AttentionMaskInterface.register("momentum", eager_mask)


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
