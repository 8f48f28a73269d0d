"""adapter_config.json, as MLX-LM or as PEFT writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Final

from ostiary.core.ceiling import Ceiling
from ostiary.core.findings import Finding, refuse
from ostiary.core.limits import MAX_ADAPTER_KEYS, MAX_ADAPTER_RANK, MAX_CONFIG_BYTES, MAX_LAYERS
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.read_json import JsonValue, describe_type, parse_json_object
from ostiary.intake.rules.adapter import (
    ADAPTER_INCOMPLETE,
    ADAPTER_MALFORMED,
    ADAPTER_NOT_CHECKED,
    ADAPTER_OUT_OF_RANGE,
    ADAPTER_PATTERN,
    ADAPTER_REACHES_OUT,
    ADAPTER_REPLACES_WEIGHTS,
    ADAPTER_UNKNOWN_KIND,
    ADAPTER_UNUSUAL,
)


class AdapterKind(StrEnum):
    LORA = "lora"
    DORA = "dora"
    FULL = "full"
    OTHER = "other"
    """One of PEFT's that is not made of pairs of matrices."""


@dataclass(frozen=True, slots=True)
class Adapter:
    """A claim about the tensors beside it."""

    kind: AdapterKind
    is_peft: bool
    rank: int | None
    """None where each layer may have its own."""
    scale: float | None
    layers: int | None
    """How many layers, counted from the last, are adapted; None for all that are named."""
    keys: tuple[str, ...]
    """Which parts of a layer are adapted; empty where the writer left the choice to the loader."""
    base_model: str | None
    notes: tuple[Finding, ...]


# Published adapters stay between 0.1 and 100.
_USUAL_SCALE: Final = 1_000.0
_PATTERN: Final = re.compile(r"[\^$*+?{}\[\]|()\\]")


def parse_adapter(data: bytes) -> Adapter:
    values = parse_json_object(data, max_bytes=MAX_CONFIG_BYTES)
    return _parse_peft(values) if "peft_type" in values else _parse_mlx_lm(values)


def _parse_mlx_lm(values: Mapping[str, JsonValue]) -> Adapter:
    claimed_kind = values.get("fine_tune_type", "lora")
    if claimed_kind not in (AdapterKind.LORA, AdapterKind.DORA, AdapterKind.FULL):
        shown = (
            f"'{quote_untrusted(claimed_kind)}'" if isinstance(claimed_kind, str) else describe_type(claimed_kind)
        )
        raise refuse(ADAPTER_UNKNOWN_KIND, f"fine_tune_type is {shown}")
    kind = AdapterKind(str(claimed_kind))
    layers = _integer(values, "num_layers" if "num_layers" in values else "lora_layers", -1, MAX_LAYERS)
    parameters = values.get("lora_parameters")
    if parameters is None and kind is AdapterKind.FULL:
        parameters = {}
    if parameters is None:
        raise refuse(ADAPTER_INCOMPLETE, "it has neither lora_parameters nor a peft_type")
    if not isinstance(parameters, dict):
        raise refuse(ADAPTER_MALFORMED, f"lora_parameters is {describe_type(parameters)}, not an object")
    rank = _integer(parameters, "rank", 1, MAX_ADAPTER_RANK)
    if rank is None and kind is not AdapterKind.FULL:
        raise refuse(ADAPTER_INCOMPLETE, "lora_parameters does not say the rank")
    scale = _number(parameters, "scale")
    _check_dropout(parameters, "dropout")
    keys = _names(parameters, "keys")
    base_model = values.get("model")
    notes = list(_find_unusual(scale))
    if kind is AdapterKind.FULL:
        notes.append(Finding(ADAPTER_REPLACES_WEIGHTS, "fine_tune_type is 'full'"))
    return Adapter(
        kind=kind,
        is_peft=False,
        rank=rank,
        scale=scale,
        layers=layers if layers is not None and layers > 0 else None,
        keys=keys,
        base_model=base_model if isinstance(base_model, str) else None,
        notes=tuple(notes),
    )


def _parse_peft(values: Mapping[str, JsonValue]) -> Adapter:
    peft_type = values.get("peft_type")
    if not isinstance(peft_type, str):
        raise refuse(ADAPTER_MALFORMED, f"peft_type is {describe_type(peft_type)}, not a name")
    notes: list[Finding] = []
    kind = AdapterKind.OTHER
    if peft_type.upper() == "LORA":
        kind = AdapterKind.DORA if values.get("use_dora") is True else AdapterKind.LORA
    else:
        notes.append(Finding(ADAPTER_NOT_CHECKED, f"'{quote_untrusted(peft_type)}' is not made of LoRA pairs"))
    rank = _integer(values, "r", 1, MAX_ADAPTER_RANK)
    if rank is None and kind is not AdapterKind.OTHER:
        raise refuse(ADAPTER_INCOMPLETE, "it does not say the rank r")
    alpha = _number(values, "lora_alpha")
    scale = None if alpha is None or rank is None else alpha / rank
    _check_dropout(values, "lora_dropout")
    patterned = values.get("rank_pattern")
    targets = values.get("target_modules")
    if isinstance(targets, str) and _PATTERN.search(targets):
        notes.append(Finding(ADAPTER_PATTERN, f"target_modules is '{quote_untrusted(targets)}'"))
    base_model = values.get("base_model_name_or_path")
    if base_model is not None and not isinstance(base_model, str):
        raise refuse(ADAPTER_MALFORMED, f"base_model_name_or_path is {describe_type(base_model)}, not a name")
    if base_model:
        notes.append(Finding(ADAPTER_REACHES_OUT, f"its base is '{quote_untrusted(base_model)}'"))
    notes.extend(_find_unusual(scale))
    return Adapter(
        kind=kind,
        is_peft=True,
        rank=None if isinstance(patterned, dict) and patterned else rank,
        scale=scale,
        layers=None,
        keys=(targets,) if isinstance(targets, str) else _names(values, "target_modules"),
        base_model=base_model,
        notes=tuple(notes),
    )


def _integer(values: Mapping[str, JsonValue], name: str, low: int, high: Ceiling) -> int | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool):
        raise refuse(ADAPTER_MALFORMED, f"{name} is {describe_type(value)}, not an integer")
    if not low <= value <= high:
        raise refuse(ADAPTER_OUT_OF_RANGE, f"{name} is {value}; from {low} to {int(high)} {high.unit} is sane")
    return value


def _number(values: Mapping[str, JsonValue], name: str) -> float | None:
    value = values.get(name)
    if value is None:
        return None
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise refuse(ADAPTER_MALFORMED, f"{name} is {describe_type(value)}, not a number")
    return float(value)


def _check_dropout(values: Mapping[str, JsonValue], name: str) -> None:
    dropout = _number(values, name)
    if dropout is not None and not 0 <= dropout < 1:
        raise refuse(ADAPTER_OUT_OF_RANGE, f"{name} is {dropout:g}; from 0 to below 1 is sane")


def _names(values: Mapping[str, JsonValue], name: str) -> tuple[str, ...]:
    value = values.get(name)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise refuse(ADAPTER_MALFORMED, f"{name} is {describe_type(value)}, not a list")
    if len(value) > MAX_ADAPTER_KEYS:
        raise refuse(
            ADAPTER_OUT_OF_RANGE, f"{name} has {len(value)} entries, the ceiling is {int(MAX_ADAPTER_KEYS)}"
        )
    names: list[str] = []
    for entry in value:
        if not isinstance(entry, str):
            raise refuse(ADAPTER_MALFORMED, f"{name} holds {describe_type(entry)}, not a name")
        names.append(entry)
    return tuple(names)


def _find_unusual(scale: float | None) -> Iterator[Finding]:
    if scale is not None and abs(scale) > _USUAL_SCALE:
        yield Finding(ADAPTER_UNUSUAL, f"its scale is {scale:g}")
