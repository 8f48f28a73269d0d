"""Public keys: ECDSA on P-256, P-384 and P-521, as PEM. A key's id is the hint that OMS bundles carry."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from dataclasses import field
from typing import TYPE_CHECKING, Final

from ostiary.core.limits import MAX_PEM_BYTES
from ostiary.core.values import dataclass
from ostiary.errors import TRUST_BAD_SIGNATURE, TRUST_MALFORMED, TRUST_TOO_LARGE, TRUST_UNSUPPORTED, TrustRefused

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
"""The curves of the OMS algorithm registry, by the name that `cryptography` has for each."""


_BEGIN: Final = b"-----BEGIN PUBLIC KEY-----"
_END: Final = b"-----END PUBLIC KEY-----"
# SubjectPublicKeyInfo of RFC 5480 up to an uncompressed point, which is of fixed length on each curve.
_SPKI_STARTS: Final = {
    "P-256": bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200"),
    "P-384": bytes.fromhex("3076301006072a8648ce3d020106052b81040022036200"),
    "P-521": bytes.fromhex("30819b301006072a8648ce3d020106052b8104002303818600"),
}


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that can be verified with. Two of the same `pem` are the same key."""

    pem: bytes
    """SubjectPublicKeyInfo as PEM, as `cryptography` writes it: one spelling per key, with its last newline."""
    curve: str
    native: EllipticCurvePublicKey = field(repr=False, compare=False)

    @property
    def key_id(self) -> str:
        """SHA-256 of the PEM text, hexadecimal."""
        return hashlib.sha256(self.pem).hexdigest()

    def verify(self, signature: bytes, message: bytes) -> None:
        """Returns when the DER signature is right, refuses otherwise."""
        from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  # slow to import
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA  # noqa: PLC0415

        try:
            self.native.verify(signature, message, ECDSA(choose_hash(self.curve)))
        except InvalidSignature as error:
            raise TrustRefused(
                TRUST_BAD_SIGNATURE, f"the signature is not one of key {self.key_id[:16]} over these bytes"
            ) from error


def choose_hash(curve: str) -> HashAlgorithm:
    """The hash that OMS pairs with a curve."""
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415

    if curve == "P-256":
        return hashes.SHA256()
    return hashes.SHA384() if curve == "P-384" else hashes.SHA512()


def parse_public_key(pem: bytes) -> PublicKey:
    """A key from PEM text. Tools write remarks above it (RFC 7468, 2); a second block of any kind is refused."""
    if len(pem) > MAX_PEM_BYTES:
        raise TrustRefused(
            TRUST_TOO_LARGE, f"a public key of {len(pem)} bytes; the ceiling is {int(MAX_PEM_BYTES)}"
        )
    if b"PRIVATE KEY-----" in pem:
        raise TrustRefused(TRUST_MALFORMED, "it holds a private key where a public one belongs")
    if pem.count(b"-----BEGIN") != 1 or _BEGIN not in pem:
        raise TrustRefused(TRUST_MALFORMED, "it is not one public key as PEM text")
    return _parse_plain_key(pem) or _parse_any_key(pem)


def _parse_plain_key(pem: bytes) -> PublicKey | None:
    """A key in the form that every tool writes, without the library's readers of all forms, which load slowly."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

    body = pem[pem.index(_BEGIN) + len(_BEGIN) :].partition(_END)[0]
    try:
        der = b64decode(b"".join(body.split()), validate=True)
    except ValueError:
        return None
    for curve, native_curve in (("P-256", ec.SECP256R1()), ("P-384", ec.SECP384R1()), ("P-521", ec.SECP521R1())):
        start = _SPKI_STARTS[curve]
        point = der[len(start) :]
        if not der.startswith(start) or len(point) != 1 + 2 * ((native_curve.key_size + 7) // 8):
            continue
        try:
            native = ec.EllipticCurvePublicKey.from_encoded_point(native_curve, point)
        except ValueError as error:  # not on the curve
            raise TrustRefused(TRUST_MALFORMED, "it is not a public key that can be read") from error
        lines = b64encode(der)
        text = b"\n".join(lines[i : i + 64] for i in range(0, len(lines), 64))
        return PublicKey(b"%b\n%b\n%b\n" % (_BEGIN, text, _END), curve, native)
    return None


def _parse_any_key(pem: bytes) -> PublicKey:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    try:
        native = load_pem_public_key(pem[pem.index(b"-----BEGIN") :])
    except UnsupportedAlgorithm as error:
        raise TrustRefused(TRUST_UNSUPPORTED, "its kind of key is not supported") from error
    except ValueError as error:
        raise TrustRefused(TRUST_MALFORMED, "it is not a public key that can be read") from error
    return wrap_public_key(native)


def wrap_public_key(native: object) -> PublicKey:
    """The key as our value, or a refusal where signatures by such a key are not supported."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    if not isinstance(native, EllipticCurvePublicKey):
        raise TrustRefused(TRUST_UNSUPPORTED, "it is not an ECDSA key")
    curve = CURVES.get(native.curve.name)
    if curve is None:
        raise TrustRefused(TRUST_UNSUPPORTED, "its curve is none of P-256, P-384 and P-521")
    return PublicKey(native.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), curve, native)
