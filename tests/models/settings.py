"""Configurations of small networks, one or more for each architecture that the language engine runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

BASE: Final[Mapping[str, Any]] = {
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "intermediate_size": 96,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "layer_norm_eps": 1e-5,
    "vocab_size": 320,
    "rope_theta": 10000.0,
    "max_position_embeddings": 512,
}
_EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 32, "norm_topk_prob": True}
_DEEPSEEK = {
    "moe_intermediate_size": 32,
    "n_routed_experts": 4,
    "n_shared_experts": 2,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "num_key_value_heads": 4,
    "q_lora_rank": 32,
    "kv_lora_rank": 32,
    "qk_rope_head_dim": 16,
    "qk_nope_head_dim": 32,
    "v_head_dim": 32,
    "rope_scaling": {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 256},
}
_GRANITE = {
    "logits_scaling": 1.0,
    "attention_multiplier": 0.25,
    "embedding_multiplier": 1.0,
    "residual_multiplier": 1.0,
    "attention_bias": False,
    "mlp_bias": False,
}
_GPT2 = {
    "n_ctx": 512,
    "n_embd": 64,
    "n_head": 4,
    "n_layer": 3,
    "n_positions": 512,
    "layer_norm_epsilon": 1e-5,
}
_MINISTRAL = {
    "rope_parameters": {
        "rope_theta": 1e4,
        "rope_type": "default",
        "llama_4_scaling_beta": 0.1,
        "original_max_position_embeddings": 256,
    }
}

NETWORKS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "cohere": ("cohere", {"use_qk_norm": True, "layer_norm_bias": True}),
    "cohere2": ("cohere2", {"head_dim": 16, "sliding_window": 24, "num_hidden_layers": 4}),
    "deepseek_v2": ("deepseek_v2", _DEEPSEEK),
    "deepseek_v3": ("deepseek_v3", _DEEPSEEK),
    "exaone4": (
        "exaone4",
        {
            "head_dim": 16,
            "tie_word_embeddings": False,
            "rope_scaling": None,
            "sliding_window": 24,
            "sliding_window_pattern": "LLG",
        },
    ),
    "gemma": ("gemma", {"head_dim": 32}),
    "gemma2": ("gemma2", {"head_dim": 32}),
    "gemma3_text": ("gemma3_text", {"head_dim": 32, "sliding_window": 24, "sliding_window_pattern": 3}),
    "glm4": ("glm4", {"attention_bias": True, "head_dim": 16, "partial_rotary_factor": 0.5}),
    "gpt2": ("gpt2", _GPT2),
    "gpt_neox": ("gpt_neox", {"rotary_emb_base": 10000, "rotary_pct": 0.25}),
    "granite": ("granite", _GRANITE),
    "helium": ("helium", {"attention_bias": False, "mlp_bias": False, "head_dim": 16, "tie_word_embeddings": True}),
    "internlm2": ("internlm2", {}),
    "llama": ("llama", {}),
    "llama-untied": (
        "llama",
        {"tie_word_embeddings": False, "attention_bias": True, "mlp_bias": True, "head_dim": 32},
    ),
    "llama-windows": (
        "llama",
        {
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "sliding_window": 24,
            "rope_scaling": {
                "rope_type": "llama3",
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 64,
            },
        },
    ),
    "mistral": ("mistral", {"tie_word_embeddings": False}),
    "ministral3": ("ministral3", _MINISTRAL),
    "mixtral": ("mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "olmo2": ("olmo2", {"tie_word_embeddings": False}),
    "olmoe": ("olmoe", _EXPERTS),
    "phi": ("phi", {}),
    "phi3": ("phi3", {}),
    "qwen2": ("qwen2", {}),
    "qwen2_moe": ("qwen2_moe", {**_EXPERTS, "shared_expert_intermediate_size": 64}),
    "qwen3": ("qwen3", {"head_dim": 32, "tie_word_embeddings": True}),
    "qwen3_moe": (
        "qwen3_moe",
        {
            **_EXPERTS,
            "head_dim": 16,
            "decoder_sparse_step": 1,
            "mlp_only_layers": [0],
            "tie_word_embeddings": False,
        },
    ),
    "seed_oss": (
        "seed_oss",
        {"head_dim": 16, "attention_bias": True, "attention_out_bias": True, "tie_word_embeddings": False},
    ),
    "smollm3": ("smollm3", {}),
    "stablelm": ("stablelm", {"use_qkv_bias": True, "partial_rotary_factor": 0.25}),
    "starcoder2": ("starcoder2", {}),
}
"""Name to model type and to what differs from BASE."""


def config_of(name: str) -> dict[str, Any]:
    model_type, own = NETWORKS[name]
    return {**BASE, **own, "model_type": model_type, "eos_token_id": 257, "bos_token_id": 256}
