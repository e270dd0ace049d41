"""The tensors that a learner trains: chosen by name, reset without loading anything anew."""

from __future__ import annotations

import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from iclgd.io.cli import InputError
from iclgd.models import architectures, attention, dimensions, row_check


class Kept:
    """Start values of tensors, kept where the model is not: of a GPU's in the host's memory,
    of the host's in a scratch file. Training then needs the weights once, not twice.
    """

    def __init__(self, tensors: list[Tensor]):
        self.on_card = tensors[0].is_cuda
        if self.on_card:
            self.copies = [tensor.cpu().pin_memory() for tensor in tensors]
        else:
            self.file = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as this
            for tensor in tensors:
                tensor.contiguous().numpy().tofile(self.file)

    def restore(self, tensors: list[Tensor]) -> None:
        """Write the start values into ``tensors``, the same as at the beginning."""
        if self.on_card:
            for tensor, copy in zip(tensors, self.copies, strict=True):
                tensor.copy_(copy, non_blocking=True)
            return
        self.file.seek(0)
        for tensor in tensors:
            dtype = str(tensor.dtype).removeprefix("torch.")
            values = np.fromfile(self.file, dtype, tensor.numel())
            tensor.copy_(torch.from_numpy(values).view_as(tensor))


@dataclass
class Trained:
    """The chosen parameters of a model by name, and masks for those trained only in part."""

    start: dict[str, Tensor]
    masks: dict[str, Tensor] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        return sum(tensor.numel() * tensor.element_size() for tensor in self.start.values())

    @cached_property
    def kept(self) -> Kept:
        return Kept([tensor.detach() for tensor in self.start.values()])

    def copies(self, runs: int) -> dict[str, Tensor]:
        """Leaves [runs, ...] that hold the start values; the model's own are not touched."""
        return {
            name: tensor.detach().repeat(runs, *[1] * tensor.dim()).requires_grad_()
            for name, tensor in self.start.items()
        }

    @contextmanager
    def in_place(self) -> Iterator[dict[str, Tensor]]:
        """The model's own parameters as leaves; they have their start values again afterwards."""
        kept = self.kept
        for parameter in self.start.values():
            parameter.requires_grad_(True)
        try:
            yield self.start
        finally:
            for parameter in self.start.values():
                parameter.requires_grad_(False).grad = None
            kept.restore(list(self.start.values()))


def choose(model, train: dict | None, seed: str = "") -> tuple[object, Trained]:
    """The model to descend on and the tensors that ``train`` (see Learner) names.

    The model comes back wrapped if adapters are trained, else as it is, but for its attention
    (`attention.simplify`). Updates of size 1e-5 vanish in bfloat16, so trained weights are made
    float32 at least; what the model computes in stays as it was.
    """
    attention.simplify(model)
    masks = {}
    if train and "lora" in train:
        row_check.check(model, matrices=train["lora"]["matrices"])
        model = _with_adapters(model, train["lora"], seed)
    parameters = dict(model.named_parameters())
    if train is None:
        names = list(parameters)
    elif "lora" in train:
        names = [name for name in parameters if "lora_" in name]
    elif "parameters" in train:
        names = train["parameters"]
        if unknown := [name for name in names if name not in parameters]:
            raise InputError(
                f"learner: the model has no parameter {unknown[0]!r} "
                f"(it has {', '.join(list(parameters)[:5])}, ...)"
            )
    else:
        numbers = architectures.layer_numbers(model.config, train["layers"])
        row_check.check(model, numbers[0], train["matrices"])
        for number in numbers:
            for matrix in train["matrices"]:
                for name in architectures.parameter_names(model.config, number, matrix):
                    mask = masks.setdefault(name, torch.zeros_like(parameters[name]))
                    architectures.view(model.config, matrix)(mask).fill_(1)
        names = list(masks)
        masks = {name: mask for name, mask in masks.items() if not mask.all()}
    for name in names:
        own = parameters[name]
        own.data = own.data.to(torch.promote_types(own.dtype, torch.float32))
    return model, Trained({name: parameters[name] for name in names}, masks)


def _with_adapters(model, lora: dict, seed: str):
    """``model`` wrapped by peft with fresh LoRA adapters (B = 0: the same function)."""
    from peft import LoraConfig, get_peft_model

    where = architectures.row(model.config)
    fused = [matrix for matrix in "qkv" if where.fused and matrix in lora["matrices"]]
    if len(fused) in (1, 2):
        raise InputError(
            "learner: q, k, v are one weight, and have one adapter, in architecture "
            f"{dimensions.text_config(model.config).model_type}: name all three or none for lora"
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
