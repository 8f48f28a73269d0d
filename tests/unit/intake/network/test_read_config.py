"""config.json: what is honest passes with its numbers, what is not is refused by the rule that names it."""

from __future__ import annotations

import json
import math

import pytest

from ostiary.core.tickets import Quantization
from ostiary.errors import IntakeRefused
from ostiary.intake.network.config_fields import FIELDS, Kind
from ostiary.intake.network.quantization import QuantizationPlan
from ostiary.intake.network.read_config import Config, parse_config

HONEST: dict[str, object] = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "rms_norm_eps": 1e-5,
    "vocab_size": 64,
    "rope_theta": 10000.0,
    "max_position_embeddings": 128,
    "tie_word_embeddings": True,
    "eos_token_id": [2, 3],
    "bos_token_id": 1,
    "pad_token_id": -1,
}
_REMOVED = object()


def config(**changes: object) -> Config:
    values = {k: v for k, v in {**HONEST, **changes}.items() if v is not _REMOVED}
    return parse_config(json.dumps(values).encode())


def rule_of(**changes: object) -> str:
    with pytest.raises(IntakeRefused) as caught:
        config(**changes)
    assert caught.value.message.isprintable()
    return caught.value.findings[0].rule.id


def notes_of(**changes: object) -> list[str]:
    return [note.rule.id for note in config(**changes).notes]


def test_an_honest_configuration() -> None:
    read = config()
    assert (read.model_type, read.architecture, read.is_nested) == ("llama", "llama", False)
    assert (read.hidden_size, read.layers, read.heads, read.kv_heads, read.head_dim) == (32, 2, 4, 2, None)
    assert (read.intermediate_size, read.vocab_size, read.context_tokens) == (64, 64, 128)
    assert (read.bos_ids, read.eos_ids, read.pad_ids) == ((1,), (2, 3), ())
    assert read.tie_word_embeddings is True
    assert read.rope.theta == 10000.0
    assert read.quantization is None
    assert read.notes == ()


def test_other_names_for_the_same_things() -> None:
    read = parse_config(
        b'{"model_type":"gpt2","n_embd":8,"n_layer":3,"n_head":2,"n_positions":16,"vocab_size":10,"n_inner":null}'
    )
    assert (read.hidden_size, read.layers, read.heads, read.context_tokens) == (8, 3, 2, 16)


def test_a_text_model_beside_others() -> None:
    text = {
        "model_type": "gemma3_text",
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "quantization": None,
        "eos_token_id": 106,
    }
    read = parse_config(
        json.dumps(
            {
                "model_type": "gemma3",
                "text_config": text,
                "vision_config": {"hidden_size": 8, "patch_size": [2, 14], "num_attention_heads": 0},
                "vocab_size": 99,
                "eos_token_id": [1, 106],
                "quantization": {"group_size": 64, "bits": 4},
            }
        ).encode()
    )
    assert (read.is_nested, read.hidden_size, read.vocab_size, read.eos_ids) == (True, 16, 99, (1, 106))
    assert read.quantization == QuantizationPlan(Quantization(4, 64, "affine"), {})


def test_a_text_part_that_the_architecture_does_not_read_changes_nothing() -> None:
    read = config(text_config={"vocab_size": 5, "hidden_size": 7, "quantization": {"bits": 8}})
    assert (read.is_nested, read.vocab_size, read.hidden_size, read.quantization) == (False, 64, 32, None)
    assert [note.rule.id for note in read.notes] == ["config.quantization-disagrees"]
    packed = config(text_config={"quantization_config": {"quant_method": "awq"}})
    assert packed.foreign_quantization == "awq"


@pytest.mark.parametrize(
    "changes",
    [
        {"rope_scaling": {"type": "linear", "factor": 2.0}},
        {"rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1.0}},
        {"rope_scaling": {"type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2] * 4}},
        {"rope_parameters": {"full_attention": {"rope_type": "default", "rope_theta": 1e6}}},
        {"head_dim": None, "num_key_value_heads": None, "sliding_window": None},
        {"sliding_window": -1},
        {"intermediate_size": [64, 64]},
        {"sliding_window_pattern": "LLLG"},
        {"block_types": ["recurrent", "recurrent", "attention"]},
        {"time_step_rank": "auto"},
        {"time_step_limit": [0.0, math.inf]},
        {"num_nextn_predict_layers": 0, "first_k_dense_replace": 1, "q_lora_rank": None},
        {"quantization_config": None, "quantization": None},
        {"architectures": None},
        {"id2label": {"0": "x"}, "task_specific_params": {"max_length": 10}},
        {"torch_dtype": "bfloat16", "use_cache": 1, "transformers_version": "4.0"},
        {"attention_bias": False, "mlp_bias": None},
        {"rms_norm_eps": 0},
        {"_name_or_path": "owner/name"},
    ],
)
def test_honest_variations_pass_without_a_note(changes: dict[str, object]) -> None:
    assert notes_of(**changes) == []


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("config.model-type-missing", {"model_type": _REMOVED}),
        ("config.unknown-architecture", {"model_type": "base"}),
        ("config.wrong-type", {"num_hidden_layers": "12"}),
        ("config.wrong-type", {"num_hidden_layers": True}),
        ("config.wrong-type", {"num_hidden_layers": 1e9}),
        ("config.wrong-type", {"num_hidden_layers": 2.0}),
        ("config.wrong-type", {"hidden_size": {"a": 1}}),
        ("config.wrong-type", {"intermediate_size": [64, "64"]}),
        ("config.wrong-type", {"rope_theta": "10000"}),
        ("config.wrong-type", {"rms_norm_eps": True}),
        ("config.wrong-type", {"rms_norm_eps": {"__float__": "NaN"}}),
        ("config.wrong-type", {"tie_word_embeddings": "false"}),
        ("config.wrong-type", {"attention_bias": 1}),
        ("config.wrong-type", {"text_config": [1]}),
        ("config.wrong-type", {"rope_scaling": "linear"}),
        ("config.wrong-type", {"rope_scaling": {"type": 5}}),
        ("config.wrong-type", {"rope_scaling": {"type": "linear", "factor": "2"}}),
        ("config.wrong-type", {"rope_scaling": {"short_factor": ["a"]}}),
        ("config.wrong-type", {"eos_token_id": "2"}),
        ("config.wrong-type", {"eos_token_id": [[2]]}),
        ("config.wrong-type", {"eos_token_id": True}),
        ("config.out-of-range", {"eos_token_id": -2}),
        ("config.out-of-range", {"eos_token_id": 1 << 31}),
        ("config.out-of-range", {"num_hidden_layers": 1_000_000_000}),
        ("config.out-of-range", {"num_hidden_layers": 0}),
        ("config.out-of-range", {"num_hidden_layers": -1}),
        ("config.out-of-range", {"num_attention_heads": 0}),
        ("config.out-of-range", {"num_key_value_heads": 0}),
        ("config.out-of-range", {"head_dim": 0}),
        ("config.out-of-range", {"hidden_size": 1 << 40}),
        ("config.out-of-range", {"vocab_size": 0}),
        ("config.out-of-range", {"vocab_size": 1 << 31}),
        ("config.out-of-range", {"max_position_embeddings": 1 << 31}),
        ("config.out-of-range", {"layer_types": ["full_attention"] * 2_000}),
        ("config.out-of-range", {"mlp_only_layers": [1] * 2_000}),
        ("config.out-of-range", {"num_experts": 1 << 20}),
        ("config.out-of-range", {"num_experts": 4, "num_experts_per_tok": 5}),
        ("config.out-of-range", {"text_config": {"num_hidden_layers": 10**9}}),
        ("config.out-of-range", {"attn_config": {"deep": [{"n_layers": 10**9}]}}),
        ("config.out-of-range", {"rope_scaling": {"short_factor": [1.0] * 20_000}}),
        ("config.heads-do-not-divide", {"num_attention_heads": 4, "num_key_value_heads": 3}),
        ("config.heads-do-not-divide", {"num_attention_heads": 2, "num_key_value_heads": 4}),
        ("config.quantization-unsupported", {"quantization": {"bits": 99, "group_size": 32}}),
        ("config.quantization-unsupported", {"quantization": {"bits": 7, "group_size": 64}}),
        ("config.quantization-unsupported", {"quantization": {"bits": 0, "group_size": 64}}),
        ("config.quantization-unsupported", {"quantization": {"bits": 4, "group_size": 0}}),
        ("config.quantization-unsupported", {"quantization": {"bits": 4, "group_size": -64}}),
        ("config.quantization-unsupported", {"quantization": {"bits": 4, "group_size": 16}}),
        ("config.quantization-unsupported", {"quantization": {"mode": "mxfp4", "bits": 8}}),
        ("config.quantization-unsupported", {"quantization": {"mode": "nvfp4", "group_size": 32}}),
        ("config.quantization-unsupported", {"quantization": {"mode": "../x"}}),
        ("config.quantization-unsupported", {"quantization": {"bits": 4, "a.b": {"bits": 99}}}),
        ("config.quantization-unsupported", {"quantization_config": {"bits": 4, "group_size": 0}}),
        ("config.wrong-type", {"quantization": 4}),
        ("config.wrong-type", {"quantization": {"bits": "4"}}),
        ("config.wrong-type", {"quantization": {"bits": True}}),
        ("config.wrong-type", {"quantization": {"bits": 4.0}}),
        ("config.wrong-type", {"quantization": {"mode": 4}}),
        ("config.wrong-type", {"quantization": {"lm_head": [4]}}),
        ("config.wrong-type", {"quantization_config": "fp8"}),
        ("config.wrong-type", {"quantization_config": {"quant_method": 8}}),
        ("json.not-finite", {"rms_norm_eps": math.inf}),
        ("json.not-finite", {"rms_norm_eps": math.nan}),
        ("json.not-finite", {"unknown": [[{"x": -math.inf}]]}),
        ("json.not-finite", {"time_step_limit": [0.0, math.nan]}),
    ],
)
def test_refused(rule: str, changes: dict[str, object]) -> None:
    assert rule_of(**changes) == rule


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("config.unusual", {"rope_theta": 0}),
        ("config.unusual", {"rope_theta": -1.5}),
        ("config.unusual", {"rms_norm_eps": -1e-5}),
        ("config.unusual", {"rms_norm_eps": 1e30}),
        ("config.unusual", {"max_position_embeddings": 1 << 30}),
        ("config.unusual", {"rope_scaling": {"type": "linear", "factor": 0}}),
        ("config.layers-disagree", {"layer_types": ["full_attention"] * 3}),
        ("config.quantization-foreign", {"quantization_config": {"quant_method": "awq", "bits": 4}}),
        ("config.quantization-foreign", {"quantization_config": {"load_in_4bit": True}}),
        (
            "config.quantization-disagrees",
            {"quantization": {"bits": 4, "group_size": 64}, "quantization_config": {"bits": 8, "group_size": 64}},
        ),
    ],
)
def test_noted(rule: str, changes: dict[str, object]) -> None:
    assert notes_of(**changes) == [rule]


def test_quantization_per_layer() -> None:
    plan = config(
        quantization={
            "group_size": 64,
            "bits": 4,
            "quant_method": None,
            "linear_class": "x",
            "model.embed_tokens": {"bits": 8},
            "lm_head": False,
            "model.layers.0.mlp.gate": True,
            "model.layers.1.mlp.gate": {"mode": "mxfp4", "group_size": 32, "bits": 4},
        },
        quantization_config={"quant_method": "mlx"},
    ).quantization
    assert plan is not None
    assert plan.default == Quantization(4, 64, "affine")
    assert plan.overrides == {
        "model.embed_tokens": Quantization(8, 64, "affine"),
        "lm_head": None,
        "model.layers.0.mlp.gate": plan.default,
        "model.layers.1.mlp.gate": Quantization(4, 32, "mxfp4"),
    }


def test_the_same_quantization_twice_is_silent() -> None:
    same = {"bits": 4, "group_size": 64, "lm_head": False}
    assert notes_of(quantization=same, quantization_config=same) == []


@pytest.mark.parametrize("name", sorted(FIELDS))
def test_every_field_has_a_type_and_a_range(name: str) -> None:
    field = FIELDS[name]
    assert rule_of(**{name: {}}) == "config.wrong-type"
    if field.kind is Kind.INTEGER:
        assert rule_of(**{name: field.high + 1}) == "config.out-of-range"
        assert rule_of(**{name: field.low - 1}) == "config.out-of-range"
        assert rule_of(**{name: [field.low - 1]}) == "config.out-of-range"


def test_only_an_object() -> None:
    for data in (b"[]", b'"llama"', b"", b"{}"):
        with pytest.raises(IntakeRefused):
            parse_config(data)
