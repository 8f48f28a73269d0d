"""How weights are packed: what MLX 0.32.4 can unpack, and what a configuration says per layer."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import Finding, refuse
from ostiary.core.text import quote_untrusted
from ostiary.core.tickets import Quantization
from ostiary.core.values import dataclass
from ostiary.intake.read_json import JsonValue, describe_type
from ostiary.intake.rules.config import (
    CONFIG_QUANTIZATION_DISAGREES,
    CONFIG_QUANTIZATION_FOREIGN,
    CONFIG_QUANTIZATION_UNSUPPORTED,
    CONFIG_WRONG_TYPE,
)

AFFINE: Final = "affine"
AFFINE_BITS: Final = frozenset({1, 2, 3, 4, 5, 6, 8})
AFFINE_GROUP_SIZES: Final = frozenset({32, 64, 128})

# Each of these modes exists in one shape only, and has no biases.
FIXED_MODES: Final[Mapping[str, Quantization]] = MappingProxyType(
    {
        "mxfp4": Quantization(bits=4, group_size=32, mode="mxfp4"),
        "mxfp8": Quantization(bits=8, group_size=32, mode="mxfp8"),
        "nvfp4": Quantization(bits=4, group_size=16, mode="nvfp4"),
    }
)

# What mlx.nn fills in where a configuration does not say.
_DEFAULTS: Final[Mapping[str, Quantization]] = MappingProxyType(
    {AFFINE: Quantization(bits=4, group_size=64, mode=AFFINE), **FIXED_MODES}
)


@dataclass(frozen=True, slots=True)
class QuantizationPlan:
    """The packing by default and where it differs; None for a layer that stays unpacked."""

    default: Quantization
    overrides: Mapping[str, Quantization | None]


@dataclass(frozen=True, slots=True)
class Packing:
    """What a configuration says about packing: MLX's own plan, or the name of another program's method."""

    plan: QuantizationPlan | None
    foreign_method: str | None
    notes: tuple[Finding, ...]


def parse_packing(values: Mapping[str, JsonValue]) -> Packing:
    """From `quantization` (MLX-LM's own) and `quantization_config` (Transformers' name for it)."""
    own = values.get("quantization")
    other = values.get("quantization_config")
    plan = None if own is None else parse_plan(own, "quantization")
    if other is None:
        return Packing(plan, None, ())
    if not isinstance(other, dict):
        raise refuse(CONFIG_WRONG_TYPE, f"quantization_config is {describe_type(other)}, not an object")
    method = other.get("quant_method")
    if method is not None and not isinstance(method, str):
        raise refuse(CONFIG_WRONG_TYPE, f"quant_method is {describe_type(method)}, not a name")
    if method is None and ("bits" in other or "group_size" in other):
        second = parse_plan(other, "quantization_config")
        if plan is None:
            return Packing(second, None, ())
        if second != plan:
            note = Finding(CONFIG_QUANTIZATION_DISAGREES, "quantization and quantization_config differ")
            return Packing(plan, None, (note,))
        return Packing(plan, None, ())
    if plan is not None:
        # MLX-LM looks at quantization first and then no further.
        return Packing(plan, None, ())
    name = "another program" if method is None else f"the method '{quote_untrusted(method)}'"
    note = Finding(CONFIG_QUANTIZATION_FOREIGN, f"the weights are packed by {name}")
    return Packing(None, "unnamed" if method is None else method, (note,))


def parse_plan(value: JsonValue, key: str) -> QuantizationPlan:
    if not isinstance(value, dict):
        raise refuse(CONFIG_WRONG_TYPE, f"{key} is {describe_type(value)}, not an object")
    default = _parse_entry(value, key)
    overrides: dict[str, Quantization | None] = {}
    for layer, entry in value.items():
        where = f"{key} of '{quote_untrusted(layer)}'"
        if isinstance(entry, dict):
            overrides[layer] = _parse_entry(entry, where)
        elif isinstance(entry, bool):
            overrides[layer] = default if entry else None
        elif isinstance(entry, list):
            raise refuse(CONFIG_WRONG_TYPE, f"{where} is a list, not an object")
    return QuantizationPlan(default, MappingProxyType(overrides))


def is_supported(packing: Quantization) -> bool:
    if packing.mode == AFFINE:
        return packing.bits in AFFINE_BITS and packing.group_size in AFFINE_GROUP_SIZES
    return FIXED_MODES.get(packing.mode) == packing


def _parse_entry(entry: Mapping[str, JsonValue], where: str) -> Quantization:
    mode = entry.get("mode")
    if mode is None:
        mode = AFFINE
    if not isinstance(mode, str):
        raise refuse(CONFIG_WRONG_TYPE, f"{where}: mode is {describe_type(mode)}, not a name")
    default = _DEFAULTS.get(mode)
    if default is None:
        raise refuse(CONFIG_QUANTIZATION_UNSUPPORTED, f"{where}: MLX has no mode '{quote_untrusted(mode)}'")
    packing = Quantization(
        bits=_integer(entry, "bits", default.bits, where),
        group_size=_integer(entry, "group_size", default.group_size, where),
        mode=mode,
    )
    if not is_supported(packing):
        raise refuse(
            CONFIG_QUANTIZATION_UNSUPPORTED,
            f"{where}: MLX has no {mode} quantization of {packing.bits} bits in groups of {packing.group_size}",
        )
    return packing


def _integer(entry: Mapping[str, JsonValue], name: str, default: int, where: str) -> int:
    value = entry.get(name)
    if value is None:
        return default
    if not isinstance(value, int) or isinstance(value, bool):
        raise refuse(CONFIG_WRONG_TYPE, f"{where}: {name} is {describe_type(value)}, not an integer")
    return value
