# ruff: noqa: E402 (the judges are imported once it is known that they are there)
"""What a cache is said to cost is what MLX-LM's own caches hold after a prompt."""

from __future__ import annotations

import json
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")
pytest.importorskip("mlx_lm")

from mlx.utils import tree_flatten
from mlx_lm.models.cache import make_prompt_cache
from mlx_lm.utils import _get_classes

from ostiary.intake.network.memory import _CACHES, estimate_memory
from ostiary.intake.network.read_config import parse_config
from ostiary.intake.weights.tensor import Tensor

pytestmark = pytest.mark.mlx

TOKENS = 256
BASE: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 4,
    "intermediate_size": 192,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "layer_norm_eps": 1e-5,
    "vocab_size": 96,
    "rope_theta": 10000.0,
    "max_position_embeddings": TOKENS,
}
DEEPSEEK: dict[str, Any] = {
    "num_key_value_heads": 4,
    "q_lora_rank": 64,
    "kv_lora_rank": 48,
    "qk_rope_head_dim": 32,
    "qk_nope_head_dim": 64,
    "v_head_dim": 40,
    "rope_scaling": {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 32},
}
WINDOW = {"sliding_window": 64}
SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("llama", {}),
    ("llama", {**WINDOW, "head_dim": 16, "layer_types": ["sliding_attention", "full_attention"] * 2}),
    ("mistral", WINDOW),
    ("qwen3", {"head_dim": 48, "tie_word_embeddings": True}),
    ("gemma3_text", {**WINDOW, "head_dim": 64, "sliding_window_pattern": 3}),
    ("cohere2", {**WINDOW, "head_dim": 32}),
    ("gpt_oss", {**WINDOW, "head_dim": 32, "num_local_experts": 2, "num_experts_per_tok": 1}),
    ("exaone4", {**WINDOW, "head_dim": 32, "tie_word_embeddings": True, "rope_scaling": None, "sliding_window_pattern": "LLG"}),
    ("gpt2", {"n_ctx": TOKENS, "n_embd": 128, "n_head": 4, "n_layer": 3, "n_positions": TOKENS, "layer_norm_epsilon": 1e-5, "num_key_value_heads": None}),
    ("phi", {}),
    ("deepseek_v2", DEEPSEEK),
    ("deepseek_v3", DEEPSEEK),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes"), SETTINGS, ids=[f"{n}-{i}" for i, (n, _) in enumerate(SETTINGS)])
def test_a_full_context_costs_what_was_said(name: str, changes: dict[str, Any]) -> None:
    values = {"model_type": name, **BASE, **changes}
    if name == "gpt2":
        values = {
            k: v for k, v in values.items() if k not in BASE or k in ("vocab_size", "max_position_embeddings")
        }
    model_class, args_class = _get_classes(values)
    model = model_class(args_class.from_dict(dict(values)))
    cache = make_prompt_cache(model)
    # A window is only cut once the prompt goes on, so the last part is given alone.
    for part in (TOKENS - 65, 64, 1):
        mx.eval(model(mx.ones((1, part), dtype=mx.int32), cache=cache))
    held = sum(array.nbytes for layer in cache for array in (layer.keys, layer.values))
    tensors = {n: Tensor(n, "F32", tuple(a.shape), 0, a.nbytes) for n, a in tree_flatten(model.parameters())}
    need = estimate_memory(parse_config(json.dumps(values).encode()), tensors)
    assert need.weight_bytes == sum(a.nbytes for _, a in tree_flatten(model.parameters()))
    assert need.cache_bytes_at_context is not None
    assert held == need.cache_bytes_at_context


def test_every_cache_is_of_a_known_architecture() -> None:
    from ostiary.intake.network.architectures import ARCHITECTURES

    assert set(_CACHES) <= ARCHITECTURES
