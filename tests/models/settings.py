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

_WINDOWS = {
    "sliding_window": 24,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}
_HYBRID = {
    **_EXPERTS,
    "linear_num_value_heads": 4,
    "linear_num_key_heads": 2,
    "linear_key_head_dim": 16,
    "linear_value_head_dim": 16,
    "linear_conv_kernel_dim": 4,
    "decoder_sparse_step": 1,
    "shared_expert_intermediate_size": 32,
    "mlp_only_layers": [],
    "partial_rotary_factor": 0.5,
    "head_dim": 16,
    "full_attention_interval": 3,
}
_STATES = {
    **_GRANITE,
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "shared_intermediate_size": 32,
    "mamba_n_heads": 4,
    "mamba_d_head": 16,
    "mamba_d_state": 16,
    "mamba_d_conv": 4,
    "mamba_n_groups": 1,
    "mamba_proj_bias": False,
    "mamba_conv_bias": True,
    "mamba_expand": 1,
    "layer_types": ["mamba", "attention", "mamba"],
    "position_embedding_type": "rope",
}
_LFM2 = {
    "norm_eps": 1e-5,
    "conv_bias": False,
    "conv_L_cache": 3,
    "block_dim": 64,
    "block_multiple_of": 16,
    "block_ffn_dim_multiplier": 1.0,
    "block_auto_adjust_ff_dim": False,
    "full_attn_idxs": [1],
    "block_ff_dim": 96,
}
_LONGROPE = {
    "type": "longrope",
    "long_mscale": 1.2,
    "short_mscale": 1.2,
    "long_factor": [1.0] * 8,
    "short_factor": [1.0] * 8,
    "original_max_position_embeddings": 256,
}
_YARN = {"rope_type": "yarn", "factor": 2.0, "original_max_position_embeddings": 256}
_SHARED = {"n_routed_experts": 4, "n_shared_experts": 1, "first_k_dense_replace": 1}
_GROUPED = {"n_group": 1, "topk_group": 1, "routed_scaling_factor": 1.5}
_GLM4_MOE = {
    **_EXPERTS,
    **_SHARED,
    **_GROUPED,
    "head_dim": 16,
    "rope_scaling": None,
    "use_qk_norm": True,
    "tie_word_embeddings": False,
    "attention_bias": True,
    "partial_rotary_factor": 0.5,
}

NETWORKS: Final[Mapping[str, tuple[str, Mapping[str, Any]]]] = {
    "apertus": (
        "apertus",
        {
            "mlp_bias": False,
            "attention_bias": False,
            "post_norm": False,
            "qk_norm": True,
            "tie_word_embeddings": False,
        },
    ),
    "cohere": ("cohere", {"use_qk_norm": True, "layer_norm_bias": True}),
    "cohere2": ("cohere2", {"head_dim": 16, "sliding_window": 24, "num_hidden_layers": 4}),
    "deepseek": ("deepseek", {**_EXPERTS, **_SHARED}),
    "deepseek_v2": ("deepseek_v2", _DEEPSEEK),
    "deepseek_v3": ("deepseek_v3", _DEEPSEEK),
    "dots1": ("dots1", {**_EXPERTS, **_SHARED, "routed_scaling_factor": 1.5, "scoring_func": "noaux_tc"}),
    "ernie4_5": ("ernie4_5", {"head_dim": 16, "use_bias": False, "tie_word_embeddings": True}),
    "exaone": ("exaone", {"num_layers": 3, "layer_norm_epsilon": 1e-5}),
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
    "gemma3": (
        "gemma3",
        {
            "text_config": {
                **BASE,
                "model_type": "gemma3_text",
                "head_dim": 32,
                "sliding_window": 24,
                "sliding_window_pattern": 3,
            },
        },
    ),
    "gemma3_text": ("gemma3_text", {"head_dim": 32, "sliding_window": 24, "sliding_window_pattern": 3}),
    "glm": ("glm", {"head_dim": 16}),
    "glm4": ("glm4", {"attention_bias": True, "head_dim": 16, "partial_rotary_factor": 0.5}),
    "glm4_moe": ("glm4_moe", _GLM4_MOE),
    "gpt2": ("gpt2", _GPT2),
    "gpt_neox": ("gpt_neox", {"rotary_emb_base": 10000, "rotary_pct": 0.25}),
    "gpt_oss": (
        "gpt_oss",
        {**_WINDOWS, "num_local_experts": 4, "num_experts_per_tok": 2, "head_dim": 16, "rope_scaling": _YARN},
    ),
    "granite": ("granite", _GRANITE),
    "granitemoe": ("granitemoe", {**_GRANITE, "num_local_experts": 4, "num_experts_per_tok": 2}),
    "granitemoehybrid": ("granitemoehybrid", _STATES),
    "helium": ("helium", {"attention_bias": False, "mlp_bias": False, "head_dim": 16, "tie_word_embeddings": True}),
    "hunyuan_v1_dense": (
        "hunyuan_v1_dense",
        {
            "head_dim": 16,
            "tie_word_embeddings": True,
            "rope_scaling": {"alpha": 1000.0, "factor": 1.0, "type": "dynamic"},
        },
    ),
    "internlm2": ("internlm2", {}),
    "internlm3": ("internlm3", {"qkv_bias": True}),
    "lfm2": ("lfm2", _LFM2),
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
    "mimo": ("mimo", {"num_nextn_predict_layers": 1}),
    "minicpm": ("minicpm", {"dim_model_base": 32, "scale_depth": 1.4, "scale_emb": 2.0}),
    "mistral": ("mistral", {"tie_word_embeddings": False}),
    "mistral3": ("mistral3", {"text_config": {**BASE, "model_type": "llama", "tie_word_embeddings": False}}),
    "ministral3": ("ministral3", _MINISTRAL),
    "mixtral": ("mixtral", {"num_local_experts": 4, "num_experts_per_tok": 2}),
    "nemotron": ("nemotron", {"hidden_act": "relu2", "norm_eps": 1e-5}),
    "olmo2": ("olmo2", {"tie_word_embeddings": False}),
    "olmo3": ("olmo3", {**_WINDOWS, "tie_word_embeddings": False}),
    "olmoe": ("olmoe", _EXPERTS),
    "phi": ("phi", {}),
    "phi3": ("phi3", {}),
    "phimoe": (
        "phimoe",
        {
            "num_local_experts": 4,
            "num_experts_per_tok": 2,
            "original_max_position_embeddings": 256,
            "rope_scaling": _LONGROPE,
        },
    ),
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
    "qwen3_next": ("qwen3_next", _HYBRID),
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
