"""The tickets that bytes carry from room to room. Only the room named on a ticket may print it.

A house test reads the source and fails where another package calls a ticket's constructor.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from ostiary.core.chunk_tree import ChunkTree
from ostiary.core.findings import Finding
from ostiary.core.values import dataclass


class FileKind(StrEnum):
    """What a file is, by its bytes first and its name second."""

    SAFETENSORS = "safetensors"
    INDEX = "safetensors-index"
    CONFIG = "config"
    GENERATION_CONFIG = "generation-config"
    TOKENIZER = "tokenizer"
    TOKENIZER_CONFIG = "tokenizer-config"
    SENTENCEPIECE = "sentencepiece"
    VOCABULARY = "vocabulary"
    CHAT_TEMPLATE = "chat-template"
    ADAPTER_CONFIG = "adapter-config"
    JSON = "json"
    SIGNATURE = "signature"
    DOCUMENT = "document"
    GGUF = "gguf"
    NPY = "npy"
    NPZ = "npz"
    MLXFN = "mlxfn"
    PICKLE = "pickle"
    CODE = "code"
    ARCHIVE = "archive"
    EXECUTABLE = "executable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One regular file as it was read: `sha256` covers the very bytes that were judged.

    With `chunks` the bytes went through that tree instead, and `sha256` is what a signature claims of them:
    the trust room lets that stand only where the same signature states the same tree.
    """

    path: str
    size: int
    sha256: str
    kind: FileKind
    chunks: ChunkTree | None = None


@dataclass(frozen=True, slots=True)
class DtypeTotal:
    """All tensors of one dtype together."""

    dtype: str
    tensors: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Quantization:
    """How the weights are packed."""

    bits: int
    group_size: int
    mode: str


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the model says it is, after it was checked against its own tensors. None: the model does not say."""

    format: str
    architecture: str | None
    layers: int | None
    hidden_size: int | None
    vocabulary: int | None
    context_tokens: int | None
    quantization: Quantization | None
    parameters: int | None
    """Weights as the network sees them: packed ones count unpacked, their scales do not count."""
    tensors: tuple[DtypeTotal, ...]
    weight_bytes: int
    cache_bytes_per_token: int | None
    cache_bytes_at_context: int | None
    layout_checked: bool
    """Whether every tensor was held against the architecture's own list of names and shapes."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A claim: what is in a model, nothing of it refused. Says nothing about who made it."""

    printed_by: ClassVar[str] = "ostiary.intake"

    name: str
    files: tuple[FileEntry, ...]
    """In code-point order of their paths, without the signature files (core/signature_files.py)."""
    root: str
    """SHA-256 over the raw file digests in that order, as OpenSSF Model Signing computes it."""
    facts: ModelFacts
    notes: tuple[Finding, ...]
    """Findings that do not refuse."""

    @property
    def bytes(self) -> int:
        return sum(entry.size for entry in self.files)

    def by_path(self) -> Mapping[str, FileEntry]:
        return {entry.path: entry for entry in self.files}


@dataclass(frozen=True, slots=True)
class VerifiedModel:
    """Somebody vouches for every byte of a manifest, and the policy in force believes them for this."""

    printed_by: ClassVar[str] = "ostiary.trust"

    manifest: Manifest
    model_id: str | None
    """The id that the signers gave it, where they gave one; never the directory's name."""
    model_version: str | None
    expires_at: datetime | None
    """When the earliest of the signatures that were needed ends."""
    signers: tuple[str, ...]
    """Who vouches, as `method:identity`; only those whom the deciding rule counts."""
    rule: str
    """What decided: the name of the policy's rule, or `key` where the operator named the key for this one time."""
    left_out: tuple[str, ...]
    """Unsigned files of the manifest that an operator chose to leave out; no later room may use them."""
    is_enforced: bool
    """False where the policy only warns or audits: then `objections` may hold what enforcing would have refused."""
    objections: tuple[str, ...] = ()
    """Codes that enforcing would have refused with."""

    @property
    def files(self) -> tuple[FileEntry, ...]:
        """What is vouched for."""
        return tuple(entry for entry in self.manifest.files if entry.path not in self.left_out)
