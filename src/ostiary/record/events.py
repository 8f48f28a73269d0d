"""The events: what the house says happened, as typed values.

docs/reference/events.md is generated from `EVENT_TYPES`.

A room is given `emit` and hands it one of these; it knows neither the log nor the time. Who acted, in which process
and when is added by the log (docs/formats/record.md, "Entry"). An event never holds a prompt, a secret or an
absolute path in clear: such bytes travel as `Content`, of which the log keeps a salted hash only.

A field may be added with a default under the same `schema`; anything else needs the next `schema` number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Annotated, ClassVar, Final

from ostiary.core.values import dataclass
from ostiary.record.access_events import (
    KeysCreated,
    KeysExpirySet,
    KeysForgotten,
    KeysReread,
    KeysRevoked,
    KeysUnusable,
)
from ostiary.record.credential_events import (
    CertificateExpiring,
    CertificateRefused,
    CertificateRenewed,
    TokenKeysRefused,
    TokenKeysRenewed,
)
from ostiary.record.embed_events import ModelEmbedded, WorkFailed, WorkRefused
from ostiary.record.event import Content as Content  # noqa: PLC0414  every room has it from here
from ostiary.record.event import Emit as Emit  # noqa: PLC0414  every room has it from here
from ostiary.record.event import Event as Event  # noqa: PLC0414  every room has it from here
from ostiary.record.quota_events import UsageDamaged
from ostiary.record.request_events import (
    RequestAnswered,
    RequestCancelled,
    RequestComputed,
    RequestFailed,
    RequestRefused,
)
from ostiary.record.server_events import ClientRefused, ServerStarted, ServerStopped
from ostiary.record.serving_events import (
    ModelKept,
    ModelLoaded,
    ModelNotLoaded,
    ModelUnloaded,
    SettingsRefused,
    SettingsReloaded,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInspected(Event):
    """A model directory or file was read and nothing in it was refused."""

    kind: ClassVar[str] = "model.inspected"

    name: Annotated[str, "the model's display name: the last part of its path, never more of it"]
    root: Annotated[str, "SHA-256 root digest over all files, hexadecimal"]
    files: Annotated[int, "how many files"]
    bytes: Annotated[int, "how many bytes in all files together"]
    format: Annotated[str, "the format of the weights"]
    architecture: Annotated[str | None, "the architecture that the model claims, after it was checked"]
    findings: Annotated[Mapping[str, int], "rule id to how often it struck; notes only, as nothing refused"] = (
        field(default_factory=dict)
    )
    location: Annotated[Content | None, "where the model lay, as a salted hash"] = None
    deferred: Annotated[
        int | None,
        "how many weights files have the digest that signatures claim, to be compared when they are sealed; "
        "absent: none (older entries say 0)",
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRefused(Event):
    """A model was not let in."""

    kind: ClassVar[str] = "model.refused"

    name: Annotated[str, "the model's display name: the last part of its path, never more of it"]
    root: Annotated[str | None, "SHA-256 root digest, where the reading came far enough to have one"]
    code: Annotated[str, "the code of the refusal: of the worst finding, or of what a signature or policy says"]
    rule: Annotated[str | None, "the rule that decided: of the worst finding, or of the policy"]
    path: Annotated[str | None, "the path of what decided, relative to the model"]
    findings: Annotated[Mapping[str, int], "the other findings: rule id to how often it struck"] = field(
        default_factory=dict
    )
    location: Annotated[Content | None, "where the model lay, as a salted hash"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFailed(Event):
    """The house could not come to a verdict on a model."""

    kind: ClassVar[str] = "model.failed"

    name: Annotated[str, "the model's display name: the last part of its path, never more of it"]
    code: Annotated[str, "the code of the fault"]
    location: Annotated[Content | None, "where the model lay, as a salted hash"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSigned(Event):
    """A model was signed here."""

    kind: ClassVar[str] = "model.signed"

    name: Annotated[str, "the model's display name: the last part of its path, never more of it"]
    root: Annotated[str, "SHA-256 root digest over all files, hexadecimal"]
    signer: Annotated[str, "who signed, as `method:identity`"]
    model_id: Annotated[str | None, "the id that was signed"] = None
    model_version: Annotated[str | None, "the version that was signed"] = None
    expires: Annotated[str | None, "when the signature ends, RFC 3339"] = None
    findings: Annotated[Mapping[str, int], "rule id to how often code was found and signed nevertheless"] = field(
        default_factory=dict
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVerified(Event):
    """Somebody who is believed vouches for a model."""

    kind: ClassVar[str] = "model.verified"

    name: Annotated[str, "the model's display name: the last part of its path, never more of it"]
    root: Annotated[str, "SHA-256 root digest over all files, hexadecimal"]
    signers: Annotated[tuple[str, ...], "who vouches, as `method:identity`"]
    rule: Annotated[str, "what decided: a rule of the policy, or `key`"]
    level: Annotated[str, "enforce, warn or audit"] = "enforce"
    objections: Annotated[tuple[str, ...], "codes that enforcing would have refused with"] = ()
    model_id: Annotated[str | None, "the id that was signed"] = None
    model_version: Annotated[str | None, "the version that was signed"] = None
    policy: Annotated[str | None, "SHA-256 of the policy file that decided"] = None
    location: Annotated[Content | None, "where the model lay, as a salted hash"] = None
    deferred: Annotated[
        int | None,
        "how many weights files are vouched for only if model.sealed follows; absent: none (older entries say 0)",
    ] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRemembered(Event):
    """A version of a model is the newest that was let in here, or somebody said that it is the right one."""

    kind: ClassVar[str] = "model.remembered"

    model_id: Annotated[str, "the id that was signed"]
    root: Annotated[str, "SHA-256 root digest over all files, hexadecimal"]
    is_pinned: Annotated[bool, "whether somebody said so, rather than it being let in"]
    memory: Annotated[str, "SHA-256 over everything that is remembered from here on"]
    model_version: Annotated[str | None, "the version that was signed"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSealed(Event):
    """The bytes of a model are where nobody can change them, and were compared with what was verified."""

    kind: ClassVar[str] = "model.sealed"

    root: Annotated[str, "SHA-256 root digest over all files, hexadecimal"]
    methods: Annotated[Mapping[str, int], "how the weights files are kept: method to how many"]
    bytes: Annotated[int, "how many bytes in all files together"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellStarted(Event):
    """A process for a model runs behind the wall and has loaded it."""

    kind: ClassVar[str] = "cell.started"

    cell: Annotated[str, "the cell's own id"]
    root: Annotated[str, "SHA-256 root digest of the model"]
    engine: Annotated[str, "which engine runs in it"]
    layers: Annotated[tuple[str, ...], "the layers of its wall, outermost first"]
    limits: Annotated[Mapping[str, int], "its limits, by name with unit"]
    restart: Annotated[int, "0 for the first process of this model, 1 for the one after its end, and so on"] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class CellCallDenied(Event):
    """A process behind the wall asked the kernel for something that the wall does not let through."""

    kind: ClassVar[str] = "cell.call_denied"

    cell: Annotated[str, "the cell's own id"]
    root: Annotated[str, "SHA-256 root digest of the model"]
    call: Annotated[str, "the system call's name, or its number where it has none here"]
    architecture: Annotated[str, "the machine that the call was made for"]
    arguments: Annotated[
        tuple[str, ...], "its arguments as the kernel saw them, hexadecimal; never what they point to"
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellEnded(Event):
    """A process behind the wall is gone: the one event that every cell.started has exactly one of."""

    kind: ClassVar[str] = "cell.ended"

    cell: Annotated[str, "the cell's own id"]
    root: Annotated[str, "SHA-256 root digest of the model"]
    cause: Annotated[
        str, "closed, memory, oom, cpu, wall_time, violation, malformed, crash, killed, stopped, parent, replaced"
    ]
    signal: Annotated[int | None, "the signal that ended it"]
    status: Annotated[int | None, "its exit status, where no signal ended it"]
    requests: Annotated[int, "how many requests it had answered"]
    cpu_milliseconds: Annotated[int, "processor time that it used"]
    peak_bytes: Annotated[int, "the most memory that it held at once"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CellRefusedToStart(Event):
    """A model was not given a process."""

    kind: ClassVar[str] = "cell.refused"

    root: Annotated[str, "SHA-256 root digest of the model"]
    code: Annotated[str, "the code of the reason"]
    detail: Annotated[str, "which layer or limit, in a word or two"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelQuarantined(Event):
    """A model ended its processes too often and is not started any more."""

    kind: ClassVar[str] = "model.quarantined"

    root: Annotated[str, "SHA-256 root digest of the model"]
    ends: Annotated[Mapping[str, int], "cause to how many times, within the window that counts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReleased(Event):
    """Somebody let a model out of quarantine."""

    kind: ClassVar[str] = "model.released"

    root: Annotated[str, "SHA-256 root digest of the model"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryRemembered(Event):
    """From here on this house follows a repository of trust, or follows none any more."""

    kind: ClassVar[str] = "repository.remembered"

    repository: Annotated[str | None, "SHA-256 of its first root, which an operator gave; absent: none is followed"]
    memory: Annotated[str, "SHA-256 over everything that is remembered from here on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustChanged(Event):
    """Somebody changed whom this house believes."""

    kind: ClassVar[str] = "trust.changed"

    action: Annotated[str, "what was done: init, add, revoke, rotate, rebuild, follow, update, unfollow"]
    subject: Annotated[str, "what it was done to: a rule, a signer, a model id"]
    policy: Annotated[str | None, "SHA-256 of the policy file afterwards"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyMade(Event):
    """A signing key was made, or vouched for by the one before it."""

    kind: ClassVar[str] = "key.made"

    key_id: Annotated[str, "the key's id: SHA-256 of the public key as PEM text"]
    curve: Annotated[str, "the elliptic curve"]
    predecessor: Annotated[str | None, "the id of the key that vouches for it"] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRevoked(Event):
    """A revocation of a signing key was written here."""

    kind: ClassVar[str] = "key.revoked"

    key_id: Annotated[str, "the id of the key that is revoked"]
    signer: Annotated[str, "the id of the key that says so"]
    reason: Annotated[str, "why, as the signer put it"]


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsafeUsed(Event):
    """Somebody asked for something that weakens the house, with an option that says so."""

    kind: ClassVar[str] = "unsafe.used"

    hatch: Annotated[str, "the option, for example `--unsafe-no-passphrase`"]
    detail: Annotated[str, "what it was used on"] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordBegun(Event):
    """The first entry of every record: its name and its first keys."""

    kind: ClassVar[str] = "record.begun"

    origin: Annotated[str, "the record's own name, the first line of all its checkpoints"]
    keys: Annotated[tuple[str, ...], "C2SP verifier keys"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordKeyRotated(Event):
    """New keys sign from here on; a checkpoint under the old ones covers this entry."""

    kind: ClassVar[str] = "record.key_rotated"

    old_keys: Annotated[tuple[str, ...], "key ids (eight hexadecimal digits) that sign no more"]
    keys: Annotated[tuple[str, ...], "the C2SP verifier keys that sign from here on"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordDropped(Event):
    """Events that were merely useful found no room in the queue and were let go."""

    kind: ClassVar[str] = "record.dropped"

    counts: Annotated[Mapping[str, int], "kind to how many were dropped since the last such event"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordClockSteppedBack(Event):
    """The clock was set back: the time of this entry is before that of the entry above it."""

    kind: ClassVar[str] = "record.clock_stepped_back"

    last: Annotated[str, "the time of the entry above"]
    seconds: Annotated[int, "how far the clock went back, rounded down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordArchived(Event):
    """The oldest entries were moved to an archive file; their hashes stay, so every proof stays valid."""

    kind: ClassVar[str] = "record.archived"

    first: Annotated[int, "index of the first entry moved"]
    end: Annotated[int, "index after the last entry moved"]
    file: Annotated[str, "name of the archive file"]
    sha256: Annotated[str, "digest of the archive file"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordForgotten(Event):
    """Salts were deleted: nobody can test any more what the content behind their hashes was."""

    kind: ClassVar[str] = "record.forgotten"

    first: Annotated[int, "index of the first entry whose salts were deleted"]
    end: Annotated[int, "index after the last one"]
    salts: Annotated[int, "how many salts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordHookFailed(Event):
    """A checkpoint could not be handed to the command that keeps checkpoints elsewhere."""

    kind: ClassVar[str] = "record.hook_failed"

    size: Annotated[int, "the size of the checkpoint that was not kept"]
    reason: Annotated[str, "what went wrong, in a word"]


EVENT_TYPES: Final[Mapping[str, type[Event]]] = MappingProxyType(
    {
        event.kind: event
        for event in (
            ModelInspected,
            ModelRefused,
            ModelFailed,
            ModelSigned,
            ModelVerified,
            ModelRemembered,
            ModelSealed,
            CellStarted,
            CellCallDenied,
            CellEnded,
            CellRefusedToStart,
            ModelQuarantined,
            ModelReleased,
            RequestAnswered,
            RequestComputed,
            RequestRefused,
            RequestFailed,
            RequestCancelled,
            ServerStarted,
            ServerStopped,
            ModelLoaded,
            ModelUnloaded,
            ModelKept,
            ModelNotLoaded,
            SettingsReloaded,
            SettingsRefused,
            KeysCreated,
            KeysRevoked,
            KeysExpirySet,
            KeysForgotten,
            KeysReread,
            KeysUnusable,
            CertificateRenewed,
            CertificateRefused,
            CertificateExpiring,
            TokenKeysRenewed,
            TokenKeysRefused,
            ClientRefused,
            UsageDamaged,
            ModelEmbedded,
            WorkFailed,
            WorkRefused,
            RepositoryRemembered,
            TrustChanged,
            KeyMade,
            KeyRevoked,
            UnsafeUsed,
            RecordBegun,
            RecordKeyRotated,
            RecordDropped,
            RecordClockSteppedBack,
            RecordArchived,
            RecordForgotten,
            RecordHookFailed,
        )
    }
)
"""Every event that this version writes, by kind. A record may hold kinds of later versions: readers keep them."""
