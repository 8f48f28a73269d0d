"""Fuzzes the index over weights files, as bytes and as a map beside files that mostly agree with it."""

from __future__ import annotations

import json
import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.intake.weights.read_index import ShardIndex, check_index, parse_index

from ostiary.errors import IntakeRefused
from ostiary.intake.weights.tensor import Tensor

NAMES = ["a", "b", "c", "", "model.layers.0.x", "\u202e"]
PATHS = [
    "model-1.safetensors",
    "model-2.safetensors",
    "",
    "/etc/passwd",
    "../x",
    "a\\b",
    "sub/x",
    "\x00",
    ".",
    "C:x",
]


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    try_index(data, {"model-1.safetensors": {}})
    provider = atheris.FuzzedDataProvider(data)

    def pick(of: list[str]) -> str:
        return of[provider.ConsumeIntInRange(0, len(of) - 1)]

    weight_map = {pick(NAMES): pick(PATHS) for _ in range(provider.ConsumeIntInRange(0, 6))}
    shards: dict[str, dict[str, Tensor]] = {}
    for _ in range(provider.ConsumeIntInRange(0, 3)):
        names = [pick(NAMES) for _ in range(provider.ConsumeIntInRange(0, 4))]
        shards[pick(PATHS)] = {name: Tensor(name, "U8", (4,), 0, 4) for name in names}
    metadata = {"total_size": provider.ConsumeInt(8)}
    try_index(json.dumps({"weight_map": weight_map, "metadata": metadata}).encode(), shards)


def try_index(data: bytes, shards: dict[str, dict[str, Tensor]]) -> None:
    try:
        index = parse_index(data)
    except IntakeRefused as refused:
        if "\n" in str(refused) or len(str(refused)) > 1_000:
            raise AssertionError(refused) from refused
        return
    for path in index.weight_map.values():
        if path.startswith("/") or ".." in path.split("/") or "\\" in path or "\x00" in path:
            raise AssertionError(path)
    findings = check_index(index, shards)
    if any("\n" in finding.sentence or len(finding.sentence) > 1_000 for finding in findings):
        raise AssertionError(findings)
    if not any(finding.is_refusing for finding in findings) and not agrees(index, shards):
        raise AssertionError(index)


def agrees(index: ShardIndex, shards: dict[str, dict[str, Tensor]]) -> bool:
    return {name: path for path, tensors in shards.items() for name in tensors} == dict(index.weight_map)


if __name__ == "__main__":
    from json_seeds import arguments_with_json

    atheris.Setup(arguments_with_json(sys.argv, "model.safetensors.index.json"), TestOneInput)
    atheris.Fuzz()
