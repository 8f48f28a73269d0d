# ruff: noqa: E402 (the judges are imported once it is known that they are there)
"""Our lists of tensors are those of MLX-LM's own networks, plain and quantized, before and after its clean-up."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

mx = pytest.importorskip("mlx.core")
nn = pytest.importorskip("mlx.nn")
pytest.importorskip("mlx_lm")

from mlx.utils import tree_flatten
from mlx_lm.utils import _get_classes

from ostiary.intake.network.layouts import LAYOUTS, check_layout
from ostiary.intake.network.read_config import parse_config
from ostiary.intake.weights.tensor import Tensor

pytestmark = pytest.mark.mlx

DTYPES = {mx.float32: "F32", mx.uint32: "U32", mx.uint8: "U8", mx.float16: "F16", mx.bfloat16: "BF16"}

BASE: dict[str, Any] = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "intermediate_size": 192,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "layer_norm_eps": 1e-5,
    "vocab_size": 96,
    "rope_theta": 10000.0,
    "max_position_embeddings": 64,
}
EXPERTS = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64, "norm_topk_prob": True}
DEEPSEEK = {
    "moe_intermediate_size": 64,
    "n_routed_experts": 4,
    "n_shared_experts": 2,
    "num_experts_per_tok": 2,
    "first_k_dense_replace": 1,
    "num_key_value_heads": 4,
    "q_lora_rank": 64,
    "kv_lora_rank": 64,
    "qk_rope_head_dim": 32,
    "qk_nope_head_dim": 64,
    "v_head_dim": 64,
    "rope_scaling": {"type": "yarn", "factor": 2.0, "original_max_position_embeddings": 32},
}
GRANITE = {
    "logits_scaling": 1.0,
    "attention_multiplier": 1.0,
    "embedding_multiplier": 1.0,
    "residual_multiplier": 1.0,
    "attention_bias": False,
    "mlp_bias": False,
}
GPT2 = {"n_ctx": 64, "n_embd": 128, "n_head": 4, "n_layer": 2, "n_positions": 64, "layer_norm_epsilon": 1e-5}
STABLELM = {"use_qkv_bias": True, "partial_rotary_factor": 0.25}
HELIUM = {"attention_bias": False, "mlp_bias": False, "head_dim": 32}
GLM4 = {"attention_bias": True, "head_dim": 32, "partial_rotary_factor": 0.5}
MINISTRAL = {
    "rope_parameters": {
        "rope_theta": 1e4,
        "rope_type": "default",
        "llama_4_scaling_beta": 0.1,
        "original_max_position_embeddings": 32,
    }
}

SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("cohere", {"use_qk_norm": True, "layer_norm_bias": True}),
    ("cohere", {"attention_bias": True}),
    ("cohere2", {"head_dim": 32}),
    ("deepseek_v2", DEEPSEEK),
    ("deepseek_v2", {**DEEPSEEK, "q_lora_rank": None, "n_shared_experts": None, "attention_bias": True}),
    ("deepseek_v3", DEEPSEEK),
    ("deepseek_v3", {**DEEPSEEK, "n_routed_experts": None}),
    ("kimi_k2", {**DEEPSEEK, "moe_layer_freq": 2, "num_hidden_layers": 4}),
    (
        "exaone4",
        {
            "head_dim": 32,
            "tie_word_embeddings": False,
            "rope_scaling": None,
            "sliding_window": None,
            "sliding_window_pattern": None,
        },
    ),
    ("gemma", {"head_dim": 64}),
    ("gemma2", {"head_dim": 64}),
    ("gemma3_text", {"head_dim": 64}),
    ("glm4", GLM4),
    ("gpt2", GPT2),
    ("gpt_neox", {"rotary_emb_base": 10000, "rotary_pct": 0.25}),
    ("granite", GRANITE),
    ("granite", {**GRANITE, "attention_bias": True, "mlp_bias": True, "tie_word_embeddings": False}),
    ("helium", {**HELIUM, "tie_word_embeddings": True}),
    ("helium", {**HELIUM, "tie_word_embeddings": False, "attention_bias": True, "mlp_bias": True}),
    ("internlm2", {}),
    ("internlm2", {"bias": False, "tie_word_embeddings": True}),
    ("llama", {}),
    ("llama", {"tie_word_embeddings": False, "attention_bias": True, "mlp_bias": True, "head_dim": 64}),
    ("llama", {"num_key_value_heads": None, "layer_types": ["full_attention"] * 3}),
    ("mistral", {"tie_word_embeddings": False}),
    ("ministral3", MINISTRAL),
    ("mixtral", {"num_local_experts": 4}),
    ("mixtral", {"num_local_experts": 4, "tie_word_embeddings": True}),
    ("olmo2", {"attention_bias": True, "mlp_bias": True}),
    ("olmo2", {"tie_word_embeddings": False}),
    ("olmoe", {**EXPERTS, "mlp_bias": True}),
    ("phi", {}),
    ("phi", {"num_key_value_heads": None}),
    ("phi3", {}),
    ("phi3", {"tie_word_embeddings": True}),
    ("qwen2", {}),
    ("qwen2", {"tie_word_embeddings": False}),
    ("qwen2_moe", {**EXPERTS, "shared_expert_intermediate_size": 128}),
    ("qwen3", {"head_dim": 64, "tie_word_embeddings": True}),
    ("qwen3", {"head_dim": 64, "tie_word_embeddings": False}),
    (
        "qwen3_moe",
        {**EXPERTS, "head_dim": 32, "decoder_sparse_step": 1, "mlp_only_layers": [0], "tie_word_embeddings": False},
    ),
    (
        "qwen3_moe",
        {**EXPERTS, "head_dim": 32, "decoder_sparse_step": 2, "mlp_only_layers": [], "tie_word_embeddings": True},
    ),
    ("seed_oss", {"head_dim": 32, "attention_bias": True, "attention_out_bias": True}),
    ("smollm3", {}),
    ("stablelm", STABLELM),
    ("stablelm", {**STABLELM, "qk_layernorm": True, "use_parallel_residual": True}),
    ("starcoder2", {}),
    ("starcoder2", {"tie_word_embeddings": False}),
]
IDS = [f"{name}-{number}" for number, (name, _) in enumerate(SETTINGS)]
MODES = [
    ("affine", 64, 4),
    ("affine", 32, 8),
    ("affine", 32, 3),
    ("mxfp4", 32, 4),
    ("nvfp4", 16, 4),
    ("mxfp8", 32, 8),
]


def settings(name: str, changes: dict[str, Any]) -> dict[str, Any]:
    return {"model_type": name, **BASE, **changes}


def build(values: dict[str, Any]) -> Any:
    model_class, args_class = _get_classes(values)
    return model_class(args_class.from_dict(values))


def tensors_of(model: Any) -> dict[str, Tensor]:
    return {
        name: Tensor(name, DTYPES[array.dtype], tuple(array.shape), 0, array.nbytes)
        for name, array in tree_flatten(model.parameters())
    }


def problems(values: dict[str, Any], tensors: dict[str, Tensor]) -> list[str]:
    verdict = check_layout(parse_config(json.dumps(values).encode()), tensors)
    assert verdict.is_checked
    return [f"{finding.rule.id}: {finding.detail}" for finding in verdict.findings]


def parameters_of(model: Any) -> int:
    return sum(array.size for _, array in tree_flatten(model.parameters()))


def test_every_listed_layout_is_compared() -> None:
    assert set(LAYOUTS) == {parse_config(json.dumps(settings(*s)).encode()).architecture for s in SETTINGS}


@pytest.mark.parametrize(("name", "changes"), SETTINGS, ids=IDS)
def test_plain(name: str, changes: dict[str, Any]) -> None:
    values = settings(name, changes)
    model = build(values)
    tensors = tensors_of(model)
    assert problems(values, tensors) == []
    verdict = check_layout(parse_config(json.dumps(values).encode()), tensors)
    assert verdict.parameters == parameters_of(model)
    assert verdict.embedding_rows == values["vocab_size"]


@pytest.mark.parametrize(("name", "changes"), SETTINGS, ids=IDS)
def test_each_tensor_is_needed_and_no_other(name: str, changes: dict[str, Any]) -> None:
    values = settings(name, changes)
    tensors = tensors_of(build(values))
    for missing in tensors:
        # Without its head, Gemma 3 looks up its own embeddings.
        if name == "gemma3_text" and missing == "lm_head.weight":
            continue
        rest = {n: t for n, t in tensors.items() if n != missing}
        assert any("missing" in p for p in problems(values, rest)), missing
    extra = Tensor("model.extra.weight", "F32", (2,), 0, 8)
    assert any("unexpected" in p for p in problems(values, {**tensors, extra.name: extra}))
    first = next(iter(tensors.values()))
    grown = Tensor(first.name, first.dtype, (first.shape[0] + 1, *first.shape[1:]), 0, 0)
    assert any("wrong-shape" in p for p in problems(values, {**tensors, first.name: grown}))


@pytest.mark.parametrize(("mode", "group_size", "bits"), MODES)
@pytest.mark.parametrize(("name", "changes"), SETTINGS, ids=IDS)
def test_quantized(name: str, changes: dict[str, Any], mode: str, group_size: int, bits: int) -> None:
    quantization = {"group_size": group_size, "bits": bits, "mode": mode}
    values = settings(name, {**changes, "quantization": quantization})
    model = build(values)
    parameters = parameters_of(model)

    def can_pack(_: str, module: Any) -> bool:
        return hasattr(module, "to_quantized") and module.weight.shape[-1] % group_size == 0

    nn.quantize(model, group_size, bits, mode=mode, class_predicate=can_pack)
    tensors = tensors_of(model)
    assert problems(values, tensors) == []
    assert check_layout(parse_config(json.dumps(values).encode()), tensors).parameters == parameters


@pytest.mark.parametrize("name", ["llama", "mixtral", "gemma2"])
def test_quantized_per_layer(name: str) -> None:
    changes = next(c for n, c in SETTINGS if n == name)
    plan: dict[str, Any] = {"group_size": 64, "bits": 4}
    values = settings(name, changes)
    model = build(values)

    def choose(path: str, module: Any) -> bool | dict[str, Any]:
        if not hasattr(module, "to_quantized"):
            return False
        if path.endswith("o_proj"):
            plan[path] = False
            return False
        if path.endswith("embed_tokens"):
            plan[path] = {"group_size": 32, "bits": 8}
            return {"group_size": 32, "bits": 8}
        return True

    nn.quantize(model, 64, 4, class_predicate=choose)
    assert problems({**values, "quantization": plan}, tensors_of(model)) == []
    swapped = {**plan, "model.embed_tokens": {"group_size": 64, "bits": 4}}
    assert any("bad-quantization" in p for p in problems({**values, "quantization": swapped}, tensors_of(model)))


def unstack(tensors: dict[str, Tensor], names: Callable[[str], str]) -> Iterator[Tensor]:
    for name, tensor in tensors.items():
        if ".switch_mlp." not in name:
            yield tensor
            continue
        for number in range(tensor.shape[0]):
            new = names(name).replace("switch_mlp", f"experts.{number}")
            yield Tensor(new, tensor.dtype, tensor.shape[1:], 0, 0)


@pytest.mark.parametrize("name", ["mixtral", "qwen2_moe", "qwen3_moe", "olmoe", "deepseek_v2", "deepseek_v3"])
def test_experts_as_transformers_writes_them(name: str) -> None:
    changes = next(c for n, c in SETTINGS if n == name)
    values = settings(name, {**changes, "mlp_bias": False})
    model = build(values)
    short = {"gate_proj": "w1", "down_proj": "w2", "up_proj": "w3"}

    def rename(path: str) -> str:
        if name == "mixtral":
            for long, letter in short.items():
                path = path.replace(long, letter)
        return path

    plain = {t.name: t for t in unstack(tensors_of(model), rename)}
    assert problems(values, plain) == []
    arrays = {n: mx.zeros(t.shape) for n, t in plain.items()}
    assert {n: a.shape for n, a in model.sanitize(arrays).items()} == {
        n: a.shape for n, a in tree_flatten(model.parameters())
    }
    one = next(n for n in plain if ".experts.1." in n)
    assert problems(values, {n: t for n, t in plain.items() if n != one})


def test_joined_keys_of_deepseek() -> None:
    values = settings("deepseek_v3", DEEPSEEK)
    model = build(values)
    tensors = {n: t for n, t in tensors_of(model).items() if "embed_q" not in n and "unembed_out" not in n}
    for layer in range(2):
        name = f"model.layers.{layer}.self_attn.kv_b_proj.weight"
        tensors[name] = Tensor(name, "F32", (4 * 128, 64), 0, 0)
    mtp = "model.layers.61.embed_tokens.weight"
    tensors[mtp] = Tensor(mtp, "F32", (96, 128), 0, 0)
    assert problems(values, tensors) == []
    assert set(model.sanitize({n: mx.zeros(t.shape) for n, t in tensors.items()})) == set(tensors_of(model))


def test_gpt2_as_transformers_writes_it() -> None:
    values = settings("gpt2", GPT2)
    model = build(values)
    tensors: dict[str, Tensor] = {}
    for name, tensor in tensors_of(model).items():
        turned = name.endswith(("attn.c_attn.weight", "c_proj.weight", "c_fc.weight"))
        shape = tensor.shape[::-1] if turned else tensor.shape
        short = name.removeprefix("model.")
        tensors[short] = Tensor(short, "F32", shape, 0, 0)
    tensors["h.0.attn.bias"] = Tensor("h.0.attn.bias", "F32", (1, 1, 64, 64), 0, 0)
    assert problems(values, tensors) == []
    arrays = model.sanitize({n: mx.zeros(t.shape) for n, t in tensors.items()})
    assert {n: a.shape for n, a in arrays.items()} == {n: a.shape for n, a in tree_flatten(model.parameters())}


def test_gpt_neox_as_transformers_writes_it() -> None:
    values = settings("gpt_neox", {"rotary_emb_base": 10000, "rotary_pct": 0.25})
    model = build(values)
    tensors: dict[str, Tensor] = {}
    for name, tensor in tensors_of(model).items():
        short = name.replace("model.h.", "gpt_neox.layers.").replace("model.embed_out", "embed_out")
        short = short.replace("model.", "gpt_neox.")
        tensors[short] = Tensor(short, "F32", tensor.shape, 0, 0)
    for name in ("gpt_neox.layers.0.attention.bias", "gpt_neox.layers.0.attention.rotary_emb.inv_freq"):
        tensors[name] = Tensor(name, "F32", (4,), 0, 0)
    assert problems(values, tensors) == []
    assert set(model.sanitize({n: mx.zeros(t.shape) for n, t in tensors.items()})) == set(tensors_of(model))
