"""The tensors of architectures with experts, stacked as MLX-LM holds them.

Written after the modules of MLX-LM 0.32.2; a conformance test builds each of them and compares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.intake.network.layout_slots import Dims, Slot, attention, ends, gated_experts, gated_mlp, linear, norm
from ostiary.intake.read_json import JsonValue

_MIXTRAL_DEFAULTS: Final[Mapping[str, JsonValue]] = MappingProxyType(
    {
        "vocab_size": 32000,
        "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "num_key_value_heads": 8,
        "num_local_experts": 8,
    }
)
_DEEPSEEK_DEFAULTS: Final[Mapping[str, JsonValue]] = MappingProxyType(
    {
        "vocab_size": 102400,
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "moe_intermediate_size": 1407,
        "num_hidden_layers": 30,
        "num_attention_heads": 32,
        "kv_lora_rank": 512,
        "q_lora_rank": 1536,
        "qk_rope_head_dim": 64,
        "v_head_dim": 128,
        "qk_nope_head_dim": 128,
        "moe_layer_freq": 1,
        "first_k_dense_replace": 0,
    }
)


def mixtral(dims: Dims) -> Iterator[Slot]:
    dims = Dims({**_MIXTRAL_DEFAULTS, **dims.values}, dims.present)
    experts = dims.need("num_local_experts")
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings"))
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.shared_head_dim)
        yield from linear(f"{path}.block_sparse_moe.gate", experts, dims.hidden)
        yield from gated_experts(f"{path}.block_sparse_moe.switch_mlp", experts, dims.hidden, dims.inner)
        yield from _two_norms(path, dims.hidden)


def qwen2_moe(dims: Dims) -> Iterator[Slot]:
    experts = dims.need("num_experts")
    yield from ends(dims, tied=False)
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.shared_head_dim, bias=True)
        yield from linear(f"{path}.mlp.gate", experts, dims.hidden)
        yield from gated_experts(f"{path}.mlp.switch_mlp", experts, dims.hidden, dims.need("moe_intermediate_size"))
        yield from gated_mlp(f"{path}.mlp.shared_expert", dims.hidden, dims.need("shared_expert_intermediate_size"))
        yield from linear(f"{path}.mlp.shared_expert_gate", 1, dims.hidden)
        yield from _two_norms(path, dims.hidden)


def qwen3_moe(dims: Dims) -> Iterator[Slot]:
    experts, head_dim = dims.need("num_experts"), dims.need("head_dim")
    step, plain = dims.need("decoder_sparse_step"), dims.integers("mlp_only_layers")
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings"))
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, head_dim)
        yield from norm(f"{path}.self_attn.q_norm", head_dim)
        yield from norm(f"{path}.self_attn.k_norm", head_dim)
        if number not in plain and experts > 0 and step > 0 and (number + 1) % step == 0:
            yield from linear(f"{path}.mlp.gate", experts, dims.hidden)
            yield from gated_experts(
                f"{path}.mlp.switch_mlp", experts, dims.hidden, dims.need("moe_intermediate_size")
            )
        else:
            yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner)
        yield from _two_norms(path, dims.hidden)


def olmoe(dims: Dims) -> Iterator[Slot]:
    experts, bias = dims.need("num_experts"), dims.is_set("attention_bias")
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings", default=True))
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.head_dim, bias=bias, output_bias=bias)
        yield from norm(f"{path}.self_attn.q_norm", dims.heads * dims.head_dim)
        yield from norm(f"{path}.self_attn.k_norm", dims.kv_heads * dims.head_dim)
        yield from linear(f"{path}.mlp.gate", experts, dims.hidden)
        yield from gated_experts(
            f"{path}.mlp.switch_mlp", experts, dims.hidden, dims.inner, bias=dims.is_set("mlp_bias")
        )
        yield from _two_norms(path, dims.hidden)


def deepseek_v2(dims: Dims) -> Iterator[Slot]:
    return _deepseek(dims, splits_keys=False, has_correction=False)


def deepseek_v3(dims: Dims) -> Iterator[Slot]:
    return _deepseek(dims, splits_keys=True, has_correction=True)


def _deepseek(dims: Dims, *, splits_keys: bool, has_correction: bool) -> Iterator[Slot]:
    dims = Dims({**_DEEPSEEK_DEFAULTS, **dims.values}, dims.present)
    yield from ends(dims, tied=False)
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from _latent_attention(f"{path}.self_attn", dims, splits_keys=splits_keys)
        yield from _deepseek_mlp(f"{path}.mlp", dims, number, has_correction=has_correction)
        yield from _two_norms(path, dims.hidden)


def _latent_attention(path: str, dims: Dims, *, splits_keys: bool) -> Iterator[Slot]:
    hidden, heads, bias = dims.hidden, dims.heads, dims.is_set("attention_bias")
    rope, nope, value = dims.need("qk_rope_head_dim"), dims.need("qk_nope_head_dim"), dims.need("v_head_dim")
    latent, query = dims.need("kv_lora_rank"), dims.get("q_lora_rank")
    if query is None:
        yield from linear(f"{path}.q_proj", heads * (nope + rope), hidden)
    else:
        yield from linear(f"{path}.q_a_proj", query, hidden, bias=bias)
        yield from norm(f"{path}.q_a_layernorm", query)
        yield from linear(f"{path}.q_b_proj", heads * (nope + rope), query)
    yield from linear(f"{path}.kv_a_proj_with_mqa", latent + rope, hidden, bias=bias)
    yield from norm(f"{path}.kv_a_layernorm", latent)
    # Published checkpoints hold keys and values joined; MLX-LM splits them while loading.
    if not splits_keys or f"{path}.kv_b_proj.weight" in dims.present:
        yield from linear(f"{path}.kv_b_proj", heads * (nope + value), latent)
    else:
        yield Slot(f"{path}.embed_q.weight", (heads, latent, nope), is_packable=True)
        yield Slot(f"{path}.unembed_out.weight", (heads, value, latent), is_packable=True)
    yield from linear(f"{path}.o_proj", hidden, heads * value, bias=bias)


def _deepseek_mlp(path: str, dims: Dims, number: int, *, has_correction: bool) -> Iterator[Slot]:
    experts, step = dims.get("n_routed_experts"), dims.need("moe_layer_freq")
    if experts is None or number < dims.need("first_k_dense_replace") or step < 1 or number % step != 0:
        yield from gated_mlp(path, dims.hidden, dims.inner)
        return
    inner = dims.need("moe_intermediate_size")
    yield from gated_experts(f"{path}.switch_mlp", experts, dims.hidden, inner)
    yield Slot(f"{path}.gate.weight", (experts, dims.hidden))
    if has_correction:
        yield Slot(f"{path}.gate.e_score_correction_bias", (experts,))
    shared = dims.get("n_shared_experts")
    if shared is not None:
        yield from gated_mlp(f"{path}.shared_experts", dims.hidden, inner * shared)


def _two_norms(path: str, width: int) -> Iterator[Slot]:
    yield from norm(f"{path}.input_layernorm", width)
    yield from norm(f"{path}.post_attention_layernorm", width)
