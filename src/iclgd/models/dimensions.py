"""The sizes of a model, under the names of all families and in nested configurations.

Multimodal models nest the language model's configuration in their own, and families use
different names for the same size; `transformers` maps most names to the common one.
"""

from __future__ import annotations

from iclgd.io.cli import InputError

LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers", "decoder_layers")
CONTEXT = ("max_position_embeddings", "n_positions", "max_seq_len", "max_target_positions")
KEY_HEADS = ("num_key_value_heads", "num_kv_heads", "kv_n_heads")
TEXT = ("text_config", "decoder")  # where a config.json may keep that of its language model


def text_config(config):
    """The part of a transformers configuration that describes the language model."""
    return config.get_text_config(decoder=True)


def _first(config, names: tuple[str, ...]) -> int | None:
    """The first of ``names`` that ``config`` has a whole number under."""
    values = (getattr(config, name, None) for name in names)
    return next((value for value in values if isinstance(value, int)), None)


def layers(config) -> int:
    """Number of blocks. Raises InputError for a configuration without it."""
    count = _first(text_config(config), LAYERS)
    if count is None:
        raise InputError(f"the configuration of {config.model_type!r} has none of {LAYERS}")
    return count


def context(config) -> int | None:
    """The longest sequence in tokens; None where positions have no end."""
    return _first(text_config(config), CONTEXT)


def heads(config) -> tuple[int, int, int]:
    """Number of heads of the queries, of the keys and values, and the width of a head."""
    text = text_config(config)
    count = text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // count
    return count, _first(text, KEY_HEADS) or count, width


def width(model) -> int:
    """Width of the hidden states."""
    return text_config(model.config).hidden_size


def vocabulary(model) -> int:
    """Number of tokens that the model gives a logit to."""
    unembedding = model.get_output_embeddings()
    found = None if unembedding is None else getattr(unembedding, "weight", None)
    return text_config(model.config).vocab_size if found is None else found.shape[0]


def stored_layers(config: dict) -> int | None:
    """Number of blocks by a config.json, before any model is built; None if it is not there."""
    inner = [config[name] for name in TEXT if isinstance(config.get(name), dict)]
    values = (part.get(name) for part in [*inner, config] for name in LAYERS)
    return next((value for value in values if isinstance(value, int)), None)


def stored_architecture(config: dict) -> str | None:
    """The language model's ``model_type`` by a config.json; None if it does not say."""
    inner = [config[name] for name in TEXT if isinstance(config.get(name), dict)]
    values = (part.get("model_type") for part in [*inner, config])
    return next((value for value in values if isinstance(value, str)), None)
