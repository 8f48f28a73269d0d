"""What holds a private key and signs with it: this process, a program, a token. Each checks its own work."""

from __future__ import annotations

import hashlib
import subprocess  # an operator's own program is what CommandSigner is for
from typing import Final, Protocol

from ostiary.core.limits import MAX_SIGNER_MS
from ostiary.core.values import dataclass
from ostiary.errors import SIGNER_FAILED, SignerFailed, TrustRefused
from ostiary.trust.private_key import PrivateKey
from ostiary.trust.public_key import PublicKey

_HASHES: Final = {"P-256": hashlib.sha256, "P-384": hashlib.sha384, "P-521": hashlib.sha512}


class KeyHolder(Protocol):
    """What can sign. `sign_message` gives a DER signature that the public key was seen to accept."""

    @property
    def public_key(self) -> PublicKey: ...

    def sign_message(self, message: bytes) -> bytes: ...


@dataclass(frozen=True, slots=True)
class FileHolder:
    """A key that was read from a file."""

    key: PrivateKey

    @property
    def public_key(self) -> PublicKey:
        return self.key.public_key

    def sign_message(self, message: bytes) -> bytes:
        return check_signature(self.public_key, self.key.sign(message), message)


@dataclass(frozen=True, slots=True)
class CommandHolder:
    """A key that only a program can use: the digest on stdin, raw; the DER signature on stdout.

    No shell is involved. What the program prints on its error stream goes to this process's own.
    """

    public_key: PublicKey
    argv: tuple[str, ...]

    def sign_message(self, message: bytes) -> bytes:
        digest = compute_digest(self.public_key, message)
        try:
            ended = subprocess.run(  # noqa: S603  # argv is the operator's own, and there is no shell
                self.argv, input=digest, stdout=subprocess.PIPE, timeout=MAX_SIGNER_MS / 1000, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise SignerFailed(SIGNER_FAILED, "the signing program took too long") from error
        except (OSError, ValueError) as error:
            raise SignerFailed(SIGNER_FAILED, "the signing program could not be started") from error
        if ended.returncode:
            raise SignerFailed(SIGNER_FAILED, f"the signing program ended with status {ended.returncode}")
        return check_signature(self.public_key, ended.stdout, message)


def compute_digest(key: PublicKey, message: bytes) -> bytes:
    """The digest that is signed, raw, with the hash that belongs to the curve."""
    return _HASHES[key.curve](message).digest()


def check_signature(key: PublicKey, signature: bytes, message: bytes) -> bytes:
    """The signature, once the key was seen to accept it: what leaves the house is right."""
    try:
        key.verify(signature, message)
    except TrustRefused as refusal:
        message_text = "what was made is not a signature of the key: is it the public key of that private key?"
        raise SignerFailed(SIGNER_FAILED, message_text) from refusal
    return signature
