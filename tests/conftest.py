"""Helpers that tests share: tiny random models of every architecture, a tokenizer, a task."""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path

import polars as pl
import pytest

from iclgd.io import parquet
from iclgd.io.schemas.task import TASK
from iclgd.tasks import readers, synthetic, task_tables

os.environ.setdefault("HF_HUB_OFFLINE", "1")

SRC = Path(__file__).parent.parent / "src"
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


ENTRY = {"prompt": "{text} : {label}\n", "queries": 12}


def tiny_task(name: str = "topic2", rows: int = 32, classes: int = 2, **entry) -> pl.DataFrame:
    """A generated task: 2 classes, 20 training rows, 3 validation and 9 test queries."""
    made = synthetic.make_task(task_tables.generator(name, "rows"), "topics", rows, classes)
    labels = {str(row["label"]): row["label_text"] for row in made}
    entry = {**ENTRY, "labels": labels, **entry}
    placed = ((f"row {i}", row) for i, row in enumerate(made))
    rendered = [row for _, row in readers.render(placed, entry, name)]
    splits = task_tables.split_queries({"train": rendered}, entry["queries"], name)
    return parquet.match(task_tables.task_table(splits, entry, name), TASK)


def save_model(model, folder: Path, name: str = "tiny", **manifest) -> Path:
    """Save ``model`` with the tiny tokenizer in ``folder``; returns its manifest's path."""
    model.save_pretrained(folder / name)
    tiny_tokenizer().save_pretrained(folder / name)
    path = folder / f"{name}.json"
    path.write_text(
        json.dumps({"model": name, "dtype": "float32", "remote_code": False, **manifest})
    )
    return path


@pytest.fixture(scope="session")
def tokenizer():
    return tiny_tokenizer()


@pytest.fixture(scope="session")
def task() -> pl.DataFrame:
    return tiny_task()


@pytest.fixture(params=ARCHITECTURES)
def architecture(request) -> str:
    return request.param


def figure(kind: str, **more) -> tuple[str, str]:
    """``--figure`` of a step: a figure of this kind, named after it."""
    return "--figure", json.dumps({"name": kind, "kind": kind, **more})


def run_step(name: str, *arguments: str) -> None:
    """Run ``src/{name}.py`` in this process, as if called with ``arguments``."""
    before = sys.argv, sys.excepthook
    sys.argv = [f"{name}.py", *map(str, arguments)]
    try:
        runpy.run_path(str(SRC / f"{name}.py"), run_name="__main__")
    finally:
        sys.argv, sys.excepthook = before
