"""model.safetensors.index.json: which tensor lies in which weights file, and whether that is so."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import Finding, Rule, refuse
from ostiary.core.limits import MAX_JSON_BYTES, MAX_PATH_BYTES
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.quote_few import quote_few
from ostiary.intake.read_json import JsonValue, describe_type, parse_json_object
from ostiary.intake.rules.index import (
    INDEX_MALFORMED,
    INDEX_PATH_ESCAPE,
    INDEX_SHARD_MISSING,
    INDEX_SHARD_UNLISTED,
    INDEX_TENSOR_ELSEWHERE,
    INDEX_TENSOR_MISSING,
    INDEX_TENSOR_TWICE,
    INDEX_TENSOR_UNLISTED,
    INDEX_WRONG_SIZE,
)
from ostiary.intake.weights.tensor import Tensor

# A drive letter makes a path absolute on Windows, and nothing honest has a colon.
_UNSAFE_IN_PATH: Final = re.compile(r"[\\:\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class ShardIndex:
    """A claim. Paths are relative to the directory of the index and cannot leave it."""

    weight_map: Mapping[str, str]
    total_size: int | None
    """None where the index does not say; writers that do not know it put 0."""
    notes: tuple[Finding, ...]


def parse_index(data: bytes) -> ShardIndex:
    values = parse_json_object(data, max_bytes=MAX_JSON_BYTES)
    claimed = values.get("weight_map")
    if not isinstance(claimed, dict):
        raise refuse(INDEX_MALFORMED, f"weight_map is {describe_type(claimed)}, not an object")
    weight_map: dict[str, str] = {}
    safe: set[str] = set()
    for name, path in claimed.items():
        if not isinstance(path, str):
            raise refuse(INDEX_MALFORMED, f"the file of '{quote_untrusted(name)}' is {describe_type(path)}")
        if path not in safe:
            _check_path(path)
            safe.add(path)
        weight_map[name] = path
    if not weight_map:
        raise refuse(INDEX_MALFORMED, "weight_map lists no tensor")
    total_size, notes = _parse_total_size(values.get("metadata"))
    return ShardIndex(MappingProxyType(weight_map), total_size, notes)


def check_index(index: ShardIndex, shards: Mapping[str, Mapping[str, Tensor]]) -> tuple[Finding, ...]:
    """Holds the index against `shards`, the weights files beside it: path as in the index -> its tensors."""
    return tuple(_find_contradictions(index, shards))


def _find_contradictions(index: ShardIndex, shards: Mapping[str, Mapping[str, Tensor]]) -> Iterator[Finding]:
    listed = set(index.weight_map.values())
    yield from _tell(INDEX_SHARD_MISSING, "is listed but not there", sorted(listed - shards.keys()))
    yield from _tell(INDEX_SHARD_UNLISTED, "is there but not listed", sorted(shards.keys() - listed))
    places: dict[str, str] = {}
    twice: list[str] = []
    elsewhere: list[str] = []
    unlisted: list[str] = []
    # A file that is not listed is one finding; its tensors would only repeat it.
    for path in sorted(shards.keys() & listed):
        for name in shards[path]:
            if name in places:
                twice.append(name)
                continue
            places[name] = path
            stated = index.weight_map.get(name)
            if stated is None:
                unlisted.append(name)
            elif stated != path:
                elsewhere.append(name)
    missing = [n for n, path in index.weight_map.items() if n not in places and path in shards]
    yield from _tell(INDEX_TENSOR_TWICE, "lies in two files", twice)
    yield from _tell(INDEX_TENSOR_ELSEWHERE, "lies in another file than the index says", elsewhere)
    yield from _tell(INDEX_TENSOR_UNLISTED, "is not listed", unlisted)
    yield from _tell(INDEX_TENSOR_MISSING, "is listed but in no file", missing)
    if index.total_size:
        size = sum(tensor.bytes for path in listed & shards.keys() for tensor in shards[path].values())
        if size != index.total_size:
            yield Finding(INDEX_WRONG_SIZE, f"the index says {index.total_size} bytes, the tensors have {size}")


def _tell(rule: Rule, what: str, names: list[str]) -> Iterator[Finding]:
    """One finding for all of a kind, naming the first few."""
    if names:
        yield Finding(rule, f"{quote_few(names)} {what}")


def _check_path(path: str) -> None:
    shown = quote_untrusted(path)
    if not path or len(path.encode("utf-8")) > MAX_PATH_BYTES:
        raise refuse(INDEX_MALFORMED, f"'{shown}' is not the name of a file")
    if path.startswith("/") or _UNSAFE_IN_PATH.search(path) or ".." in path.split("/"):
        raise refuse(INDEX_PATH_ESCAPE, f"the index names the file '{shown}'")
    if any(part in ("", ".") for part in path.split("/")):
        raise refuse(INDEX_MALFORMED, f"'{shown}' is not the plain name of a file")


def _parse_total_size(metadata: JsonValue) -> tuple[int | None, tuple[Finding, ...]]:
    if metadata is None:
        return None, ()
    if not isinstance(metadata, dict):
        raise refuse(INDEX_MALFORMED, f"metadata is {describe_type(metadata)}, not an object")
    size = metadata.get("total_size")
    if size is None:
        return None, ()
    if not isinstance(size, int | float) or isinstance(size, bool) or size < 0:
        return None, (Finding(INDEX_WRONG_SIZE, "total_size is not a number of bytes"),)
    return int(size) or None, ()
