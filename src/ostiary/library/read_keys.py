"""Files that an operator names to say whom he believes. What is wrong with one is his mistake, not a model's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ostiary.core.limits import MAX_SIGSTORE_CONFIG_BYTES
from ostiary.core.text import quote_untrusted
from ostiary.errors import KEY_UNUSABLE, Misuse, TrustRefused
from ostiary.trust.key_files import read_key_file

if TYPE_CHECKING:
    from ostiary.trust.public_key import PublicKey

_CONFIG_HINT: Final = "It is your instance's ClientTrustConfig; other Sigstore clients take the same file."


def read_public_key(path: Path) -> PublicKey:
    """A public key as PEM file."""
    from ostiary.trust.public_key import parse_public_key

    try:
        return parse_public_key(read_key_file(path).data)
    except TrustRefused as refusal:
        raise Misuse(KEY_UNUSABLE, f"{path.name}: {refusal.message}", hint=refusal.hint) from refusal


def read_roots(path: Path) -> tuple[bytes, ...]:
    """Root certificates, in DER."""
    from ostiary.trust.certificates import parse_pem_certificates

    try:
        return parse_pem_certificates(read_key_file(path).data)
    except TrustRefused as refusal:
        raise Misuse(KEY_UNUSABLE, f"{path.name}: {refusal.message}") from refusal


def read_sigstore_roots(path: Path) -> bytes:
    """A Sigstore configuration whose roots can be used, for whoever verifies."""
    from ostiary.trust.sigstore_bundle import open_verifier

    data = read_sigstore_config(path)
    with naming_sigstore_config(path):
        open_verifier(data)
    return data


def read_sigstore_config(path: Path) -> bytes:
    return read_key_file(path, MAX_SIGSTORE_CONFIG_BYTES).data


@contextmanager
def naming_sigstore_config(path: Path | None) -> Iterator[None]:
    """What is wrong with it is told with its name."""
    try:
        yield
    except TrustRefused as refusal:
        named = "" if path is None else f"{quote_untrusted(path.name)}: "
        raise Misuse(KEY_UNUSABLE, f"{named}{refusal.message}", hint=_CONFIG_HINT) from refusal
