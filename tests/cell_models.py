"""Small models, vouched for by nobody in particular, for tests and measurements that need a running cell."""

from __future__ import annotations

import hashlib
import json
import struct
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from ostiary.core.digests import compute_root
from ostiary.core.tickets import (
    FileEntry,
    FileKind,
    Manifest,
    ModelFacts,
    SealedModel,
    VerifiedModel,
)
from ostiary.record.events import Emit
from ostiary.vault import open_sealed


def pack_safetensors(shapes: Mapping[str, tuple[int, ...]]) -> bytes:
    """Float32 tensors of counted values."""
    header: dict[str, object] = {}
    parts = []
    at = 0
    for name, shape in sorted(shapes.items()):
        count = 1
        for size in shape:
            count *= size
        data = struct.pack(f"<{count}f", *((index % 7) / 7 for index in range(count)))
        header[name] = {"dtype": "F32", "shape": list(shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def write_model(place: Path, shards: int = 1, shapes: Mapping[str, tuple[int, ...]] | None = None) -> VerifiedModel:
    """A configuration and so many weights files, `a` 64 x 64 in each unless told otherwise."""
    place.mkdir(parents=True, exist_ok=True)
    files = {"config.json": b'{"model_type": "llama"}'}
    for number in range(shards):
        named = {f"{name}{number}": shape for name, shape in (shapes or {"a": (64, 64)}).items()}
        files[f"model-{number}.safetensors"] = pack_safetensors(named)
    entries = []
    for name, data in sorted(files.items()):
        (place / name).write_bytes(data)
        (place / name).chmod(0o644)
        kind = FileKind.SAFETENSORS if name.endswith(".safetensors") else FileKind.CONFIG
        entries.append(FileEntry(name, len(data), hashlib.sha256(data).hexdigest(), kind))
    weight_bytes = sum(entry.size for entry in entries if entry.kind is FileKind.SAFETENSORS)
    facts = ModelFacts("safetensors", None, None, None, None, None, None, None, (), weight_bytes, None, None, False)
    manifest = Manifest(place.name, tuple(entries), compute_root(entry.sha256 for entry in entries), facts, ())
    return VerifiedModel(manifest, None, None, None, ("key:test",), "key", (), is_enforced=True)


@contextmanager
def open_model(
    place: Path, emit: Emit, shards: int = 1, shapes: Mapping[str, tuple[int, ...]] | None = None
) -> Iterator[SealedModel]:
    verified = write_model(place, shards, shapes)
    with open_sealed(place, verified, emit, "test") as sealed:
        yield sealed
