"""Private keys: made here or taken from a PEM file. Only `render_private_key` ever gives one out as text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import TYPE_CHECKING, Final

from ostiary.core.limits import MAX_PEM_BYTES
from ostiary.core.values import dataclass
from ostiary.errors import KEY_LOCKED, KEY_UNUSABLE, Misuse, TrustRefused
from ostiary.trust.encrypted_key import encrypt_private_key
from ostiary.trust.public_key import PublicKey, choose_hash, wrap_public_key

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

CURVE_NAMES: Final = ("P-256", "P-384", "P-521")

AskPassphrase = Callable[[], bytes]
"""Called only where the key needs one; raises KEY_LOCKED where nobody can be asked."""


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """A key in this process's memory. `repr` shows its id only."""

    public_key: PublicKey
    is_encrypted: bool
    """Whether the file it came from was."""
    native: EllipticCurvePrivateKey = field(repr=False, compare=False)

    def sign(self, message: bytes) -> bytes:
        """An ECDSA signature in DER, over the hash that OMS pairs with the curve."""
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415

        return self.native.sign(message, ECDSA(choose_hash(self.public_key.curve)))


def create_private_key(curve: str) -> PrivateKey:
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    curves: dict[str, ec.EllipticCurve] = {
        "P-256": ec.SECP256R1(),
        "P-384": ec.SECP384R1(),
        "P-521": ec.SECP521R1(),
    }
    native = ec.generate_private_key(curves[curve])
    return PrivateKey(wrap_public_key(native.public_key()), False, native)


def render_private_key(key: PrivateKey, passphrase: bytes | None) -> bytes:
    """The PEM text to write to a file: encrypted, unless somebody asked for it unsafely with None."""
    from cryptography.hazmat.primitives.serialization import (  # noqa: PLC0415
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    encoding = Encoding.PEM if passphrase is None else Encoding.DER
    plain = key.native.private_bytes(encoding, PrivateFormat.PKCS8, NoEncryption())
    if passphrase is None:
        return plain
    if not passphrase:
        raise Misuse(KEY_LOCKED, "the passphrase is empty")
    return encrypt_private_key(plain, passphrase)


def parse_private_key(pem: bytes, ask: AskPassphrase) -> PrivateKey:
    """A key from PEM text: PKCS#8 or SEC 1, encrypted or not."""
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    if len(pem) > MAX_PEM_BYTES:
        raise Misuse(KEY_UNUSABLE, "the key file is larger than any key")
    if b"PRIVATE KEY-----" not in pem:
        raise Misuse(KEY_UNUSABLE, "the key file holds no private key as PEM text")
    is_encrypted = b"ENCRYPTED" in pem
    try:
        native = load_pem_private_key(pem, ask() if is_encrypted else None)
    except UnsupportedAlgorithm as error:
        raise Misuse(KEY_UNUSABLE, "the key file holds a kind of key that is not supported") from error
    except (ValueError, TypeError) as error:
        # Its own cause may quote the key's bytes: it is not kept.
        if is_encrypted:
            raise Misuse(KEY_LOCKED, "the passphrase does not open the key") from None
        raise Misuse(KEY_UNUSABLE, "the key file cannot be read") from error
    if not isinstance(native, EllipticCurvePrivateKey):
        raise Misuse(KEY_UNUSABLE, "the key is not an ECDSA key")
    try:
        return PrivateKey(wrap_public_key(native.public_key()), is_encrypted, native)
    except TrustRefused as refusal:
        raise Misuse(KEY_UNUSABLE, f"the key: {refusal.message}") from refusal
