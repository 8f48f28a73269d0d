"""What a verification brings to light: who signed what. Values only; policy decides on them.

bundles (untrusted bytes) -> SignedStatement (claimed) -> Vouching (a right signature by a known signer) -> Evidence
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from datetime import datetime
from enum import StrEnum

from ostiary.core.chunk_tree import ChunkTree
from ostiary.core.tickets import FileKind
from ostiary.core.values import dataclass


class SignerMethod(StrEnum):
    """How a signature is tied to a person."""

    KEY = "key"
    CERTIFICATE = "certificate"
    SIGSTORE = "sigstore"


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody whose signature was found right."""

    method: SignerMethod
    key_id: str
    """SHA-256, hexadecimal, of the public key as PEM text with its last newline: the hint of a bundle."""
    identity: str = ""
    """What the certificate says of its holder: an e-mail address, URI or host name; "" for a bare key."""
    issuer: str = ""
    """Who says so: the identity provider's URL, or the SHA-256 of the root certificate; "" for a bare key."""
    certificate_sha256: str = ""
    """SHA-256, hexadecimal, of the signer's certificate in DER; "" for a bare key."""

    @property
    def name(self) -> str:
        """One word for people and for the record; neither secret nor ambiguous."""
        if self.identity:
            return f"{self.method}:{self.identity}"
        return f"{self.method}:{self.key_id}"


@dataclass(frozen=True, slots=True)
class SignedFile:
    """One line of a statement: this path has these bytes."""

    path: str
    sha256: str
    chunks: ChunkTree | None = None


@dataclass(frozen=True, slots=True)
class SignedFinding:
    """A finding that the signer knew of and signed nevertheless: code in the model."""

    rule: str
    path: str


@dataclass(frozen=True, slots=True)
class SignedStatement:
    """What one signature says, as parsed from the very bytes that were signed.

    The last fields come from the subject's annotations (docs/formats/signature.md); a signature made by another
    program has none of them.
    """

    name: str
    """The subject's name: a label that the publisher chose, never an identity."""
    root: str
    """SHA-256 over the raw digests of `files` in their listed order."""
    files: tuple[SignedFile, ...]
    """In listed order."""
    ignored_paths: tuple[str, ...] = ()
    """What the signer left out. A file of such a name in the model is refused all the same."""
    model_id: str | None = None
    model_version: str | None = None
    signed_at: datetime | None = None
    """The signer's own word; nobody else vouches for it."""
    expires_at: datetime | None = None
    claims: Mapping[str, str] = field(default_factory=dict)
    findings: tuple[SignedFinding, ...] = ()


@dataclass(frozen=True, slots=True)
class Vouching:
    """One right signature: this signer said this. `path` is the signature file, relative to the model."""

    signer: Signer
    statement: SignedStatement
    path: str


@dataclass(frozen=True, slots=True)
class UnknownSignature:
    """A signature over the same files that cannot be counted: nobody here knows the signer, or no longer.

    It neither helps nor hurts; where there is no other, its code is the answer.
    """

    path: str
    method: SignerMethod
    hint: str
    """What the signature file says of its key: untrusted text."""
    reason: str
    """Why it does not count, in a clause."""
    code: str = "TRUST_WRONG_SIGNER"


@dataclass(frozen=True, slots=True)
class Evidence:
    """Steps 1 to 6 are done: the files are exactly these, and these people signed them. Step 7, policy, is left.

    All statements list the same files with the same digests; they may differ in id, version, expiry and claims.
    """

    name: str
    """The model's display name: the last part of its path."""
    root: str
    """Recomputed from the bytes that were read, in code-point order, without `left_out`."""
    format: str
    """The format of the weights."""
    kinds: Mapping[str, FileKind]
    """Path to kind, of every file."""
    findings: tuple[SignedFinding, ...]
    """What intake itself noticed of code in the model, without refusing it."""
    vouchings: tuple[Vouching, ...]
    unknown: tuple[UnknownSignature, ...] = ()
    left_out: tuple[str, ...] = ()
    """Unsigned files that an operator chose to leave out; `kinds` does not have them."""
    source: str = ""
    """Where it came from as policy names it: an absolute directory, or `hub:owner/name`; "" where unknown."""
