"""Fuzzes configurations, as bytes and as objects of fields that mean something, with tensors beside them."""

from __future__ import annotations

import json
import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.intake.network.architectures import ARCHITECTURES, REMAPPED
    from ostiary.intake.network.config_fields import FIELDS, PER_LAYER_LISTS
    from ostiary.intake.network.layout_slots import Dims
    from ostiary.intake.network.layouts import LAYOUTS, check_layout
    from ostiary.intake.network.memory import estimate_memory
    from ostiary.intake.network.read_config import Config, parse_config
    from ostiary.intake.network.read_generation_config import parse_generation_config

from ostiary.core.findings import Finding
from ostiary.errors import IntakeRefused
from ostiary.intake.weights.tensor import Tensor

TYPES = sorted([*LAYOUTS] * 3 + [*ARCHITECTURES, *REMAPPED])
OBJECTS = (
    "quantization quantization_config text_config rope_scaling rope_parameters eos_token_id architectures".split()
)
COMMON = ["hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size"] * 10
NAMES = sorted([*FIELDS, *PER_LAYER_LISTS, *OBJECTS, *COMMON])
INNER = (
    "bits group_size mode quant_method type rope_type factor lm_head model.embed_tokens num_hidden_layers".split()
)
WORDS = "affine mxfp4 mxfp8 nvfp4 auto LLLG sliding_attention full_attention llama awq fp8 default \x00".split(" ")
DTYPES = "F16 BF16 F32 U32 U8 I64 F8_E4M3 BOOL".split()


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    try_config(data, None)
    try:
        read(parse_generation_config(data).notes)
    except IntakeRefused as refused:
        read(refused.findings)
    provider = atheris.FuzzedDataProvider(data)
    values = {pick(provider, NAMES): any_value(provider, 0) for _ in range(provider.ConsumeIntInRange(0, 12))}
    values["model_type"] = pick(provider, TYPES)
    try_config(json.dumps(values).encode(), provider)


def try_config(data: bytes, provider: atheris.FuzzedDataProvider | None) -> None:
    try:
        config = parse_config(data)
    except IntakeRefused as refused:
        read(refused.findings)
        return
    read(config.notes)
    if provider is not None:
        tensors = any_tensors(provider, config)
        read(check_layout(config, tensors).findings)
        need = estimate_memory(config, tensors)
        if min(need.weight_bytes, need.cache_bytes_per_token or 0, need.cache_bytes_at_context or 0) < 0:
            raise AssertionError(need)


def read(findings: tuple[Finding, ...]) -> None:
    for finding in findings:
        if "\n" in finding.sentence or len(finding.sentence) > 2_000:
            raise AssertionError(finding)


def pick(provider: atheris.FuzzedDataProvider, of: list[str]) -> str:
    return of[provider.ConsumeIntInRange(0, len(of) - 1)]


def any_value(provider: atheris.FuzzedDataProvider, depth: int) -> object:
    kind = provider.ConsumeIntInRange(0, 10)
    if kind < 5:
        return provider.ConsumeIntInRange(0, 9)
    if kind == 5:
        return provider.ConsumeInt(9)
    if kind == 6:
        return provider.ConsumeRegularFloat()
    if kind == 7:
        return [None, True, False][provider.ConsumeIntInRange(0, 2)]
    if kind == 8:
        return pick(provider, WORDS)
    if depth > 2:
        return {}
    if kind == 9:
        return [any_value(provider, depth + 1) for _ in range(provider.ConsumeIntInRange(0, 4))]
    names = INNER if depth else [*INNER, *NAMES]
    return {pick(provider, names): any_value(provider, depth + 1) for _ in range(provider.ConsumeIntInRange(0, 4))}


def any_tensors(provider: atheris.FuzzedDataProvider, config: Config) -> dict[str, Tensor]:
    names = [
        "",
        "x.scales",
        "model.layers.7.x",
        "model.layers.0.mlp.experts.0.up_proj.weight",
        "h.0.attn.c_attn.weight",
    ]
    layout = LAYOUTS.get(config.architecture)
    if layout is not None:
        try:
            names += [slot.name for slot, _ in zip(layout(Dims(config.values, ())), range(40), strict=False)]
        except IntakeRefused as refused:
            read(refused.findings)
    names += [
        name.replace(".weight", leaf) for name in names for leaf in (".scales", ".biases", ".weight_scale_inv")
    ]
    tensors: dict[str, Tensor] = {}
    for _ in range(provider.ConsumeIntInRange(0, 20)):
        shape = tuple(provider.ConsumeIntInRange(0, 64) for _ in range(provider.ConsumeIntInRange(0, 3)))
        name = pick(provider, names)
        tensors[name] = Tensor(name, pick(provider, DTYPES), shape, 0, 8)
    return tensors


if __name__ == "__main__":
    from json_seeds import arguments_with_json

    atheris.Setup(arguments_with_json(sys.argv, "config.json", "generation_config.json"), TestOneInput)
    atheris.Fuzz()
