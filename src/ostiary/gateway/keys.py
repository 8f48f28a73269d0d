"""Keys of clients: the first is made when the server first starts and shown once; only its hash is kept.

A key has 256 random bits, so that one hash is enough: there is nothing to guess from.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import stat
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from ostiary.core.callers import Caller, Scope
from ostiary.core.json_text import parse_json_object
from ostiary.core.limits import MAX_BEARER_CHARACTERS, MAX_KEY_FILE_BYTES
from ostiary.core.text import explain_os_error
from ostiary.core.values import dataclass
from ostiary.errors import (
    ADMISSION_UNAUTHENTICATED,
    KEY_UNUSABLE,
    OUTPUT_UNWRITABLE,
    AdmissionRefused,
    IntakeRefused,
    Misuse,
    OutputUnwritable,
)
from ostiary.gateway.authenticators import Shown

KEYS_FILE: Final = "server-keys.json"
_SCHEMA: Final = 1
_BEGINNING: Final = "ost_"
_KEY: Final = re.compile(r"ost_([0-9a-f]{12})_[A-Za-z0-9_-]{43}", re.ASCII)
_ID: Final = re.compile(r"[0-9a-f]{12}", re.ASCII)
_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_NOBODY: Final = "0" * 64
_HINT: Final = "Restore the file from a backup, or move it away: the server makes a new first key then."


@dataclass(frozen=True, slots=True)
class KeptKey:
    """What is kept of a key."""

    id: str
    name: str
    sha256: str
    created: str


class ClientKeys:
    """Whom to let in."""

    def __init__(self, keys: Sequence[KeptKey]) -> None:
        self._by_id: Final = {key.id: key for key in keys}

    @property
    def count(self) -> int:
        return len(self._by_id)

    def find(self, shown: Shown) -> Caller | None:
        """Whose key it is; None where it does not look like one of ours. Raises AdmissionRefused."""
        secret = shown.secret
        if not secret.startswith(_BEGINNING):
            return None
        if len(secret) > MAX_BEARER_CHARACTERS:
            raise AdmissionRefused(ADMISSION_UNAUTHENTICATED, "what was shown is longer than any key")
        found = _KEY.fullmatch(secret)
        key = self._by_id.get(found[1]) if found else None
        computed = hashlib.sha256(secret.encode()).hexdigest()
        if not hmac.compare_digest(computed, _NOBODY if key is None else key.sha256) or key is None:
            raise AdmissionRefused(ADMISSION_UNAUTHENTICATED, "the key that was shown is none that is known here")
        return Caller(id=key.id, tenant=key.id, scopes=frozenset({Scope.INFER}))


def open_keys(state: Path) -> tuple[ClientKeys, str | None]:
    """The keys of this state directory, and in clear the first one where it was made just now.

    Raises Misuse(KEY_UNUSABLE) where the file is not ours alone, and OutputUnwritable.
    """
    path = state / KEYS_FILE
    made = None
    if not os.path.lexists(path):
        made = _make_first_key(path)
    return ClientKeys(read_keys(path)), made


def read_keys(path: Path) -> tuple[KeptKey, ...]:
    try:
        value = parse_json_object(_read_own_file(path), max_bytes=MAX_KEY_FILE_BYTES)
    except IntakeRefused as error:
        raise _unusable("is not JSON") from error
    entries = value.get("keys")
    if set(value) != {"schema", "keys"} or value["schema"] != _SCHEMA or not isinstance(entries, list):
        raise _unusable("is no file of keys")
    keys = tuple(_read_entry(entry) for entry in entries)
    if len({key.id for key in keys}) != len(keys):
        raise _unusable("has one id twice")
    return keys


def _read_entry(entry: object) -> KeptKey:
    if not isinstance(entry, dict) or set(entry) != {"id", "name", "sha256", "created"}:
        raise _unusable("has an entry that is no key")
    if not all(isinstance(text, str) for text in entry.values()):
        raise _unusable("has an entry that is no key")
    if not _ID.fullmatch(entry["id"]) or not _HASH.fullmatch(entry["sha256"]):
        raise _unusable("has an entry that is no key")
    return KeptKey(**entry)


def _read_own_file(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode):
                raise _unusable("is not a regular file")
            if found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o077:
                raise _unusable("can be read or written by others")
            return os.read(descriptor, MAX_KEY_FILE_BYTES + 1)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unusable(f"cannot be read: {explain_os_error(error)}") from error


def _make_first_key(path: Path) -> str | None:
    """None where another server was first."""
    key_id = secrets.token_hex(6)
    key = f"ost_{key_id}_{secrets.token_urlsafe(32)}"
    created = datetime.now(UTC).replace(microsecond=0).isoformat()
    kept = {"id": key_id, "name": "first", "sha256": hashlib.sha256(key.encode()).hexdigest(), "created": created}
    text = json.dumps({"schema": _SCHEMA, "keys": [kept]}, indent=1)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(f"{text}\n")
            file.flush()
            os.fsync(file.fileno())
        os.link(temporary, path)  # unlike a renaming, it fails where there is one
    except FileExistsError:
        return None
    except OSError as error:
        raise OutputUnwritable(OUTPUT_UNWRITABLE, f"{path.name}: {explain_os_error(error)}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return key


def _unusable(what: str) -> Misuse:
    return Misuse(KEY_UNUSABLE, f"{KEYS_FILE} {what}", hint=_HINT)
