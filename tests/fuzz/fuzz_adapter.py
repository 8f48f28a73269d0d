"""Fuzzes adapters, as bytes and as fields that mean something, with tensors and a base beside them."""

from __future__ import annotations

import json
import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.intake.network.check_adapter import check_adapter
    from ostiary.intake.network.read_adapter import Adapter, parse_adapter

from ostiary.errors import IntakeRefused
from ostiary.intake.weights.tensor import Tensor

LORA = "fine_tune_type num_layers lora_parameters lora_layers model".split()
PEFT = "r lora_alpha lora_dropout target_modules base_model_name_or_path use_dora rank_pattern".split()
INNER = "rank scale dropout keys alpha".split()
WORDS = ["lora", "dora", "full", "LORA", "IA3", "q_proj", "(a+)+$", ""]
DTYPES = ["F16", "F32", "U32"]


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    provider = atheris.FuzzedDataProvider(data)
    base = any_tensors(provider, ["a.weight", "b.weight", "embed_tokens.weight"])
    parts = ["a.lora_a", "a.lora_b", "a.m", "embed_tokens.lora_a", "embed_tokens.lora_b", "a.weight"]
    parts += [
        "base_model.model.a.lora_A.weight",
        "base_model.model.a.lora_B.weight",
        "base_model.model.x",
        "a.lora_",
    ]
    tensors = any_tensors(provider, parts)
    try_adapter(data, tensors, base)
    values = {pick(provider, LORA + PEFT): any_value(provider, 0) for _ in range(provider.ConsumeIntInRange(0, 6))}
    if provider.ConsumeBool():
        values["peft_type"] = pick(provider, WORDS)
    try_adapter(json.dumps(values).encode(), tensors, base)


def try_adapter(data: bytes, tensors: dict[str, Tensor], base: dict[str, Tensor]) -> None:
    try:
        adapter: Adapter = parse_adapter(data)
    except IntakeRefused as refused:
        if "\n" in str(refused) or len(str(refused)) > 1_000:
            raise AssertionError(refused) from refused
        return
    findings = (
        *adapter.notes,
        *check_adapter(adapter, tensors, None, base),
        *check_adapter(adapter, tensors, None, {}),
    )
    if any("\n" in finding.sentence or len(finding.sentence) > 1_000 for finding in findings):
        raise AssertionError(findings)


def pick(provider: atheris.FuzzedDataProvider, of: list[str]) -> str:
    return of[provider.ConsumeIntInRange(0, len(of) - 1)]


def any_value(provider: atheris.FuzzedDataProvider, depth: int) -> object:
    kind = provider.ConsumeIntInRange(0, 8)
    if kind < 3:
        return provider.ConsumeIntInRange(0, 8)
    if kind == 3:
        return provider.ConsumeInt(9)
    if kind == 4:
        return provider.ConsumeRegularFloat()
    if kind == 5:
        return [None, True, False][provider.ConsumeIntInRange(0, 2)]
    if kind == 6 or depth > 1:
        return pick(provider, WORDS)
    if kind == 7:
        return [any_value(provider, depth + 1) for _ in range(provider.ConsumeIntInRange(0, 3))]
    return {pick(provider, INNER): any_value(provider, depth + 1) for _ in range(provider.ConsumeIntInRange(0, 4))}


def any_tensors(provider: atheris.FuzzedDataProvider, names: list[str]) -> dict[str, Tensor]:
    tensors: dict[str, Tensor] = {}
    for _ in range(provider.ConsumeIntInRange(0, 5)):
        shape = tuple(provider.ConsumeIntInRange(0, 8) for _ in range(provider.ConsumeIntInRange(0, 3)))
        name = pick(provider, names)
        tensors[name] = Tensor(name, pick(provider, DTYPES), shape, 0, 8)
    return tensors


if __name__ == "__main__":
    from json_seeds import arguments_with_json

    atheris.Setup(arguments_with_json(sys.argv, "adapter_config.json"), TestOneInput)
    atheris.Fuzz()
