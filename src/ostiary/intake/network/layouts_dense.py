"""The tensors of the architectures in which every layer has one feed-forward part.

Written after the modules of MLX-LM 0.32.2; a conformance test builds each of them and compares.
"""

from __future__ import annotations

from collections.abc import Iterator

from ostiary.intake.network.layout_slots import Dims, Slot, attention, ends, gated_mlp, linear, norm

_TWO_NORMS = ("input_layernorm", "post_attention_layernorm")
_FOUR_NORMS = (*_TWO_NORMS, "pre_feedforward_layernorm", "post_feedforward_layernorm")
_LATE_NORMS = ("post_attention_layernorm", "post_feedforward_layernorm")


def _norms(path: str, names: tuple[str, ...], width: int, *, bias: bool = False) -> Iterator[Slot]:
    for name in names:
        yield from norm(f"{path}.{name}", width, bias=bias)


def llama(dims: Dims) -> Iterator[Slot]:
    bias = dims.is_set("attention_bias")
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings", default=True))
    # MLX-LM builds one layer per entry of layer_types where that list is given.
    kinds = dims.values.get("layer_types")
    for number in range(len(kinds)) if isinstance(kinds, list) else dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.head_dim, bias=bias, output_bias=bias)
        yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner, bias=dims.is_set("mlp_bias"))
        yield from _norms(path, _TWO_NORMS, dims.hidden)


def ministral3(dims: Dims) -> Iterator[Slot]:
    plain = {**dims.values, "attention_bias": False, "mlp_bias": False}
    return llama(Dims(plain, dims.present))


def qwen2(dims: Dims) -> Iterator[Slot]:
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings", default=True))
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.shared_head_dim, bias=True)
        yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner)
        yield from _norms(path, _TWO_NORMS, dims.hidden)


def qwen3(dims: Dims) -> Iterator[Slot]:
    head_dim = dims.need("head_dim")
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings"))
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, head_dim)
        yield from _norms(f"{path}.self_attn", ("q_norm", "k_norm"), head_dim)
        yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner)
        yield from _norms(path, _TWO_NORMS, dims.hidden)


def gemma(dims: Dims) -> Iterator[Slot]:
    return _gemma(dims, dims.need("head_dim"), _TWO_NORMS)


def gemma2(dims: Dims) -> Iterator[Slot]:
    return _gemma(dims, dims.need("head_dim"), _FOUR_NORMS)


def gemma3_text(dims: Dims) -> Iterator[Slot]:
    defaults = {
        "hidden_size": 1152,
        "num_hidden_layers": 26,
        "intermediate_size": 6912,
        "num_attention_heads": 4,
        "head_dim": 256,
        "vocab_size": 262144,
        "num_key_value_heads": 1,
    }
    said = {name: value for name, value in dims.values.items() if value is not None}
    dims = Dims({**defaults, **said}, dims.present)
    yield from _gemma(dims, dims.head_dim, _FOUR_NORMS)
    for number in dims.layers:
        yield from _norms(f"model.layers.{number}.self_attn", ("q_norm", "k_norm"), dims.head_dim)
    if "lm_head.weight" in dims.present:
        yield from linear("lm_head", dims.need("vocab_size"), dims.hidden)


def _gemma(dims: Dims, head_dim: int, norms: tuple[str, ...]) -> Iterator[Slot]:
    yield from ends(dims, tied=True)
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, head_dim)
        yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner)
        yield from _norms(path, norms, dims.hidden)


def olmo2(dims: Dims) -> Iterator[Slot]:
    bias = dims.is_set("attention_bias")
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings", default=True))
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.head_dim, bias=bias, output_bias=bias)
        yield from norm(f"{path}.self_attn.q_norm", dims.heads * dims.head_dim)
        yield from norm(f"{path}.self_attn.k_norm", dims.kv_heads * dims.head_dim)
        yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner, bias=dims.is_set("mlp_bias"))
        yield from _norms(path, _LATE_NORMS, dims.hidden)


def exaone4(dims: Dims) -> Iterator[Slot]:
    head_dim = dims.need("head_dim")
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings"))
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, head_dim)
        yield from _norms(f"{path}.self_attn", ("q_norm", "k_norm"), head_dim)
        yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner)
        yield from _norms(path, _LATE_NORMS, dims.hidden)


def granite(dims: Dims) -> Iterator[Slot]:
    bias = dims.is_set("attention_bias")
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings", default=True))
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.shared_head_dim, bias=bias, output_bias=bias)
        yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner, bias=dims.is_set("mlp_bias"))
        yield from _norms(path, _TWO_NORMS, dims.hidden)


def seed_oss(dims: Dims) -> Iterator[Slot]:
    bias, output_bias = dims.is_set("attention_bias"), dims.is_set("attention_out_bias")
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings", default=True))
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.need("head_dim"), bias=bias, output_bias=output_bias)
        yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner, bias=dims.is_set("mlp_bias"))
        yield from _norms(path, _TWO_NORMS, dims.hidden)


def helium(dims: Dims) -> Iterator[Slot]:
    # The head is built also where the embeddings are said to be tied.
    yield from ends(dims, tied=False)
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.shared_head_dim, bias=dims.is_set("attention_bias"))
        yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner, bias=dims.is_set("mlp_bias"))
        yield from _norms(path, _TWO_NORMS, dims.hidden)


def glm4(dims: Dims) -> Iterator[Slot]:
    yield from ends(dims, tied=False)
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.need("head_dim"), bias=dims.is_set("attention_bias"))
        yield from linear(f"{path}.mlp.gate_up_proj", 2 * dims.inner, dims.hidden)
        yield from linear(f"{path}.mlp.down_proj", dims.hidden, dims.inner)
        yield from _norms(path, (*_TWO_NORMS, "post_self_attn_layernorm", "post_mlp_layernorm"), dims.hidden)


def cohere(dims: Dims) -> Iterator[Slot]:
    yield from _cohere(dims, dims.shared_head_dim)
    if dims.is_set("use_qk_norm"):
        for number in dims.layers:
            path = f"model.layers.{number}.self_attn"
            yield Slot(f"{path}.q_norm.weight", (dims.heads, dims.shared_head_dim))
            yield Slot(f"{path}.k_norm.weight", (dims.kv_heads, dims.shared_head_dim))


def cohere2(dims: Dims) -> Iterator[Slot]:
    return _cohere(dims, dims.get_or("head_dim", 128))


def _cohere(dims: Dims, head_dim: int) -> Iterator[Slot]:
    bias, norm_bias = dims.is_set("attention_bias"), dims.is_set("layer_norm_bias")
    yield from ends(dims, tied=True, norm_bias=norm_bias)
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, head_dim, bias=bias, output_bias=bias)
        yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner)
        yield from norm(f"{path}.input_layernorm", dims.hidden, bias=norm_bias)


def starcoder2(dims: Dims) -> Iterator[Slot]:
    dims = Dims({"vocab_size": 49152, **dims.values}, dims.present)
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings", default=True), norm_bias=True)
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.shared_head_dim, bias=True, output_bias=True)
        yield from linear(f"{path}.mlp.c_fc", dims.inner, dims.hidden, bias=True)
        yield from linear(f"{path}.mlp.c_proj", dims.hidden, dims.inner, bias=True)
        yield from _norms(path, _TWO_NORMS, dims.hidden, bias=True)


def stablelm(dims: Dims) -> Iterator[Slot]:
    norms = ("input_layernorm",) if dims.is_set("use_parallel_residual") else _TWO_NORMS
    yield from ends(dims, tied=False, norm_bias=True)
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from attention(f"{path}.self_attn", dims, dims.shared_head_dim, bias=dims.is_set("use_qkv_bias"))
        yield from gated_mlp(f"{path}.mlp", dims.hidden, dims.inner)
        yield from _norms(path, norms, dims.hidden, bias=True)
        if dims.is_set("qk_layernorm"):
            for name, heads in (("q", dims.heads), ("k", dims.kv_heads)):
                for head in range(heads):
                    yield from norm(f"{path}.self_attn.{name}_layernorm.norms.{head}", dims.shared_head_dim)


def phi3(dims: Dims) -> Iterator[Slot]:
    head_dim = dims.shared_head_dim
    queries = dims.heads * head_dim
    yield from ends(dims, tied=dims.is_set("tie_word_embeddings"))
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from linear(f"{path}.self_attn.qkv_proj", queries + 2 * dims.kv_heads * head_dim, dims.hidden)
        yield from linear(f"{path}.self_attn.o_proj", dims.hidden, queries)
        yield from linear(f"{path}.mlp.gate_up_proj", 2 * dims.inner, dims.hidden)
        yield from linear(f"{path}.mlp.down_proj", dims.hidden, dims.inner)
        yield from _norms(path, _TWO_NORMS, dims.hidden)
