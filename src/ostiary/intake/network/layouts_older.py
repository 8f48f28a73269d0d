"""The tensors of architectures that name or join their parts in their own way.

Written after the modules of MLX-LM 0.32.2; a conformance test builds each of them and compares.
"""

from __future__ import annotations

from collections.abc import Iterator

from ostiary.intake.network.layout_slots import Dims, Slot, embedding, linear, norm


def phi(dims: Dims) -> Iterator[Slot]:
    defaults = {
        "vocab_size": 51200,
        "hidden_size": 2560,
        "num_attention_heads": 32,
        "num_hidden_layers": 32,
        "intermediate_size": 10240,
    }
    # A null stands for "as many as query heads" here, where leaving it out means 32.
    dims = Dims({**defaults, "num_key_value_heads": 32, **dims.values}, dims.present)
    hidden, head_dim = dims.hidden, dims.shared_head_dim
    yield embedding("model.embed_tokens", dims.need("vocab_size"), hidden)
    yield from norm("model.final_layernorm", hidden, bias=True)
    yield from linear("lm_head", dims.need("vocab_size"), hidden, bias=True)
    for number in dims.layers:
        path = f"model.layers.{number}"
        yield from linear(f"{path}.self_attn.q_proj", dims.heads * head_dim, hidden, bias=True)
        yield from linear(f"{path}.self_attn.k_proj", dims.kv_heads * head_dim, hidden, bias=True)
        yield from linear(f"{path}.self_attn.v_proj", dims.kv_heads * head_dim, hidden, bias=True)
        yield from linear(f"{path}.self_attn.dense", hidden, dims.heads * head_dim, bias=True)
        yield from linear(f"{path}.mlp.fc1", dims.inner, hidden, bias=True)
        yield from linear(f"{path}.mlp.fc2", hidden, dims.inner, bias=True)
        yield from norm(f"{path}.input_layernorm", hidden, bias=True)


def internlm2(dims: Dims) -> Iterator[Slot]:
    hidden, head_dim = dims.hidden, dims.shared_head_dim
    bias = dims.is_set("bias", default=True)
    yield embedding("model.tok_embeddings", dims.need("vocab_size"), hidden)
    yield from norm("model.norm", hidden)
    if not dims.is_set("tie_word_embeddings"):
        yield from linear("output", dims.need("vocab_size"), hidden)
    for number in dims.layers:
        path = f"model.layers.{number}"
        joined = (dims.heads + 2 * dims.kv_heads) * head_dim
        yield from linear(f"{path}.attention.wqkv", joined, hidden, bias=bias)
        yield from linear(f"{path}.attention.wo", hidden, dims.heads * head_dim, bias=bias)
        yield from linear(f"{path}.feed_forward.w1", dims.inner, hidden)
        yield from linear(f"{path}.feed_forward.w2", hidden, dims.inner)
        yield from linear(f"{path}.feed_forward.w3", dims.inner, hidden)
        yield from norm(f"{path}.attention_norm", hidden)
        yield from norm(f"{path}.ffn_norm", hidden)


def gpt_neox(dims: Dims) -> Iterator[Slot]:
    hidden = dims.hidden
    yield embedding("model.embed_in", dims.need("vocab_size"), hidden)
    yield from linear("model.embed_out", dims.need("vocab_size"), hidden)
    yield from norm("model.final_layer_norm", hidden, bias=True)
    for number in dims.layers:
        path = f"model.h.{number}"
        yield from linear(f"{path}.attention.query_key_value", 3 * hidden, hidden, bias=True)
        yield from linear(f"{path}.attention.dense", hidden, hidden, bias=True)
        yield from linear(f"{path}.mlp.dense_h_to_4h", 4 * hidden, hidden, bias=True)
        yield from linear(f"{path}.mlp.dense_4h_to_h", hidden, 4 * hidden, bias=True)
        yield from norm(f"{path}.input_layernorm", hidden, bias=True)
        yield from norm(f"{path}.post_attention_layernorm", hidden, bias=True)


def gpt2(dims: Dims) -> Iterator[Slot]:
    width = dims.need("n_embd")
    yield embedding("model.wte", dims.need("vocab_size"), width)
    yield embedding("model.wpe", dims.need("n_positions"), width)
    yield from norm("model.ln_f", width, bias=True)
    for number in range(dims.need("n_layer")):
        path = f"model.h.{number}"
        yield from linear(f"{path}.attn.c_attn", 3 * width, width, bias=True)
        yield from linear(f"{path}.attn.c_proj", width, width, bias=True)
        yield from linear(f"{path}.mlp.c_fc", 4 * width, width, bias=True)
        yield from linear(f"{path}.mlp.c_proj", width, 4 * width, bias=True)
        yield from norm(f"{path}.ln_1", width, bias=True)
        yield from norm(f"{path}.ln_2", width, bias=True)
