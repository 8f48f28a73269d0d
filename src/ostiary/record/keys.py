"""The keys that sign checkpoints: made on first use, kept in a file (mode 0600) or behind a command.

The key file has one line per key in the spelling of Go's note package (`PRIVATE+KEY+name+id+base64(type, seed)`).
In its place may lie `signer.json`, `{"keys": [verifier keys], "argv": [command ...]}`: the command is given the
key id as its last argument and the message on stdin, and prints the raw signature. So a token or an agent signs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final, Protocol

from ostiary.core.values import dataclass
from ostiary.errors import RECORD_BAD_SIGNATURE, RECORD_KEY_UNUSABLE, RecordDamaged, RecordRefused
from ostiary.record.command import CommandFailed, run_command
from ostiary.record.durable import sync_directory, write_new_file
from ostiary.record.note import Algorithm, VerifierKey, decode_base64, encode_base64, parse_verifier_key
from ostiary.record.private_file import read_private_file

KEY_FILE: Final = "log.key"
SIGNER_FILE: Final = "signer.json"
_NEXT_SUFFIX: Final = ".next"
_NEXT_KEY_FILE: Final = KEY_FILE + _NEXT_SUFFIX
_NEXT_SIGNER_FILE: Final = SIGNER_FILE + _NEXT_SUFFIX
_PREFIX: Final = "PRIVATE+KEY"
_SEED_BYTES: Final = 32


class Signer(Protocol):
    """Something that holds a private key and signs with it."""

    @property
    def verifier(self) -> VerifierKey: ...

    def sign(self, message: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class SeedSigner:
    """A key in this process's memory."""

    verifier: VerifierKey
    seed: bytes

    def __repr__(self) -> str:
        return f"SeedSigner({self.verifier.key_id.hex()})"

    def sign(self, message: bytes) -> bytes:
        return _load_private(self.verifier.algorithm, self.seed).sign(message)

    @property
    def line(self) -> str:
        material = encode_base64(bytes((self.verifier.algorithm,)) + self.seed)
        return f"{_PREFIX}+{self.verifier.name}+{self.verifier.key_id.hex()}+{material}\n"


@dataclass(frozen=True, slots=True)
class CommandSigner:
    """A key that only a command can use."""

    verifier: VerifierKey
    argv: tuple[str, ...]

    def sign(self, message: bytes) -> bytes:
        try:
            signature = run_command((*self.argv, self.verifier.key_id.hex()), message, has_answer=True)
        except CommandFailed as error:
            raise _unusable(f"the signing command {error}") from error
        try:
            verify_signature(self.verifier, signature, message)
        except RecordRefused as error:
            raise _unusable("the signing command printed something that is not a signature of its key") from error
        return signature


@cache
def has_algorithm(algorithm: Algorithm) -> bool:
    """Whether the installed `cryptography` can compute it: ML-DSA-44 came late and not to every build."""
    if algorithm is Algorithm.ED25519:
        return True
    try:
        _load_private(algorithm, bytes(_SEED_BYTES))
    except _lacking():
        return False
    return True


def create_signers(name: str) -> tuple[SeedSigner, ...]:
    """Fresh keys under this name: Ed25519, and ML-DSA-44 beside it where it can be computed."""
    return tuple(
        _signer_of_seed(name, algorithm, os.urandom(_SEED_BYTES))
        for algorithm in Algorithm
        if has_algorithm(algorithm)
    )


def write_key_file(path: Path, signers: Sequence[SeedSigner]) -> None:
    """Creates the file, never overwrites one; durable when it returns."""
    write_new_file(path, "".join(signer.line for signer in signers).encode(), mode=0o600)


def prepare_keys(directory: Path, name: str) -> tuple[Signer, ...]:
    """Makes the next keys and lays them beside the present ones, which sign until `load_active_signers`."""
    signers = create_signers(name)
    (directory / _NEXT_KEY_FILE).unlink(missing_ok=True)
    write_key_file(directory / _NEXT_KEY_FILE, signers)
    return signers


def prepare_signing_command(directory: Path, settings: bytes) -> tuple[Signer, ...]:
    """As `prepare_keys`, for keys behind a command (the content of a signer.json)."""
    signers = _parse_command_signers(settings)
    (directory / _NEXT_SIGNER_FILE).unlink(missing_ok=True)
    write_new_file(directory / _NEXT_SIGNER_FILE, settings, mode=0o600)
    return signers


def load_active_signers(directory: Path, active: Sequence[str]) -> tuple[Signer, ...]:
    """The signers of these verifier keys.

    Finishes a rotation that was announced in the log but interrupted before the key files were exchanged.
    """
    for name in (_NEXT_KEY_FILE, _NEXT_SIGNER_FILE):
        if os.path.lexists(directory / name) and _list_keys(_read_file(directory / name)) == tuple(active):
            _exchange(directory, name)
    for name in (SIGNER_FILE, KEY_FILE):
        if os.path.lexists(directory / name):
            signers = _read_file(directory / name)
            if _list_keys(signers) == tuple(active):
                return signers
    raise _unusable("no key here is the one that the record announced")


def _exchange(directory: Path, prepared: str) -> None:
    (directory / prepared).replace(directory / prepared.removesuffix(_NEXT_SUFFIX))
    other = KEY_FILE if prepared == _NEXT_SIGNER_FILE else SIGNER_FILE
    (directory / other).unlink(missing_ok=True)
    sync_directory(directory)


def _list_keys(signers: Sequence[Signer]) -> tuple[str, ...]:
    return tuple(signer.verifier.text for signer in signers)


def _read_file(path: Path) -> tuple[Signer, ...]:
    content = read_private_file(path, RECORD_KEY_UNUSABLE)
    if path.name.removesuffix(_NEXT_SUFFIX) == SIGNER_FILE:
        return _parse_command_signers(content)
    try:
        lines = content.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise _unusable("the key file is not text") from error
    if not lines:
        raise _unusable("the key file is empty")
    return tuple(_parse_private_key(line) for line in lines)


def verify_signature(key: VerifierKey, signature: bytes, message: bytes) -> None:
    """Returns when the signature is right, refuses otherwise."""
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # slow to import, not always needed

    try:
        if key.algorithm is Algorithm.ED25519:
            from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

            Ed25519PublicKey.from_public_bytes(key.public).verify(signature, message)
        else:
            from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey  # noqa: PLC0415

            MLDSA44PublicKey.from_public_bytes(key.public).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise RecordRefused(RECORD_BAD_SIGNATURE, f"the signature of key {key.key_id.hex()} is wrong") from error


class _Private(Protocol):
    def sign(self, data: bytes, /) -> bytes: ...
    def public_key(self) -> _Public: ...


class _Public(Protocol):
    def public_bytes_raw(self) -> bytes: ...


def _load_private(algorithm: Algorithm, seed: bytes) -> _Private:
    if algorithm is Algorithm.ED25519:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: PLC0415

        return Ed25519PrivateKey.from_private_bytes(seed)
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey  # noqa: PLC0415

    return MLDSA44PrivateKey.from_seed_bytes(seed)


def _signer_of_seed(name: str, algorithm: Algorithm, seed: bytes) -> SeedSigner:
    public = _load_private(algorithm, seed).public_key().public_bytes_raw()
    return SeedSigner(VerifierKey(name, algorithm, public), seed)


def _parse_private_key(line: str) -> SeedSigner:
    parts = line.removeprefix(f"{_PREFIX}+").split("+", 2)
    if not line.startswith(f"{_PREFIX}+") or len(parts) != 3:
        raise _unusable("the key file does not follow its format")
    name, key_id, encoded = parts
    try:
        material = decode_base64(encoded)
        algorithm = Algorithm(material[0])
    except (RecordRefused, ValueError, IndexError) as error:
        raise _unusable("the key file does not follow its format") from error
    if len(material) != 1 + _SEED_BYTES:
        raise _unusable("a key in the key file has the wrong length")
    try:
        signer = _signer_of_seed(name, algorithm, material[1:])
    except _lacking() as error:
        raise _unusable("the key needs ML-DSA-44, which the installed `cryptography` lacks") from error
    if signer.verifier.key_id.hex() != key_id:
        raise _unusable("a key in the key file was changed: its id does not match it")
    return signer


def _parse_command_signers(content: bytes) -> tuple[Signer, ...]:
    try:
        parsed = json.loads(content)
        keys, argv = parsed["keys"], tuple(parsed["argv"])
        verifiers = [parse_verifier_key(key) for key in keys]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, RecordRefused) as error:
        raise _unusable(f"{SIGNER_FILE} does not follow its format") from error
    if not verifiers or not argv or not all(isinstance(part, str) for part in argv):
        raise _unusable(f"{SIGNER_FILE} does not follow its format")
    return tuple(CommandSigner(verifier, argv) for verifier in verifiers)


def _unusable(message: str) -> RecordDamaged:
    return RecordDamaged(RECORD_KEY_UNUSABLE, message)


def _lacking() -> tuple[type[Exception], ...]:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415

    return (ImportError, UnsupportedAlgorithm)
