"""The tickets that bytes carry from room to room. Only the room named on a ticket may print it.

A house test reads the source and fails where another package calls a ticket's constructor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import ClassVar, Protocol

from ostiary.core.chunk_tree import ChunkTree
from ostiary.core.findings import Finding
from ostiary.core.json_text import JsonValue
from ostiary.core.requests import Choice, Operation, Timings, Usage
from ostiary.core.tensors import ExpectedTensor, Tensor
from ostiary.core.terms.values import LanguageTerms, OutputTerms
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
    GRAPH = "graph"
    CONTRACT = "contract"
    CARD = "card"
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
class JudgedParts:
    """The beginning and the end of a file of weights, which are all that intake's readers look at."""

    head_bytes: int
    head_sha256: str
    tail_bytes: int
    tail_sha256: str


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One regular file as it was read: `sha256` covers the very bytes that were judged.

    With `chunks` the bytes went through that tree instead, and `sha256` is what a signature claims of them:
    the trust room lets that stand only where the same signature states the same tree.

    With `parts` no more than those was read, and everything else is what a signature claims. Nobody may rely on it
    but the vault, which compares every byte before it hands one out.
    """

    path: str
    size: int
    sha256: str
    kind: FileKind
    chunks: ChunkTree | None = None
    parts: JudgedParts | None = None


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
class FunctionFacts:
    """What a function takes and gives, and of what it is made."""

    name: str
    version: int
    """Of the format of its graph."""
    nodes: int
    primitives: tuple[tuple[str, int], ...]
    """How often each is used, the most used first."""
    inputs: tuple[tuple[str, str, tuple[str, ...]], ...]
    """Name, datatype and sizes; a size is a number or follows dims."""
    outputs: tuple[tuple[str, str, tuple[str, ...]], ...]
    dims: tuple[tuple[str, int, int | None], ...]
    """Name, least and greatest size."""
    call_bytes: int = 0
    """Memory that the largest call takes beside the tensors; dims without an end count as `USUAL_DIM`."""
    card: tuple[tuple[str, str], ...] = ()
    """What its maker says of it, in a few words each: who, when, license, data, metrics. Nobody checked it."""


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
    """Whether every tensor was held against the architecture's own list of names and shapes, or a graph's."""
    function: FunctionFacts | None = None
    """Where the model is a function; its format is `function` then."""
    terms: LanguageTerms | None = None
    """What its contract.json says, where it is a language model and has one."""


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
    """Somebody vouches for every byte of a manifest, and the policy in force believes them for this.

    Where an entry has only `parts`, the vouching is for what the vault will find: see `FileEntry`.
    """

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


class SealMethod(StrEnum):
    """How the bytes of a file are kept from changing between the digest and the last byte that is loaded."""

    MEMORY = "memory"
    """A copy in memory that the kernel lets nobody change."""
    LEASE = "lease"
    """The file itself: the kernel makes whoever would write to it wait, and tells us."""
    CLONE = "clone"
    """A copy-on-write copy without a name, ours alone."""


class SealedWeights(Protocol):
    """One weights file behind a descriptor whose bytes are those that were hashed."""

    @property
    def entry(self) -> FileEntry: ...

    @property
    def descriptor(self) -> int:
        """Read-only, at offset 0, owned by this object; whoever passes it on passes a duplicate."""

    @property
    def method(self) -> SealMethod: ...

    def finish(self) -> None:
        """To be called when the last byte was read. Raises VaultRefused if a byte could have changed; closes."""

    def close(self) -> None:
        """Give it up unread. Any number of times."""


class SharedWeights(Protocol):
    """All weights files, for workers that load at the same time and are told apart by a number."""

    def read(self, reader: int) -> Iterator[SealedWeights]:
        """As `SealedModel.open_weights`."""

    def leave(self, reader: int) -> None:
        """It reads nothing any more: the others do not wait for it. Any number of times."""


@dataclass(frozen=True, slots=True)
class SealedModel:
    """The bytes that were verified, where nobody can change them any more. No other names exist here.

    It owns descriptors: `vault.open_sealed` gives it for a `with`.
    """

    printed_by: ClassVar[str] = "ostiary.vault"

    verified: VerifiedModel
    contents: Mapping[str, bytes]
    """Path to bytes of every configuration, tokenizer and template: the very bytes whose digest was compared."""
    weights: tuple[FileEntry, ...]
    """The weights files, in the order in which they are opened."""
    open_weights: Callable[[], Iterator[SealedWeights]]
    """Each weights file in turn, sealed and compared when its turn comes. May be called again, for a new worker."""
    share_weights: Callable[[int], SharedWeights] | None = None
    """The same for so many workers that start together: each file is sealed and compared once. None: it cannot."""


@dataclass(frozen=True, slots=True)
class CheckedRequest:
    """A request that fits the model: every field known, of its type and within its bounds."""

    printed_by: ClassVar[str] = "ostiary.contract"

    operation: Operation
    body: Mapping[str, JsonValue]
    """For the engine, as it will travel."""
    choices: int
    """How many answers are asked for."""
    most_tokens: int
    """Of each answer."""
    token_ids: int | None
    """Ids of this model are below this; None where that is not known."""
    stop: tuple[str, ...]
    logprobs: int | None
    """How many of the likeliest tokens are told with each; None: no log-probabilities at all."""
    timeout_seconds: float | None
    prompt_limit: int | None = None
    """How many tokens the contract lets a prompt have. The engine counts them."""
    context_limit: int | None = None
    """How many of prompt and answer together, where the contract says so."""
    output: OutputTerms = OutputTerms()
    """What the contract says of answers."""


@dataclass(frozen=True, slots=True)
class CheckedTensors:
    """Tensors that fit a function: every input there, of its datatype, shape and bounds."""

    printed_by: ClassVar[str] = "ostiary.contract"

    body: Mapping[str, JsonValue]
    """For the engine, as it will travel: what each tensor is, in the order of `buffers`."""
    buffers: tuple[memoryview, ...]
    outputs: tuple[ExpectedTensor, ...]
    """What has to come back."""
    timeout_seconds: float | None

    @property
    def bytes(self) -> int:
        return sum(map(len, self.buffers))


@dataclass(frozen=True, slots=True)
class AdmittedRequest:
    """A request that there is right and room for: it may start."""

    printed_by: ClassVar[str] = "ostiary.admission"

    checked: CheckedRequest | CheckedTensors
    tenant: str | None
    """Whose quotas and turns it counts against; None where nobody counts."""
    reserved_bytes: int
    """Of the memory of the model's processes."""
    timeout_seconds: float | None
    """What is left of the time that it has."""
    answer_limit: int | None = None
    """In tokens, where nobody said how long an answer may be and its tenant has not more left."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answered, to its end, in the form that was asked for. Nobody vouches for what it says."""

    printed_by: ClassVar[str] = "ostiary.answer"

    choices: tuple[Choice, ...]
    usage: Usage
    seed: int
    """With the same seed, settings and machine the same request has the same answer."""
    timings: Timings
    vector: bytes = b""
    """Of a text that was embedded: float32, little-endian, all finite. Then there are no choices."""


@dataclass(frozen=True, slots=True)
class AnsweredTensors:
    """What a function gave for its inputs, of the form that its contract states."""

    printed_by: ClassVar[str] = "ostiary.answer"

    outputs: Mapping[str, Tensor]
    """In the order of the contract. Their memory is nobody else's."""
    total_seconds: float

    @property
    def bytes(self) -> int:
        return sum(len(tensor.data) for tensor in self.outputs.values())
