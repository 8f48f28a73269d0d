"""Memory from configuration and tensors. The caches are held against MLX-LM's in tests/conformance/test_memory.py."""

from __future__ import annotations

import json

import pytest

from ostiary.intake.network.memory import MemoryNeed, estimate_memory
from ostiary.intake.network.read_config import parse_config
from ostiary.intake.weights.tensor import Tensor

BASE: dict[str, object] = {
    "hidden_size": 64,
    "num_hidden_layers": 6,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 1000,
}


def tensors(*dtypes: str) -> dict[str, Tensor]:
    return {str(number): Tensor(str(number), dtype, (1,), 0, 10) for number, dtype in enumerate(dtypes)}


def need(name: str, given: dict[str, Tensor] | None = None, /, **changes: object) -> MemoryNeed:
    config = parse_config(json.dumps({"model_type": name, **BASE, **changes}).encode())
    return estimate_memory(config, tensors("F16") if given is None else given)


def test_grouped_queries() -> None:
    per_token = 6 * 2 * 2 * 16 * 2
    assert need("llama") == MemoryNeed(10, per_token, per_token * 1024, 1000)
    assert need("llama", tensors("F32")).cache_bytes_per_token == 2 * per_token
    assert need("llama", head_dim=32).cache_bytes_per_token == 2 * per_token
    assert need("llama", num_key_value_heads=None).cache_bytes_per_token == 2 * per_token


@pytest.mark.parametrize(
    ("name", "changes", "whole", "windowed"),
    [
        ("llama", {"layer_types": ["sliding_attention"] * 5 + ["full_attention"]}, 1, 5),
        ("llama", {}, 6, 0),
        ("gemma3_text", {}, 1, 5),
        ("gemma3_text", {"sliding_window_pattern": 3}, 2, 4),
        ("cohere2", {}, 1, 5),
        ("gpt_oss", {}, 3, 3),
        ("exaone4", {"sliding_window_pattern": "LLG"}, 2, 4),
    ],
)
def test_sliding_windows(name: str, changes: dict[str, object], whole: int, windowed: int) -> None:
    result = need(name, **{"sliding_window": 100, **changes})
    assert result.cache_bytes_per_token == 6 * 128
    assert result.cache_bytes_at_context == 128 * (whole * 1024 + windowed * 100)


@pytest.mark.parametrize(("name", "numbers"), [("deepseek_v3", 40 + 8), ("deepseek_v2", 4 * (16 + 8 + 20))])
def test_latent_attention(name: str, numbers: int) -> None:
    sizes = {"kv_lora_rank": 40, "qk_rope_head_dim": 8, "qk_nope_head_dim": 16, "v_head_dim": 20}
    assert need(name, **sizes).cache_bytes_per_token == 6 * numbers * 2


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("mamba", {}),
        ("qwen3_next", {}),
        ("llama", {"num_attention_heads": None}),
        ("llama", {"num_hidden_layers": None}),
        ("llama", {"hidden_size": None}),
        ("gemma3", {"text_config": {}}),
        ("gemma3_text", {"sliding_window_pattern": 0}),
        ("deepseek_v2", {"num_attention_heads": None}),
        ("deepseek_v3", {"num_hidden_layers": None}),
    ],
)
def test_what_is_not_known_is_not_guessed(name: str, changes: dict[str, object]) -> None:
    assert need(name, **changes) == MemoryNeed(10, None, None, 1000)


def test_no_context() -> None:
    result = need("llama", max_position_embeddings=None)
    assert (result.context_tokens, result.cache_bytes_at_context) == (None, None)
    assert result.cache_bytes_per_token is not None


def test_the_dtype_of_most_float_tensors() -> None:
    assert need("llama", tensors("U32", "F32", "BF16", "BF16")) == need(
        "llama", tensors("U32", "F32", "F16", "F16")
    )
    assert need("llama", {}) == MemoryNeed(0, 768, 768 * 1024, 1000)
