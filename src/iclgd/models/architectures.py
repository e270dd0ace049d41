"""Properties of an architecture by name: where its projections are, and how it attends.

To add an architecture is to add its row to `ARCHITECTURES`, which is tried on the model itself
wherever it is used (`row_check`). ``matrix`` is one of q, k, v, o, mlp.
A projection is found by name; a view of its weight has the heads in front, so that one code
serves every architecture, fused and grouped-query ones included:

* q, k, v: [heads, head width, model width] (grouped-query models have fewer k and v heads)
* o: [heads, model width, head width]
* mlp: the parameters as they are
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from iclgd.io.cli import InputError
from iclgd.models import dimensions

if TYPE_CHECKING:  # nothing here needs torch, so that the check of a configuration can use it
    from torch import Tensor

FILE = "src/iclgd/models/architectures.py"
MATRICES = ("q", "k", "v", "o", "mlp")


@dataclass(frozen=True)
class Shows:
    """Of an attention without transformers' interface: the method in which queries and keys
    [batch, heads, time, width] come (arguments) or go (results), and its scaling of q.k."""

    method: str
    scaling: Callable[[object], float]


@dataclass(frozen=True)
class Architecture:
    """Names of modules below a block, without ``.weight``.

    ``axes``: the axes of what q, k and v give, from the outermost; with ``matrix`` among them,
    one weight makes all three, in this order. ``transposed``: weights are stored as [in, out]
    (Conv1D). ``tuples``: a block returns (hidden, ...), not hidden alone. ``shows``: see `Shows`.
    """

    blocks: str
    q: str
    k: str
    v: str
    o: str
    mlp: tuple[str, ...]
    axes: tuple[str, ...] = ("heads", "width")
    transposed: bool = False
    tuples: bool = False
    shows: Shows | None = None

    @property
    def attention(self) -> str:
        """Name of the self-attention below a block."""
        return self.o.rpartition(".")[0]

    @property
    def fused(self) -> bool:
        """Whether q, k and v share a weight."""
        return "matrix" in self.axes


def _separate(blocks: str, attention: str, o: str, mlp: tuple[str, ...], **more) -> Architecture:
    q, k, v = (f"{attention}.{x}_proj" for x in "qkv")
    return Architecture(blocks, q, k, v, f"{attention}.{o}", mlp, **more)


def _fused(blocks: str, qkv: str, o: str, mlp: tuple[str, ...], **more) -> Architecture:
    return Architecture(blocks, qkv, qkv, qkv, o, mlp, **more)


_LLAMA = _separate(
    "model.layers", "self_attn", "o_proj", ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
)
_NEOX = _fused(
    "gpt_neox.layers",
    "attention.query_key_value",
    "attention.dense",
    ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h"),
    axes=("heads", "matrix", "width"),
)
_CONV = ("mlp.c_fc", "mlp.c_proj")
ARCHITECTURES = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "constructed": _separate("model.layers", "attention", "o_proj", ()),
    "gptj": _separate(
        "transformer.h",
        "attn",
        "out_proj",
        ("mlp.fc_in", "mlp.fc_out"),
        tuples=True,
        shows=Shows("_attn", lambda module: 1 / module.scale_attn),
    ),
    "gpt_neo": _separate(
        "transformer.h",
        "attn.attention",
        "out_proj",
        _CONV,
        tuples=True,
        shows=Shows("_attn", lambda module: 1.0),
    ),
    "opt": _separate("model.decoder.layers", "self_attn", "out_proj", ("fc1", "fc2")),
    "gpt2": _fused(
        "transformer.h",
        "attn.c_attn",
        "attn.c_proj",
        _CONV,
        axes=("matrix", "heads", "width"),
        transposed=True,
    ),
    "gpt_neox": _NEOX,
    "mpt": _fused(
        "transformer.blocks",
        "attn.Wqkv",
        "attn.out_proj",
        ("ffn.up_proj", "ffn.down_proj"),
        axes=("matrix", "heads", "width"),
        tuples=True,
    ),
    "phi": _separate("model.layers", "self_attn", "dense", ("mlp.fc1", "mlp.fc2")),
    "bloom": replace(
        _NEOX,
        blocks="transformer.h",
        **dict.fromkeys("qkv", "self_attention.query_key_value"),
        o="self_attention.dense",
        tuples=True,
        shows=Shows("_reshape", lambda module: module.inv_norm_factor),
    ),
}


def known(config) -> bool:
    """Whether the architecture of a transformers config has a row."""
    return dimensions.text_config(config).model_type in ARCHITECTURES


def row(config) -> Architecture:
    """The row of a transformers config. Raises InputError for an unknown architecture."""
    kind = dimensions.text_config(config).model_type
    if reason := unknown(kind):
        raise InputError(reason)
    return ARCHITECTURES[kind]


def unknown(kind: str) -> str | None:
    """What to say of an architecture without a row; None if it has one."""
    if kind in ARCHITECTURES:
        return None
    return (
        f"the projections of architecture {kind!r} are not known by name "
        f"(known: {', '.join(ARCHITECTURES)}); train the whole model, or add a row to {FILE}"
    )


def names(config, matrix: str) -> tuple[str, ...]:
    """Names of the modules below a block that hold a matrix."""
    where = row(config)
    return where.mlp if matrix == "mlp" else (getattr(where, matrix),)


def parameter_names(config, layer: int, matrix: str) -> list[str]:
    """Names of the weights of a matrix of layer ``layer`` (0 ... layers - 1)."""
    where = row(config)
    return [f"{where.blocks}.{layer}.{name}.weight" for name in names(config, matrix)]


def block(model, layer: int):
    """Block ``layer`` of a model. Raises InputError if its architecture's row names none."""
    blocks = row(model.config).blocks
    try:
        return model.get_submodule(f"{blocks}.{layer}")
    except AttributeError:
        kind = dimensions.text_config(model.config).model_type
        raise InputError(
            f"the row of {kind!r} in {FILE} names {blocks!r}, which is no list of blocks"
        ) from None


def module(config, block, name: str):
    """The module ``name`` of a block. Raises InputError if the block has none."""
    try:
        return block.get_submodule(name)
    except AttributeError:
        kind = dimensions.text_config(config).model_type
        raise InputError(
            f"the row of {kind!r} in {FILE} names {name!r}, which a block does not have"
        ) from None


def view(config, matrix: str) -> Callable[[Tensor], Tensor]:
    """A function from a weight to the view of ``matrix`` in it (see the module's text).

    It is a view, never a copy: writing to it writes to the weight. Leading dimensions
    cannot be added to the weight.
    """
    where = row(config)
    if matrix == "mlp":
        return lambda weight: weight
    heads, _, width = dimensions.heads(config)

    def of(weight: Tensor) -> Tensor:
        weight = weight.T if where.transposed else weight
        if matrix == "o":
            _fits(config, matrix, weight.shape[1], [heads, width])
            return weight.unflatten(1, (heads, width)).transpose(0, 1)
        return _part(config, weight, 0, matrix)

    return of


def _fits(config, matrix: str, size: int, shape: list[int]) -> None:
    """Raise InputError unless ``size`` numbers have this shape."""
    if math.prod(shape) != size:
        kind = dimensions.text_config(config).model_type
        raise InputError(
            f"W_{matrix.upper()} is {size} wide, not {' x '.join(map(str, shape))}: the row of "
            f"{kind!r} in {FILE} is wrong"
        )


def part(config, output: Tensor, matrix: str) -> Tensor:
    """The view [..., heads, head width] of q, k or v in ``output`` [..., out] of its module.

    As the projection makes them: no rotary position.
    """
    return _part(config, output, -1, matrix)


def queries(config) -> Callable[[Tensor], Tensor]:
    """A function from the output of ``row(config).q`` [..., out] to the queries in it.

    They are [..., heads * head width]; see `part`.
    """
    return lambda output: part(config, output, "q").flatten(-2)


def _part(config, values: Tensor, dim: int, matrix: str) -> Tensor:
    """``matrix`` in ``values``, whose dimension ``dim`` holds `axes` and becomes heads, width."""
    where = row(config)
    heads, key_heads, width = dimensions.heads(config)
    count = heads if where.fused or matrix == "q" else key_heads
    sizes, first = {"matrix": 3, "heads": count, "width": width}, dim % values.dim()
    shape = [sizes[axis] for axis in where.axes]
    _fits(config, matrix, values.shape[first], shape)
    parts = values.unflatten(first, shape)
    if where.fused:
        parts = parts.select(first + where.axes.index("matrix"), "qkv".index(matrix))
    in_order = where.axes.index("heads") < where.axes.index("width")
    return parts if in_order else parts.transpose(first, first + 1)


def layer_numbers(config, layers: list[int | float] | str) -> list[int]:
    """``layer_number`` of each; all of them for ``all``."""
    if layers == "all":
        return list(range(dimensions.layers(config)))
    return [layer_number(config, layer) for layer in layers]


def layer_number(config, layer: int | float) -> int:
    """A layer by number, or by its fraction (a float) of the way from layer 0 to the last.

    Shen et al. train layers 15 and 30 of 0 ... 31: fractions 0.484 and 0.968, which carry
    over to other depths by rounding. Raises InputError outside the model.
    """
    layers = dimensions.layers(config)
    number = round(layer * (layers - 1)) if isinstance(layer, float) else layer
    if not 0 <= number < layers:
        raise InputError(f"layer {layer} is outside the model, which has layers 0 ... {layers - 1}")
    return number
