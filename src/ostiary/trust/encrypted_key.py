"""Encrypts a private key with a passphrase: PKCS#8, PBES2, scrypt and AES-256-CBC (RFC 8018, RFC 7914 section 7).

The `cryptography` library reads this form but writes only PBKDF2 with 2,048 rounds, which a graphics card guesses
through at millions a second. So the few ASN.1 lines around the library's own scrypt and AES are written here.
"""

from __future__ import annotations

import os
from base64 import b64encode
from typing import Final

# OWASP's choice of equal strength that stays below the 32 MiB that OpenSSL is willing to spend.
_SCRYPT_N: Final = 1 << 14
_SCRYPT_R: Final = 8
_SCRYPT_P: Final = 5
_KEY_BYTES: Final = 32
_BLOCK_BYTES: Final = 16

_PBES2: Final = bytes.fromhex("06092a864886f70d01050d")
_SCRYPT: Final = bytes.fromhex("06092b06010401da47040b")
_AES_256_CBC: Final = bytes.fromhex("060960864801650304012a")


def encrypt_private_key(pkcs8_der: bytes, passphrase: bytes) -> bytes:
    """`ENCRYPTED PRIVATE KEY` as PEM text."""
    from cryptography.hazmat.primitives.ciphers import Cipher  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.algorithms import AES  # noqa: PLC0415
    from cryptography.hazmat.primitives.ciphers.modes import CBC  # noqa: PLC0415
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt  # noqa: PLC0415

    salt, start = os.urandom(_BLOCK_BYTES), os.urandom(_BLOCK_BYTES)
    kdf = Scrypt(salt=salt, length=_KEY_BYTES, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P)
    encryptor = Cipher(AES(kdf.derive(passphrase)), CBC(start)).encryptor()
    filler = _BLOCK_BYTES - len(pkcs8_der) % _BLOCK_BYTES
    encrypted = encryptor.update(pkcs8_der + bytes((filler,)) * filler) + encryptor.finalize()
    parameters = _sequence(_octets(salt), _integer(_SCRYPT_N), _integer(_SCRYPT_R), _integer(_SCRYPT_P))
    scheme = _sequence(_sequence(_SCRYPT, parameters), _sequence(_AES_256_CBC, _octets(start)))
    der = _sequence(_sequence(_PBES2, scheme), _octets(encrypted))
    text = b64encode(der).decode("ascii")
    lines = [text[i : i + 64] for i in range(0, len(text), 64)]
    body = "\n".join(lines)
    return f"-----BEGIN ENCRYPTED PRIVATE KEY-----\n{body}\n-----END ENCRYPTED PRIVATE KEY-----\n".encode("ascii")


def _encode(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content


def _sequence(*parts: bytes) -> bytes:
    return _encode(0x30, b"".join(parts))


def _octets(content: bytes) -> bytes:
    return _encode(0x04, content)


def _integer(value: int) -> bytes:
    return _encode(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))
