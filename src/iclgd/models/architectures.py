"""Where the projections of an architecture live, fused and grouped-query ones included.

``matrix`` is one of q, k, v, o, mlp. A projection is found by name; a view of its weight
has the heads in front, so that one code serves every layout:

* q, k, v: [heads, head width, model width] (grouped-query models have fewer k and v heads)
* o: [heads, model width, head width]
* mlp: the parameters as they are
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from iclgd.io.cli import InputError
from iclgd.models import dimensions

MATRICES = ("q", "k", "v", "o", "mlp")


@dataclass(frozen=True)
class Layout:
    """Names below a block, without ``.weight``. ``fused`` tells how q, k, v share a weight:

    no: three weights; ``columns``: GPT-2's Conv1D [width, 3 * width], q then k then v;
    ``heads``: [heads * 3 * head width, width], q, k, v within every head (NeoX, BLOOM).
    ``transposed``: weights are stored as [in, out] (Conv1D).
    ``tuples``: a block returns (hidden, ...), not hidden alone.
    """

    blocks: str
    q: str
    k: str
    v: str
    o: str
    mlp: tuple[str, ...]
    fused: str = "no"
    transposed: bool = False
    tuples: bool = False

    @property
    def attention(self) -> str:
        """Name of the self-attention below a block."""
        return self.o.rpartition(".")[0]


def _separate(blocks: str, attention: str, o: str, mlp: tuple[str, ...], tuples=False) -> Layout:
    q, k, v = (f"{attention}.{x}_proj" for x in "qkv")
    return Layout(blocks, q, k, v, f"{attention}.{o}", mlp, tuples=tuples)


def _fused(blocks: str, qkv: str, o: str, mlp: tuple[str, ...], fused: str, tuples=False) -> Layout:
    return Layout(blocks, qkv, qkv, qkv, o, mlp, fused, fused == "columns", tuples)


_LLAMA = _separate(
    "model.layers", "self_attn", "o_proj", ("mlp.gate_proj", "mlp.up_proj", "mlp.down_proj")
)
_DENSE = ("mlp.dense_h_to_4h", "mlp.dense_4h_to_h")
_CONV = ("mlp.c_fc", "mlp.c_proj")
LAYOUTS = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "constructed": _separate("model.layers", "attention", "o_proj", ()),
    "gptj": _separate("transformer.h", "attn", "out_proj", ("mlp.fc_in", "mlp.fc_out"), True),
    "gpt_neo": _separate("transformer.h", "attn.attention", "out_proj", _CONV, True),
    "opt": _separate("model.decoder.layers", "self_attn", "out_proj", ("fc1", "fc2")),
    "gpt2": _fused("transformer.h", "attn.c_attn", "attn.c_proj", _CONV, "columns"),
    "gpt_neox": _fused(
        "gpt_neox.layers", "attention.query_key_value", "attention.dense", _DENSE, "heads"
    ),
    "bloom": _fused(
        "transformer.h",
        "self_attention.query_key_value",
        "self_attention.dense",
        _DENSE,
        "heads",
        tuples=True,
    ),
}


def known(config) -> bool:
    """Whether the architecture of a transformers config has a Layout."""
    return dimensions.text_config(config).model_type in LAYOUTS


def layout(config) -> Layout:
    """The layout of a transformers config. Raises InputError for an unknown architecture."""
    kind = dimensions.text_config(config).model_type
    try:
        return LAYOUTS[kind]
    except KeyError:
        raise InputError(
            f"the projections of architecture {kind!r} are not known by name "
            f"(known: {', '.join(LAYOUTS)}); train the whole model, or add a Layout to "
            "src/iclgd/models/architectures.py"
        ) from None


def parameter_names(config, layer: int, matrix: str) -> list[str]:
    """Names of the weights of a matrix of layer ``layer`` (0 ... layers - 1)."""
    where = layout(config)
    names = where.mlp if matrix == "mlp" else (getattr(where, matrix),)
    return [f"{where.blocks}.{layer}.{name}.weight" for name in names]


def view(config, matrix: str) -> Callable[[Tensor], Tensor]:
    """A function from a weight to the view of ``matrix`` in it (see the module's text).

    It is a view, never a copy: writing to it writes to the weight. Leading dimensions
    cannot be added to the weight.
    """
    where = layout(config)
    if matrix == "mlp":
        return lambda weight: weight
    heads, key_heads, width = dimensions.heads(config)
    if matrix == "o":
        if where.transposed:
            return lambda weight: weight.T.unflatten(1, (heads, width)).transpose(0, 1)
        return lambda weight: weight.unflatten(1, (heads, width)).transpose(0, 1)
    part = "qkv".index(matrix)
    if where.fused == "columns":
        return lambda weight: weight.T.unflatten(0, (3, heads, width))[part]
    if where.fused == "heads":
        return lambda weight: weight.unflatten(0, (heads, 3, width))[:, part]
    if matrix != "q":
        heads = key_heads
    return lambda weight: weight.unflatten(0, (heads, width))


def queries(config) -> Callable[[Tensor], Tensor]:
    """A function from the output of ``layout(config).q`` [..., out] to the queries in it.

    They are [..., heads * head width], as the projection makes them: no rotary position.
    """
    where = layout(config)
    heads, _, _ = dimensions.heads(config)
    if where.fused == "columns":
        return lambda output: output.unflatten(-1, (3, -1))[..., 0, :]
    if where.fused == "heads":
        return lambda output: output.unflatten(-1, (heads, 3, -1))[..., 0, :].flatten(-2)
    return lambda output: output


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
