"""De-quantise a GGUF file once: transformers' own loader reads it, safetensors are written.

No later step sees the GGUF. Weights become float32 numbers, each one of the few values of its
block: a model that was quantised, not the model that it was made of.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from iclgd.io.cli import InputError
from iclgd.models import gguf_header, loading
from iclgd.models.gguf_header import Header, Told

# Byte-level BPE (`tokenizer.ggml.pre`) that splits a text as GPT-2's does, and those that cut
# digits apart first: llama.cpp's llama-vocab.cpp has the names and expressions. transformers'
# loader splits as GPT-2's does whatever it does not know by name.
LIKE_GPT2 = ("gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "roberta-bpe")
UNNAMED = (None, "default")  # written by old converters
DIGITS_APART = ("smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b")


def convert(path: Path, header: Header, folder: Path, name: str) -> None:
    """Fill ``folder`` with the model ``name`` in a GGUF file: weights, config and tokenizer.

    Raises InputError for a file that is broken or cut short, an architecture, quantisation or
    tokenizer that the loader does not know, and weights that it leaves out.
    """
    import torch
    from transformers import AutoModelForCausalLM, GgufConfig
    from transformers.utils import logging

    _check_whole(path, header)
    what = f"model {name}: {path.name}"
    logging.disable_progress_bar()
    tokenizer = _tokenizer(path, header, what)
    with loading.readable(what):
        model, found = AutoModelForCausalLM.from_pretrained(
            path.parent,
            gguf_file=path.name,
            dtype=torch.float32,
            quantization_config=GgufConfig(dequantize=True),
            output_loading_info=True,
            local_files_only=True,
        )
    _check_complete(model, found, header, what)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _check_whole(path: Path, header: Header) -> None:
    """Raises InputError for a type of tensors without a size, and numbers that are not there."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    end = 0
    for tensor in header.tensors:
        if tensor.type not in gguf_header.TYPES:
            raise InputError(
                f"{path.name}: {tensor.name} is of type {tensor.type}, a quantisation that is not "
                "known here"
            )
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(tensor.type)]
        end = max(end, header.data + tensor.offset + tensor.weights // block * size)
    if (there := path.stat().st_size) < end:
        raise InputError(f"{path.name} is cut short: {there:,} bytes of {end:,}")


def _tokenizer(path: Path, header: Header, what: str):
    """The tokenizer in the file, which splits a text as the file says."""
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer
    from transformers.integrations.gguf.gguf_tokenizer_mapping import GGUF_PRE_TOKENIZER_SPLITS

    kind = header.fields.get("tokenizer.ggml.model")
    if kind is None or "tokenizer.ggml.tokens" not in header.fields:
        raise InputError(f"{what}: there is no tokenizer in it")
    split = header.fields.get("tokenizer.ggml.pre")
    known = (*GGUF_PRE_TOKENIZER_SPLITS, *LIKE_GPT2, *DIGITS_APART, *UNNAMED)
    if kind == "gpt2" and split not in known:
        raise InputError(
            f"{what}: its tokenizer splits texts in the way {split!r}, which is not known here"
        )
    with loading.readable(f"{what}: its tokenizer"):
        tokenizer = AutoTokenizer.from_pretrained(
            path.parent, gguf_file=path.name, local_files_only=True
        )
        if kind == "gpt2" and split in DIGITS_APART and split not in GGUF_PRE_TOKENIZER_SPLITS:
            tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
                [
                    pre_tokenizers.Digits(individual_digits=True),
                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
                ]
            )
        tokenizer.chat_template = None  # prompts are texts, and the template is a program
    return tokenizer


def _check_complete(model, found: dict, header: Header, what: str) -> None:
    """Raises InputError unless the model has all weights, and no weight of the file is unused.

    The loader passes over tensors that it has no place for (frequencies of RoPE, adapters).
    """
    if missing := sorted(found["missing_keys"]):
        raise InputError(f"{what}: no weights for {missing[0]} ({len(missing)} missing in all)")
    tied = model.config.get_text_config().tie_word_embeddings
    copies = ["output.weight"] if tied else []
    stored = sum(one.weights for one in header.tensors if one.name not in copies)
    used = sum(parameter.numel() for parameter in model.parameters())
    if stored != used:
        raise InputError(
            f"{what}: it holds {stored:,} weights and transformers' loader takes {used:,} of them"
        )


def check_told(entry: Mapping, header: Header, told: Told, name: str) -> Told:
    """What the manifest says of the model ``name``; ``told`` is what readers see in figures.

    Raises InputError if the two differ, naming the key of ``entry`` that mends it.
    """
    found = header.quantised
    if told.quantised is None or not _same(told.quantised, header):
        said = f"not {told.quantised}" if told.quantised else "which its name does not say"
        raise InputError(
            f"model {name}: {gguf_header.file(entry)} is {found}, {said}: give the model's entry "
            f"`quantised: {found}`"
        )
    if told.instruct is None and header.chat:
        raise InputError(
            f"model {name}: {gguf_header.file(entry)} has a template for chats: give the model's "
            "entry `instruct: true` if it is instruction-tuned, or else `instruct: false`"
        )
    return Told(found, bool(told.instruct))


def _same(said: str, header: Header) -> bool:
    """Whether a quantisation is the file's: of most weights (Q4_K), or its mixture (Q4_K_M)."""
    from gguf import LlamaFileType

    number = header.fields.get("general.file_type")
    mixtures = {one.value: one.name.removeprefix("MOSTLY_") for one in LlamaFileType}
    return said.upper().startswith(header.quantised) or said.upper() == mixtures.get(number)
