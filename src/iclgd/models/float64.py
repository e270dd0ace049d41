"""A float64 model that is float64 throughout: norms and attention that are cut to float32 are not.

transformers computes the root mean square norms of LLaMA and its kin, and the attention of GPT-J,
in float32 whatever the model's dtype. Rounding there is a thousand million times that of float64,
so such a model is no test of what rounding does, and its gradients are not those of its function.
What replaces a part is asked first whether it is that part, bit for bit in float32.

Angles of rotary positions stay as they are: constants, rounded to float32 once, that depend on no
input.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from functools import cache

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from iclgd.models import attention, forward

EPSILONS = ("variance_epsilon", "eps")  # what norms call the number under their root


def root_mean_square(norm: nn.Module, hidden: Tensor) -> Tensor:
    """LLaMA's norm of ``hidden`` [..., width], in float32 or in float64 if it is that.

    w * h / sqrt(mean(h^2) + epsilon), with the operations of transformers in their order.
    """
    epsilon = next(getattr(norm, name) for name in EPSILONS if hasattr(norm, name))
    wide = hidden.to(torch.promote_types(hidden.dtype, torch.float32))
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + epsilon)
    return norm.weight * wide.to(hidden.dtype)


def gptj_attention(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, None]:
    """GPT-J's ``_attn``, [batch, heads, time, width], by `attention.plain_attention`.

    It has no dropout, as GPT-J in evaluation mode has none.
    """
    mask = torch.zeros((), dtype=query.dtype, device=query.device) if mask is None else mask
    scaling = 1 / float(module.scale_attn)
    attended, _ = attention.plain_attention(module, query, key, value, mask, scaling)
    return attended.transpose(1, 2), None


@cache
def _with(kind: type, method: str, function: Callable) -> type:
    """``kind`` with another method. Modules of it can be copied as ever."""
    return type(kind.__name__, (kind,), {method: function, "__module__": kind.__module__})


@torch.no_grad()
def _is_root_mean_square(module: nn.Module) -> bool:
    """Whether a module is a norm that `root_mean_square` computes, bit for bit in float32."""
    known = any(hasattr(module, name) for name in EPSILONS) and hasattr(module, "weight")
    if not known or "RMSNorm" not in type(module).__name__ or isinstance(module, nn.RMSNorm):
        return False
    norm = copy.deepcopy(module).to("cpu", torch.float32)
    hidden = torch.randn(4, len(norm.weight), generator=torch.Generator().manual_seed(0))
    return torch.equal(norm(hidden), root_mean_square(norm, hidden))


class _Watch(TorchFunctionMode):
    """Keeps the name of the last operation that gave a float32 tensor with a gradient."""

    name: str | None = None

    def __torch_function__(self, function, types, given=(), named=None):
        made = function(*given, **(named or {}))
        if isinstance(made, Tensor) and made.dtype == torch.float32 and made.requires_grad:
            self.name = getattr(function, "__name__", str(function))
        return made


@torch.enable_grad()
def narrow(model) -> str | None:
    """An operation of the float64 ``model`` on its hidden states that gives float32; None if none.

    What depends on the embeddings has a gradient, constants such as angles have none.
    """
    embeddings = model.get_input_embeddings().weight
    before = embeddings.requires_grad
    embeddings.requires_grad_(True)
    try:
        with _Watch() as watch:
            model(**forward.arguments(torch.tensor([[1, 2, 3]], device=model.device)))
    finally:
        embeddings.requires_grad_(before)
    return watch.name


def complete(model) -> None:
    """Compute all of ``model`` in float64, if that is its dtype; others are not touched.

    Where an architecture has float32 in another place, the log says so.
    """
    if model.dtype != torch.float64:
        return
    for module in model.modules():
        kind = type(module)
        if _is_root_mean_square(module):
            module.__class__ = _with(kind, "forward", root_mean_square)
        elif kind.__name__ == "GPTJAttention":
            module.__class__ = _with(kind, "_attn", gptj_attention)
    if operation := narrow(model):
        kind = model.config.model_type
        print(f"float64 model: {kind} computes in float32 inside ({operation})", file=sys.stderr)
