"""config.json: what a model says it is, held against what any model could be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import Finding, refuse
from ostiary.core.limits import MAX_CONFIG_BYTES, MAX_HEAD_WIDTH, MAX_TOKEN_ID, USUAL_CONTEXT_TOKENS
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.network.architectures import WITH_TEXT_CONFIG, find_architecture
from ostiary.intake.network.config_fields import PER_LAYER_LISTS, check_fields, check_inner_fields
from ostiary.intake.network.quantization import Packing, QuantizationPlan, parse_packing, parse_plan
from ostiary.intake.read_json import JsonValue, describe_type, parse_json_object
from ostiary.intake.rules.config import (
    CONFIG_HEADS_DO_NOT_DIVIDE,
    CONFIG_LAYERS_DISAGREE,
    CONFIG_OUT_OF_RANGE,
    CONFIG_QUANTIZATION_DISAGREES,
    CONFIG_UNUSUAL,
    CONFIG_WRONG_TYPE,
)
from ostiary.intake.rules.json import JSON_NOT_FINITE

# State space models keep an open upper end of their time step here, as the word Infinity.
_OPEN_ENDED: Final = frozenset({"time_step_limit", "time_step_max"})

_LAYERS: Final = ("num_hidden_layers", "num_layers", "n_layer", "n_layers", "num_transformer_layers")
_HIDDEN: Final = ("hidden_size", "n_embd", "d_model", "model_dim", "block_dim")
_HEADS: Final = ("num_attention_heads", "n_head", "n_heads", "num_heads")
_KV_HEADS: Final = ("num_key_value_heads", "n_kv_heads", "num_kv_heads")
_HEAD_DIM: Final = ("head_dim", "hidden_size_per_head", "kv_channels")
_INNER: Final = ("intermediate_size", "n_inner", "ffn_hidden_size", "mlp_hidden_size", "hidden_dim")
_VOCABULARY: Final = ("vocab_size", "num_vocab")
_CONTEXT: Final = (
    "max_position_embeddings",
    "n_positions",
    "n_ctx",
    "max_seq_len",
    "max_sequence_length",
    "seq_length",
    "model_max_length",
)
_EXPERTS: Final = ("num_experts", "n_routed_experts", "num_local_experts", "moe_num_experts")
_EXPERTS_PER_TOKEN: Final = ("num_experts_per_tok", "num_experts_per_token", "moe_topk", "moe_top_k", "moe_k")


@dataclass(frozen=True, slots=True)
class Rope:
    """Rotary positions as far as the configuration says; scaling kinds differ per architecture."""

    theta: float | None
    kind: str | None
    factor: float | None


@dataclass(frozen=True, slots=True)
class Config:
    """A claim about the network. None: the configuration does not say, and the architecture has a default."""

    model_type: str
    architecture: str
    """The MLX-LM module that serves this model type."""
    hidden_size: int | None
    layers: int | None
    heads: int | None
    kv_heads: int | None
    head_dim: int | None
    intermediate_size: int | None
    vocab_size: int | None
    context_tokens: int | None
    sliding_window: int | None
    experts: int | None
    experts_per_token: int | None
    tie_word_embeddings: bool | None
    bos_ids: tuple[int, ...]
    eos_ids: tuple[int, ...]
    pad_ids: tuple[int, ...]
    rope: Rope
    quantization: QuantizationPlan | None
    foreign_quantization: str | None
    """The method of another program that packed the weights, which MLX-LM repacks while loading."""
    is_nested: bool
    """Whether the text model is described in text_config, beside other parts."""
    values: Mapping[str, JsonValue]
    """The settings of the text model by name, all checked."""
    notes: tuple[Finding, ...]


def parse_config(data: bytes) -> Config:
    top = parse_json_object(data, max_bytes=MAX_CONFIG_BYTES, allow_infinity=True)
    _refuse_infinities(top)
    architecture = find_architecture(top.get("model_type"), top.get("architectures"))
    text = top.get("text_config")
    if text is not None and not isinstance(text, dict):
        raise refuse(CONFIG_WRONG_TYPE, f"text_config is {describe_type(text)}, not an object")
    check_fields(top)
    if text is not None:
        check_fields(text)
    check_inner_fields(top)
    is_nested = text is not None and architecture in WITH_TEXT_CONFIG
    values = _merge(top, text) if text is not None and is_nested else top
    packing = _parse_packing(top, text)
    config = Config(
        model_type=str(top["model_type"]),
        architecture=architecture,
        hidden_size=_first_integer(values, _HIDDEN),
        layers=_first_integer(values, _LAYERS),
        heads=_first_integer(values, _HEADS),
        kv_heads=_first_integer(values, _KV_HEADS),
        head_dim=_first_integer(values, _HEAD_DIM),
        intermediate_size=_first_integer(values, _INNER),
        vocab_size=_first_integer(values, _VOCABULARY),
        context_tokens=_first_integer(values, _CONTEXT),
        sliding_window=_first_integer(values, ("sliding_window", "sliding_window_size", "window_size")),
        experts=_first_integer(values, _EXPERTS),
        experts_per_token=_first_integer(values, _EXPERTS_PER_TOKEN),
        tie_word_embeddings=_boolean(values.get("tie_word_embeddings")),
        bos_ids=_parse_ids(top, text, "bos_token_id"),
        eos_ids=_parse_ids(top, text, "eos_token_id"),
        pad_ids=_parse_ids(top, text, "pad_token_id"),
        rope=_parse_rope(values),
        quantization=packing.plan,
        foreign_quantization=packing.foreign_method,
        is_nested=is_nested,
        values=MappingProxyType(values),
        notes=packing.notes + _find_unusual(values),
    )
    _check_shares(config)
    return config


def _parse_ids(top: Mapping[str, JsonValue], text: Mapping[str, JsonValue] | None, name: str) -> tuple[int, ...]:
    """The ids of both parts, each of which some program reads."""
    inner = () if text is None else _parse_token_ids(text.get(name), name)
    return tuple(dict.fromkeys(_parse_token_ids(top.get(name), name) + inner))


def _parse_token_ids(value: JsonValue, name: str) -> tuple[int, ...]:
    """One id, several, or none; published configurations also write -1 for none."""
    ids: list[int] = []
    for entry in value if isinstance(value, list) else [value]:
        if entry is None:
            continue
        if not isinstance(entry, int) or isinstance(entry, bool):
            raise refuse(CONFIG_WRONG_TYPE, f"{name} holds {describe_type(entry)}, not a token id")
        if not -1 <= entry <= MAX_TOKEN_ID:
            raise refuse(CONFIG_OUT_OF_RANGE, f"{name} holds {entry}, which is no token id")
        if entry >= 0:
            ids.append(entry)
    return tuple(ids)


def _parse_packing(top: Mapping[str, JsonValue], text: Mapping[str, JsonValue] | None) -> Packing:
    """MLX-LM takes its own plan from the top only; another program's method may also stand in the text part."""
    if text is None:
        return parse_packing(top)
    other = top.get("quantization_config", text.get("quantization_config"))
    packing = parse_packing({"quantization": top.get("quantization"), "quantization_config": other})
    inner = text.get("quantization")
    if inner is None or parse_plan(inner, "quantization") == packing.plan:
        return packing
    note = Finding(CONFIG_QUANTIZATION_DISAGREES, "text_config has another quantization than the one that counts")
    return replace(packing, notes=(*packing.notes, note))


def _merge(top: Mapping[str, JsonValue], text: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """The text model's own settings win; what it leaves out may stand at the top."""
    said = {name: value for name, value in text.items() if value is not None}
    return {**{name: value for name, value in top.items() if name != "text_config"}, **said}


def _refuse_infinities(top: Mapping[str, JsonValue]) -> None:
    waiting: list[tuple[str, JsonValue]] = list(top.items())
    while waiting:
        name, value = waiting.pop()
        if isinstance(value, float) and not math.isfinite(value) and name not in _OPEN_ENDED:
            raise refuse(JSON_NOT_FINITE, f"'{quote_untrusted(name)}' holds Infinity")
        if isinstance(value, dict):
            waiting.extend(value.items())
        elif isinstance(value, list):
            waiting.extend((name, entry) for entry in value)


def _first_integer(values: Mapping[str, JsonValue], names: tuple[str, ...]) -> int | None:
    for name in names:
        value = values.get(name)
        if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
            return value
    return None


def _boolean(value: JsonValue) -> bool | None:
    return value if isinstance(value, bool) else None


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _parse_rope(values: Mapping[str, JsonValue]) -> Rope:
    scaling: Mapping[str, JsonValue] = {}
    for name in ("rope_parameters", "rope_scaling"):
        value = values.get(name)
        if value is None:
            continue
        if not isinstance(value, dict):
            raise refuse(CONFIG_WRONG_TYPE, f"{name} is {describe_type(value)}, not an object")
        _check_scaling(name, value)
        scaling = value
    theta = _number(values.get("rope_theta"))
    kind = scaling.get("rope_type", scaling.get("type"))
    return Rope(
        theta=_number(scaling.get("rope_theta")) if theta is None else theta,
        kind=kind if isinstance(kind, str) else None,
        factor=_number(scaling.get("factor")),
    )


def _check_scaling(name: str, scaling: Mapping[str, JsonValue]) -> None:
    for key, value in scaling.items():
        where = f"{name}: '{quote_untrusted(key)}'"
        if isinstance(value, list):
            if len(value) > MAX_HEAD_WIDTH:
                raise refuse(CONFIG_OUT_OF_RANGE, f"{where} has {len(value)} entries")
            if not all(isinstance(entry, int | float) and not isinstance(entry, bool) for entry in value):
                raise refuse(CONFIG_WRONG_TYPE, f"{where} holds something else than numbers")
        elif key in ("type", "rope_type"):
            if value is not None and not isinstance(value, str):
                raise refuse(CONFIG_WRONG_TYPE, f"{where} is {describe_type(value)}, not a name")
        elif key in ("factor", "rope_theta", "original_max_position_embeddings") and value is not None:
            number = _number(value)
            if number is None:
                raise refuse(CONFIG_WRONG_TYPE, f"{where} is {describe_type(value)}, not a number")


def _check_shares(config: Config) -> None:
    heads, kv_heads = config.heads, config.kv_heads
    if heads is not None and kv_heads is not None and heads % kv_heads != 0:
        raise refuse(CONFIG_HEADS_DO_NOT_DIVIDE, f"{heads} query heads cannot share {kv_heads} key heads")
    experts, per_token = config.experts, config.experts_per_token
    if experts and per_token is not None and per_token > experts:
        raise refuse(CONFIG_OUT_OF_RANGE, f"{per_token} experts for each token, but there are {experts}")


def _find_unusual(values: Mapping[str, JsonValue]) -> tuple[Finding, ...]:
    notes: list[Finding] = []
    for name in ("rope_theta", "rope_local_base_freq", "rotary_emb_base"):
        theta = _number(values.get(name))
        if theta is not None and theta <= 0:
            notes.append(Finding(CONFIG_UNUSUAL, f"{name} is {theta:g}, so every position becomes NaN"))
    for name in ("rms_norm_eps", "layer_norm_eps", "layer_norm_epsilon", "norm_eps", "norm_epsilon"):
        epsilon = _number(values.get(name))
        if epsilon is not None and not 0 <= epsilon <= 1:
            notes.append(Finding(CONFIG_UNUSUAL, f"{name} is {epsilon:g}; published models use less than 0.01"))
    for name in _CONTEXT:
        tokens = _first_integer(values, (name,))
        if tokens is not None and tokens > USUAL_CONTEXT_TOKENS:
            notes.append(Finding(CONFIG_UNUSUAL, f"{name} promises {tokens} tokens"))
    for name in ("rope_scaling", "rope_parameters"):
        scaling = values.get(name)
        factor = _number(scaling.get("factor")) if isinstance(scaling, dict) else None
        if factor is not None and factor <= 0:
            notes.append(
                Finding(CONFIG_UNUSUAL, f"{name} has the factor {factor:g}, so every position becomes NaN")
            )
    layers = _first_integer(values, _LAYERS)
    # block_types of Griffin models is a pattern that repeats.
    for name in sorted((PER_LAYER_LISTS & values.keys()) - {"block_types"}):
        listed = values[name]
        if isinstance(listed, list | str) and layers is not None and len(listed) != layers:
            notes.append(Finding(CONFIG_LAYERS_DISAGREE, f"{name} lists {len(listed)} layers, there are {layers}"))
    return tuple(notes)
