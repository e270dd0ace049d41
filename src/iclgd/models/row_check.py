"""Whether the row of an architecture is right: tried on the model itself, not by its name.

A row with a wrong order of ``axes``, or with the name of another weight, takes other numbers for
W_V and raises nothing. So one layer is run on a few tokens with some of its weights at zero, as
the row finds them, and without biases in attention. Whatever the attention adds to its scores
(positions, masks), if the row is right

* nothing comes out if W_V is zero, nor if W_O is;
* no query meets a key if W_Q is zero, nor if W_K is: both give the same;
* a head is the same head in W_V as in W_O, and in W_Q as in W_K;
* other queries of the first token change what comes out at that token alone;
* no weight beside those of the MLP is left out of it;
* a block returns a tuple if and only if the row says so.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterable

import torch
from torch import Tensor

from iclgd.io.cli import InputError
from iclgd.models import architectures, dimensions, forward, tolerance
from iclgd.models.architectures import FILE
from iclgd.models.families import CAUSAL

TOKENS = 8
VOCABULARY = 16  # of the small model whose layer is asked instead
# Largest difference that is rounding, as a share of the largest value.
EXACT, HALF = 1e-3, 0.03


class _Entered(Exception):
    """Ends a forward pass at the layer that is asked."""


class _Unlike(Exception):
    """An attention that does not call the modules that its row names."""


class _Layer:
    """One layer of a model with what enters it for a few tokens; run with other weights."""

    def __init__(self, model, number: int):
        self.model, self.config, self.number = model, model.config, number
        self.where = architectures.row(model.config)
        self.block = architectures.block(model, number)
        self.device = model.device.type
        own = dict(self.block.named_parameters())
        self.own = own
        self.zeros = {
            name: torch.zeros_like(bias)
            for name, bias in own.items()
            if name.startswith(f"{self.where.attention}.") and name.endswith("bias")
        }
        for name in (*(getattr(self.where, x) for x in "qkvo"), *self.where.mlp):
            architectures.module(model.config, self.block, name)
        self.given = self._entering()
        self.plain = self.out()
        half = model.dtype in (torch.bfloat16, torch.float16)
        self.allowed = (HALF if half else EXACT) * float(self.plain.abs().max())

    def _entering(self) -> tuple[tuple, dict]:
        found = []

        def stop(_, arguments, named):
            found.append((arguments, named))
            raise _Entered

        tokens = torch.arange(3, 3 + TOKENS, device=self.model.device)[None]
        tokens = tokens % dimensions.vocabulary(self.model)
        handle = self.block.register_forward_pre_hook(stop, with_kwargs=True)
        try:
            with forward.autocast(self.model, self.device):
                self.model(**forward.arguments(tokens))
        except _Entered:
            pass
        finally:
            handle.remove()
        return found[0]

    def without(self, *matrices: str, heads: slice = slice(None)) -> dict[str, Tensor]:
        """The weights of the layer of which ``heads`` of some matrices are zero."""
        changed: dict[str, Tensor] = {}
        for matrix in matrices:
            for name in architectures.names(self.config, matrix):
                weight = changed.setdefault(f"{name}.weight", self.own[f"{name}.weight"].clone())
                architectures.view(self.config, matrix)(weight)[heads].zero_()
        return changed

    def out(self, weights: dict[str, Tensor] | None = None, name: str | None = None) -> Tensor:
        """What the module ``name`` gives, without biases: by default the attention's last."""
        found: list[Tensor] = []
        module = self.block.get_submodule(self.where.o if name is None else name)
        handle = module.register_forward_hook(
            lambda _, __, given: found.append(
                given[0] if isinstance(given, (tuple, list)) else given
            )
        )
        arguments, named = self.given
        try:
            with forward.autocast(self.model, self.device):
                changed = self.zeros | (weights or {})
                whole = torch.func.functional_call(self.block, changed, arguments, named)
        finally:
            handle.remove()
        self.tuples = isinstance(whole, (tuple, list))
        if len(found) != 1:
            raise _Unlike(f"it does not call {self.where.o!r} once")
        return found[0].float().view(TOKENS, -1)

    def other_query(self) -> Tensor:
        """What comes out if the first token has other queries."""

        def change(_, __, given: Tensor) -> Tensor:
            given = given.clone().view(TOKENS, -1)
            queries = architectures.part(self.config, given, "q")
            queries[0] = 1 - 2 * queries[0]
            return given[None]

        handle = self.block.get_submodule(self.where.q).register_forward_hook(change)
        try:
            return self.out()
        finally:
            handle.remove()

    def beside_mlp(self) -> list[str]:
        """Weights of the modules that the MLP lies in which are none of its own."""
        listed = {f"{name}.weight" for name in self.where.mlp}
        inside = tuple(f"{name.split('.')[0]}." for name in self.where.mlp if "." in name)
        weights = (name for name, weight in self.own.items() if weight.dim() > 1)
        return [name for name in weights if name.startswith(inside) and name not in listed]

    def apart(self, one: Tensor, other: Tensor | float) -> bool:
        return bool(((one - other).abs() > self.allowed).any())


def _wrong(layer: _Layer, matrices: Iterable[str]) -> str | None:
    """What is wrong with the row, by the layer; None if nothing is."""
    apart, out, without = layer.apart, layer.out, layer.without
    if layer.tuples != layer.where.tuples:
        return f"a block returns {'(hidden, ...)' if layer.tuples else 'hidden alone'} (`tuples`)"
    if set(matrices) & set("qkvo"):
        no_values = without("v")
        if apart(out(no_values), 0):
            return "W_V set to zero leaves an output of attention"
        whole = layer.where.attention
        if apart(out(without("o"), whole), out(no_values, whole)):
            return "W_O set to zero leaves an output of attention"
        neither = out(without("q", "k"))
        for matrix in "qk":
            if apart(out(without(matrix)), neither):
                return f"W_{matrix.upper()} set to zero leaves attention a choice of tokens"
        if apart(layer.other_query()[1:], layer.plain[1:]):
            return "what it calls the first token's queries is read by later tokens"
        heads, key_heads, _ = dimensions.heads(layer.config)
        group = slice(heads // key_heads)
        for many, few in ("ov", "qk"):
            if apart(out(without(many, heads=group)), out(without(few, heads=slice(1)))):
                return f"the first head of W_{many.upper()} is another one in W_{few.upper()}"
    if "mlp" in matrices and (left := layer.beside_mlp()):
        return f"mlp leaves out {left[0]!r}"
    return None


@torch.no_grad()
def check(
    model, number: int | None = None, matrices: Iterable[str] = architectures.MATRICES
) -> None:
    """Raise InputError if ``matrices`` are not what the row of the architecture takes for them.

    Layer ``number`` stands for all; by default the first with the row's attention. Where it cannot
    be asked in this way, the log says so.
    """
    if number is None:
        modules, where = dict(model.named_modules()), architectures.row(model.config)
        layers = architectures.layer_numbers(model.config, "all")
        there = (n for n in layers if f"{where.blocks}.{n}.{where.o}" in modules)
        number = next(there, 0)
    kind = dimensions.text_config(model.config).model_type
    found: list[str | None] = []

    def attempt() -> None:
        found.append(_wrong(_Layer(model, number), matrices))

    if reason := tolerance.failure(attempt):
        print(f"the row of {kind!r} in {FILE} was not tried ({reason})", file=sys.stderr)
    elif found[0]:
        axes = architectures.row(model.config).fused and found[0].startswith(("W_", "what"))
        fault = "has the wrong axes" if axes else "is wrong"
        raise InputError(f"{found[0]}: the row of {kind!r} in {FILE} {fault}")


def check_config(config, remote_code: bool = False) -> None:
    """`check` where only the weights of a model are read: on one layer of random ones, as wide."""
    small = copy.deepcopy(config)
    text = dimensions.text_config(small)
    settings = {**dict.fromkeys(dimensions.LAYERS, 1), "vocab_size": VOCABULARY}
    settings |= dict.fromkeys(("bos_token_id", "eos_token_id", "pad_token_id"))
    found: list = []

    def build() -> None:
        for name, value in settings.items():
            if hasattr(text, name):
                setattr(text, name, value)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            made = CAUSAL.auto_class.from_config(small, trust_remote_code=remote_code)
        found.append(made.float().eval().requires_grad_(False))

    kind = dimensions.text_config(config).model_type
    if architectures.row(config) and (reason := tolerance.failure(build)):
        print(f"the row of {kind!r} in {FILE} was not tried ({reason})", file=sys.stderr)
        return
    check(found[0], 0, "qkvo")
