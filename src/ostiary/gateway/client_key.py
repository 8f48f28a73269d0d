"""What is kept of the keys of clients, and the file that it is kept in, as values. Pure.

A key has 256 random bits, so that one hash is enough: there is nothing to guess from.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from ostiary.core.callers import Caller, Scope, is_tenant_name
from ostiary.core.json_text import parse_json_object
from ostiary.core.limits import MAX_CLIENT_KEYS, MAX_CLIENT_KEYS_BYTES, MAX_SERVED_MODELS
from ostiary.core.values import dataclass
from ostiary.errors import KEY_UNUSABLE, IntakeRefused, Misuse
from ostiary.gateway.settings_file import is_served_name

KEYS_FILE: Final = "server-keys.json"
BEGINNING: Final = "ost_"
"""Of every key: what does not begin so is none of ours. Scanners for leaked keys know it by this."""
KEY_TEXT: Final = re.compile(rf"{BEGINNING}([0-9a-f]{{12}})_[A-Za-z0-9_-]{{43}}", re.ASCII)
KEY_ID: Final = re.compile(r"[0-9a-f]{12}", re.ASCII)
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,63}", re.ASCII)
_OLD_SCHEMA: Final = 1
_SCHEMA: Final = 2
_OLD_FIELDS: Final = frozenset({"id", "name", "sha256", "created"})
_FIELDS: Final = _OLD_FIELDS | {"tenant", "scopes", "models", "expires", "revoked"}
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", re.ASCII)
_HINT: Final = (
    "Restore the file from a backup, or move it away and make new keys: a server that starts without it makes one."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientKey:
    """What is kept of a key. Times are seconds since 1970."""

    id: str
    name: str
    sha256: str
    created: int
    tenant: str
    scopes: frozenset[Scope] = frozenset({Scope.INFER})
    models: frozenset[str] | None = None
    """By the names that they are served under; None: all."""
    expires: int | None = None
    """From then on it lets nobody in; None: never."""
    revoked: int | None = None
    """Since when it lets nobody in."""

    def has_expired(self, now: float) -> bool:
        return self.expires is not None and now >= self.expires

    def is_valid(self, now: float) -> bool:
        return self.revoked is None and not self.has_expired(now)

    def caller(self) -> Caller:
        return Caller(id=self.id, tenant=self.tenant, scopes=self.scopes, models=self.models)


def make_key(
    name: str,
    now: int,
    *,
    tenant: str | None = None,
    scopes: frozenset[Scope] = frozenset({Scope.INFER}),
    models: frozenset[str] | None = None,
    expires: int | None = None,
) -> tuple[ClientKey, str]:
    """What is kept of a new key, and the key itself, which is to be shown once."""
    key_id = secrets.token_hex(6)
    text = f"{BEGINNING}{key_id}_{secrets.token_urlsafe(32)}"
    kept = ClientKey(
        id=key_id,
        name=name,
        sha256=compute_hash(text),
        created=now,
        tenant=name if tenant is None else tenant,
        scopes=scopes,
        models=models,
        expires=expires,
    )
    return kept, text


def is_key_name(text: str) -> bool:
    """Whether a key may be called so: a word, or an address of mail. It is a name for a tenant as well."""
    return _NAME.fullmatch(text) is not None and is_tenant_name(text)


def compute_hash(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def render_time(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse_keys(data: bytes) -> tuple[ClientKey, ...]:
    """Raises Misuse(KEY_UNUSABLE)."""
    try:
        value = parse_json_object(data, max_bytes=MAX_CLIENT_KEYS_BYTES)
    except IntakeRefused as error:
        raise unusable("is not JSON") from error
    entries, schema = value.get("keys"), value.get("schema")
    is_known = type(schema) is int and schema in (_OLD_SCHEMA, _SCHEMA)
    if set(value) != {"schema", "keys"} or not is_known or not isinstance(entries, list):
        raise unusable("is no file of keys, or one of a later version")
    if len(entries) > MAX_CLIENT_KEYS:
        raise unusable(f"has more than {int(MAX_CLIENT_KEYS)} keys")
    parse = _parse_old_entry if schema == _OLD_SCHEMA else _parse_entry
    try:
        keys = tuple(parse(entry) for entry in entries)
    except _Unfit as error:
        raise unusable("has an entry that is no key") from error
    if len({key.id for key in keys}) != len(keys):
        raise unusable("has one id twice")
    return keys


def render_keys(keys: Sequence[ClientKey]) -> bytes:
    """Raises Misuse(KEY_UNUSABLE) where there is no room for all of them."""
    if len({key.id for key in keys}) != len(keys):  # by chance once in as many keys as nobody makes
        raise Misuse(KEY_UNUSABLE, "a key has this id already", hint="Try again: another one gets another id.")
    text = json.dumps({"schema": _SCHEMA, "keys": [_describe(key) for key in keys]}, indent=1)
    data = f"{text}\n".encode()
    if len(keys) > MAX_CLIENT_KEYS or len(data) > MAX_CLIENT_KEYS_BYTES:
        raise Misuse(
            KEY_UNUSABLE,
            f"{KEYS_FILE} has room for {int(MAX_CLIENT_KEYS):,} keys, and no more",
            hint="Take out those that let nobody in any more: ostiary keys forget.",
        )
    return data


def unusable(what: str, *, hint: str = _HINT) -> Misuse:
    return Misuse(KEY_UNUSABLE, f"{KEYS_FILE} {what}", hint=hint)


class _Unfit(Exception):
    """An entry is none."""


def _describe(key: ClientKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "tenant": key.tenant,
        "sha256": key.sha256,
        "created": render_time(key.created),
        "scopes": sorted(scope.value for scope in key.scopes),
        "models": None if key.models is None else sorted(key.models),
        "expires": None if key.expires is None else render_time(key.expires),
        "revoked": None if key.revoked is None else render_time(key.revoked),
    }


def _parse_old_entry(entry: object) -> ClientKey:
    """Of the first versions, which had one kind of key."""
    if not isinstance(entry, dict) or set(entry) != _OLD_FIELDS:
        raise _Unfit
    created = entry["created"]
    if not isinstance(created, str):
        raise _Unfit
    name = entry["name"]
    if not isinstance(name, str) or not is_key_name(name):
        name = entry["id"]
    return _make(
        entry,
        name=name,
        tenant=name,
        created=_parse_time(created.replace("+00:00", "Z")),
    )


def _parse_entry(entry: object) -> ClientKey:
    if not isinstance(entry, dict) or set(entry) != _FIELDS:
        raise _Unfit
    scopes, models = entry["scopes"], entry["models"]
    if not isinstance(scopes, list) or not set(map(str, scopes)) <= {scope.value for scope in Scope}:
        raise _Unfit
    if models is not None and not _are_models(models):
        raise _Unfit
    expires, revoked = entry["expires"], entry["revoked"]
    return _make(
        entry,
        name=entry["name"],
        created=_parse_time(entry["created"]),
        tenant=entry["tenant"],
        scopes=frozenset(map(Scope, scopes)),
        models=None if models is None else frozenset(models),
        expires=None if expires is None else _parse_time(expires),
        revoked=None if revoked is None else _parse_time(revoked),
    )


def _make(entry: dict[str, Any], *, name: Any, tenant: Any, created: int, **more: Any) -> ClientKey:
    """With what both schemas have."""
    key_id, digest = entry["id"], entry["sha256"]
    if not isinstance(key_id, str) or not KEY_ID.fullmatch(key_id):
        raise _Unfit
    if not isinstance(digest, str) or not _HASH.fullmatch(digest):
        raise _Unfit
    if not isinstance(name, str) or not is_key_name(name):
        raise _Unfit
    if not isinstance(tenant, str) or not is_tenant_name(tenant):
        raise _Unfit
    return ClientKey(id=key_id, name=name, sha256=digest, created=created, tenant=tenant, **more)


def _are_models(models: object) -> bool:
    return (
        isinstance(models, list)
        and len(models) <= MAX_SERVED_MODELS
        and all(isinstance(model, str) and is_served_name(model) for model in models)
    )


def _parse_time(text: object) -> int:
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        raise _Unfit
    try:
        return int(datetime.fromisoformat(text).timestamp())
    except ValueError as error:
        raise _Unfit from error
