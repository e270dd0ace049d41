"""Tiny random models of every architecture, with a tokenizer and sequences."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from iclgd.models import loading
from iclgd.tasks import synthetic

VOCABULARY = len(synthetic.VOCABULARY)
SIZE = {"hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 4}
LLAMA = {**SIZE, "intermediate_size": 24, "num_key_value_heads": 2, "initializer_range": 0.15}
# Weights of size 0.15: large enough that every part of the model shows in its logits.
CONFIGS = {
    "llama": LLAMA,
    "mistral": {**LLAMA, "sliding_window": None},
    "qwen2": LLAMA,
    "gptj": {"n_embd": 16, "n_layer": 3, "n_head": 4, "rotary_dim": 2, "initializer_range": 0.15},
    "gpt2": {"n_embd": 16, "n_layer": 3, "n_head": 4, "initializer_range": 0.15},
    "gpt_neo": {
        "hidden_size": 16,
        "num_layers": 3,
        "num_heads": 4,
        "attention_types": [[["global", "local", "global"], 1]],
        "window_size": 4,
        "initializer_range": 0.15,
    },
    "gpt_neox": {**SIZE, "intermediate_size": 24, "initializer_range": 0.15},
    "opt": {**SIZE, "ffn_dim": 24, "word_embed_proj_dim": 16, "init_std": 0.15},
    "bloom": {"hidden_size": 16, "n_layer": 3, "n_head": 4, "initializer_range": 0.15},
}
ARCHITECTURES = list(CONFIGS)
# BLOOM's GELU is an autograd.Function that vmap cannot enter: its runs train one by one.
ONE_BY_ONE = ("bloom",)
# transformers computes the attention of these in float32, whatever the model's dtype.
FLOAT32_INSIDE = ("gptj", "gpt_neo", "bloom")
LABELS = [140, 133]
# Of a manifest:
PLAIN = {"dtype": "float32", "remote_code": False, "quantised": None, "instruct": None}


def tolerance(architecture: str) -> float:
    """Of log-probabilities in a float64 model."""
    return 1e-5 if architecture in FLOAT32_INSIDE else 1e-9


def tiny_model(architecture: str, dtype: str = "float64", seed: int = 0, **changes):
    """A random model of 3 layers and 4 heads in evaluation mode, biases and norms included."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.set_num_threads(1)
    size = {"vocab_size": VOCABULARY, "max_position_embeddings": 128}
    size |= {"bos_token_id": 0, "eos_token_id": 0, "pad_token_id": None}
    config = AutoConfig.for_model(architecture, **{**size, **CONFIGS[architecture], **changes})
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter += 0.1 * torch.randn(parameter.shape)
    model.config.dtype = getattr(torch, dtype)
    return model.to(getattr(torch, dtype)).eval().requires_grad_(False)


def tiny_tokenizer():
    """The tokenizer of the made-up language: one token a word, BOS in front."""
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(synthetic.tokenizer_json()))


def save_model(model, folder: Path, name: str = "tiny", **manifest) -> Path:
    """Save ``model`` with the tiny tokenizer in ``folder``; returns its manifest's path."""
    model.save_pretrained(folder / name)
    tiny_tokenizer().save_pretrained(folder / name)
    path = folder / f"{name}.json"
    path.write_text(json.dumps({**PLAIN, "model": name, **manifest}))
    return path


def loaded(model) -> loading.Loaded:
    return loading.Loaded("tiny", model, None, "cpu", 128)


def sequences(count: int = 7, seed: int = 0) -> list[list[int]]:
    """Sequences of 2 ... 30 tokens, not in the order of their lengths."""
    rng = np.random.default_rng(seed)
    return [[0, *rng.integers(5, 149, n).tolist()] for n in rng.integers(1, 30, count)]
