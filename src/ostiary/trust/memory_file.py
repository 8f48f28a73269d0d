"""The file `trust/versions.json` of the state directory: what is remembered, as of one entry of the record.

That is the newest version seen of each model, and which repository of trust is followed.

What it says is true only because the record has that entry: rollback.py holds the two together. Pure.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Final

from ostiary.core.json_text import parse_json_object
from ostiary.core.limits import MAX_MEMORY_BYTES, MAX_REMEMBERED_MODELS
from ostiary.core.model_id import parse_model_id
from ostiary.core.values import dataclass
from ostiary.errors import TRUST_TAMPERED, IntakeRefused, TrustRefused
from ostiary.trust.explanation import Remembered
from ostiary.trust.revocation import parse_sha256
from ostiary.trust.version import parse_version

MEMORY_FILE: Final = "versions.json"
_REBUILD: Final = (
    "Find out who changed the state directory; then build it anew from the record: ostiary trust pin --rebuild."
)
_FIELDS: Final = {"schema", "index", "entry", "models", "repository"}
_encode: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered, and the entry of the record that says so; None where nothing was remembered yet."""

    models: Mapping[str, Remembered]
    index: int | None = None
    entry: bytes = b""
    repository: str | None = None
    """SHA-256 of the first root of the repository of trust that is followed; None: none is."""

    @property
    def digest(self) -> str:
        said: object = _describe(self.models)
        if self.repository is not None:
            said = {"models": said, "repository": self.repository}
        return hashlib.sha256(_encode(said).encode()).hexdigest()


EMPTY: Final = Memory({})


def refuse_memory(what: str) -> TrustRefused:
    return TrustRefused(TRUST_TAMPERED, f"the memory of versions {what}", hint=_REBUILD)


def render_memory(memory: Memory) -> bytes:
    whole = {
        "schema": 1,
        "index": memory.index,
        "entry": memory.entry.decode("utf-8"),
        "models": _describe(memory.models),
        "repository": memory.repository,
    }
    return f"{_encode(whole)}\n".encode()


def parse_memory(data: bytes) -> Memory:
    """Any bytes at all are a memory or a refusal; whether it is the right one, the record says."""
    try:
        whole = parse_json_object(data, max_bytes=MAX_MEMORY_BYTES)
    except IntakeRefused as error:
        raise refuse_memory("is not the JSON that was written") from error
    index, entry, models = whole.get("index"), whole.get("entry"), whole.get("models")
    if set(whole) != _FIELDS or whole["schema"] != 1 or not isinstance(models, dict):
        raise refuse_memory("does not have its fields")
    repository = parse_repository(whole["repository"])
    if index is None and entry == "" and not models and repository is None:
        return EMPTY
    if type(index) is not int or index < 0 or not isinstance(entry, str) or len(models) > MAX_REMEMBERED_MODELS:
        raise refuse_memory("does not have its fields")
    parsed = {name: _parse_model(name, fields) for name, fields in models.items()}
    return Memory(parsed, index, entry.encode(), repository)


def parse_repository(value: object) -> str | None:
    """The repository as the file or an entry of the record has it."""
    if value is None:
        return None
    try:
        return parse_sha256(value if isinstance(value, str) else "")
    except TrustRefused as error:
        raise refuse_memory("follows a repository that is not one") from error


def parse_remembered(model_id: object, version: object, root: object, is_pinned: object) -> tuple[str, Remembered]:
    """One model as the file or an entry of the record has it."""
    if (
        not isinstance(model_id, str)
        or not isinstance(root, str)
        or not isinstance(is_pinned, bool)
        or not (version is None or isinstance(version, str))
    ):
        raise refuse_memory("has a model that is not one")
    try:
        parsed = None if version is None else parse_version(version)
        return parse_model_id(model_id), Remembered(parsed, parse_sha256(root), is_pinned)
    except TrustRefused as error:
        raise refuse_memory("has a model that is not one") from error


def _parse_model(name: str, fields: object) -> Remembered:
    if not isinstance(fields, dict) or set(fields) != {"version", "root", "is_pinned"}:
        raise refuse_memory("has a model that is not one")
    return parse_remembered(name, fields["version"], fields["root"], fields["is_pinned"])[1]


def _describe(models: Mapping[str, Remembered]) -> dict[str, object]:
    return {
        name: {
            "version": None if seen.version is None else seen.version.text,
            "root": seen.root,
            "is_pinned": seen.is_pinned,
        }
        for name, seen in models.items()
    }
