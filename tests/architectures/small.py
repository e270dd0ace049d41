"""A small random model of every causal architecture that the installed transformers knows."""

from __future__ import annotations

import torch
from transformers import AutoConfig, AutoModelForCausalLM
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from iclgd.models import dimensions

VOCABULARY = 213
KINDS = sorted(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)
LARGEST = 15_000_000  # weights

# What the families call their sizes: those of these that a configuration has are set.
SIZES = {
    **dict.fromkeys(("hidden_size", "n_embd", "d_model", "dim", "emb_dim", "embed_dim"), 32),
    **dict.fromkeys(("num_hidden_layers", "n_layer", "n_layers", "num_layers"), 3),
    **dict.fromkeys(("decoder_layers", "num_decoder_layers"), 3),
    **dict.fromkeys(("encoder_layers", "num_encoder_layers"), 1),
    **dict.fromkeys(("num_attention_heads", "n_head", "n_heads", "num_heads"), 4),
    **dict.fromkeys(("decoder_attention_heads", "encoder_attention_heads"), 4),
    **dict.fromkeys(("intermediate_size", "ffn_dim", "n_inner", "ffn_hidden_size"), 48),
    **dict.fromkeys(("decoder_ffn_dim", "encoder_ffn_dim"), 48),
    **dict.fromkeys(("max_position_embeddings", "n_positions", "max_seq_len"), 256),
    **dict.fromkeys(("num_experts", "num_local_experts", "n_routed_experts"), 4),
    **dict.fromkeys(("initializer_range", "init_std"), 0.1),  # all parts show in the logits
    "vocab_size": VOCABULARY,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "moe_num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 24,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": None,
}

_MLA = {
    "q_lora_rank": 16,
    "kv_lora_rank": 16,
    "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8,
    "v_head_dim": 8,
    "num_key_value_heads": 4,
}
_LINEAR = {
    "layer_types": ["linear_attention", "linear_attention", "full_attention"],
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
}
_MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1}
_PADS = {"pad_token_id": 1}
UNSET = object()  # leave the family's own value
# What else single families need to be small.
CHANGES = {
    **dict.fromkeys(("axk1", "deepseek_v2", "deepseek_v3", "longcat_flash"), _MLA),
    **dict.fromkeys(("axk2", "glm4_moe_lite", "youtu", "deepseek_v32", "glm_moe_dsa"), _MLA),
    **dict.fromkeys(("qwen3_5", "qwen3_5_text", "qwen3_5_moe", "qwen3_5_moe_text"), _LINEAR),
    **dict.fromkeys(("qwen3_next", "qwen4_exp", "qwen4_exp_text"), _LINEAR),
    **dict.fromkeys(("bamba", "granitemoehybrid", "falcon_h1"), _MAMBA),
    **dict.fromkeys(("camembert", "data2vec-text", "roberta", "roberta-prelayernorm"), _PADS),
    **dict.fromkeys(("xlm-roberta", "xlm-roberta-xl", "emu3", "modernbert-decoder"), _PADS),
    "minicpm3": {**_MLA, "scale_emb": 1},
    "codegen": {"rotary_dim": 4},
    "gptj": {"rotary_dim": 4},
    "falcon": {"head_dim": UNSET},
    "gpt_neo": {"attention_types": [[["global", "local", "global"], 1]], "window_size": 4},
    "dbrx": {"attn_config": {"kv_n_heads": 2, "clip_qkv": 8, "rope_theta": 1e4}},
    "mamba2": {"num_heads": 4, "head_dim": 16, "state_size": 8, "n_groups": 1},
    "nemotron_h": {"mamba_num_heads": 4, "mamba_head_dim": 16, "ssm_state_size": 8, "n_groups": 1},
    "jamba": {"attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 8},
    "dots1": {"num_experts_per_tok": 2, "n_shared_experts": 1, "n_group": 1, "topk_group": 1},
    "prophetnet": {"num_hidden_layers": UNSET},
    "zaya": {"num_experts_per_tok": 1},
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "conv"]},
    "xlnet": {"max_position_embeddings": UNSET},
    "reformer": {"is_decoder": True, "axial_pos_embds_dim": [16, 16], "axial_pos_shape": [16, 16]},
    "xmod": {"languages": ["en"], "default_language": "en", **_PADS},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid", "linear_attention"]},
    "kimi_linear": {**_MLA, "layer_types": _LINEAR["layer_types"], "linear_num_heads": 4},
    "bailing_hybrid": {"layer_types": _LINEAR["layer_types"], "linear_num_heads": 4, **_MLA},
    "gemma3n_text": {"num_kv_shared_layers": 0, "vocab_size_per_layer_input": VOCABULARY},
    "gemma4_text": {"vocab_size_per_layer_input": VOCABULARY, "num_kv_shared_layers": 0},
    "roc_bert": {"pronunciation_vocab_size": 20, "shape_vocab_size": 20},
    "bamba": {**_MAMBA, "attn_layer_indices": [1]},
    "granitemoehybrid": {**_MAMBA, "layer_types": ["mamba", "attention", "mamba"]},
    "falcon_h1": {**_MAMBA, "mamba_d_ssm": 64},
    "axk1": {**_MLA, "head_dim": UNSET},
}
_VISION = {"model_type": "siglip_vision_model", "image_size": 28, "patch_size": 14}
_VISION |= {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
# Of models with several modalities, what stands beside the language model's own sizes.
BESIDE = {
    "gemma3": {
        "vision_config": {**_VISION, "num_attention_heads": 2},
        "mm_tokens_per_image": 4,
        "image_token_index": VOCABULARY - 1,
    },
}


def build(kind: str, dtype: torch.dtype):
    """The model in evaluation mode. Raises whatever transformers does where it cannot be made."""
    text = dimensions.text_config(AutoConfig.for_model(kind))
    sizes = {name: size for name, size in SIZES.items() if _has(text, name)} | CHANGES.get(kind, {})
    sizes = {name: size for name, size in sizes.items() if size is not UNSET}
    whole = AutoConfig.for_model(kind)
    inner = [name for name in dimensions.TEXT if type(getattr(whole, name, None)) is type(text)]
    sizes = {inner[0]: sizes, **BESIDE.get(kind, {})} if inner else sizes
    config = AutoConfig.for_model(kind, **sizes)
    with torch.device("meta"):
        weights = sum(w.numel() for w in AutoModelForCausalLM.from_config(config).parameters())
    if weights > LARGEST:
        raise ValueError("other parts of it stay large")
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config)
    model.config.dtype = dtype
    return model.to(dtype).eval().requires_grad_(False)


def _has(config, name: str) -> bool:
    """Whether a configuration has a value of this name, one for all layers."""
    try:
        return hasattr(config, name)
    except RuntimeError:  # of a value that differs between layers
        return False
