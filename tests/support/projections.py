"""The projections of one layer of a tiny model."""

from __future__ import annotations

import torch

from iclgd.models import architectures
from support.models import tiny_model

LAYER = 1


def weights(model, matrix: str) -> torch.Tensor:
    (name,) = architectures.parameter_names(model.config, LAYER, matrix)
    return architectures.view(model.config, matrix)(model.get_parameter(name))


def per_head(model, matrix: str) -> torch.Tensor:
    """q, k or v with as many heads as q: every key head serves a group of queries."""
    view = weights(model, matrix)
    return view.repeat_interleave(model.config.num_attention_heads // len(view), 0)


def without_biases(architecture: str):
    """A model without biases in attention, eager, which returns its attention weights."""
    model = tiny_model(architecture)
    if architectures.row(model.config).shows is None:
        model.set_attn_implementation("eager")
    for name, parameter in model.named_parameters():
        if "att" in name and "norm" not in name and name.endswith(".bias"):
            parameter.zero_()
    return model
