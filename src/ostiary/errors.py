"""Every way the house says no, or fails.

Three branches, by who has to act: a `Refusal` is an answer (the house worked, the answer is no), a `Fault` is
the house failing, a `Misuse` is the caller holding it wrong. Codes are stable and documented
(docs/reference/errors.md is generated from `CODES`); messages are one line and may change.

What a stranger may see is only `Code.public`, the code and a correlation id: see `render_public`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final, TypeAlias

from ostiary.codes import *  # noqa: F403  # codes and classes are imported from one place
from ostiary.codes import CODES, HOUSE_INTERNAL, Code

if TYPE_CHECKING:
    from ostiary.core.findings import Finding

Limit: TypeAlias = int | float | str | Sequence[int | float | str]
"""What a rule allows: a number, the least and the most, or words of ours."""


class OstiaryError(Exception):
    """The root of the tree: a stable code, a one-line message, and what a person can do about it."""

    exit_status: ClassVar[int] = 4
    codes: ClassVar[str] = ""
    """The prefix of the codes this class carries; "" for the abstract branches."""
    is_for_strangers: ClassVar[bool] = False
    """Whether its messages may be shown to whoever asked: our own words, on nothing but what that one sent."""

    def __init__(self, code: Code, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code: Final = code.name
        self.public: Final = code.public
        self.http: Final = code.http
        self.message: Final = message
        self.hint: Final = code.hint if hint is None else hint
        self.correlation_id: str | None = None
        """What joins it to the record, where somebody recorded it."""
        self.is_told = False
        """Whether the answer, with all that belongs to it, was already given where it belongs."""

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class Refusal(OstiaryError):
    """The house worked; the answer is no."""

    exit_status = 3


class IntakeRefused(Refusal):
    """What the model's own bytes and names say is not let in. `findings` holds every reason, worst first."""

    codes = "INTAKE_"

    def __init__(
        self, code: Code, message: str, *, hint: str | None = None, findings: Sequence[Finding] = ()
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.findings: Final = tuple(findings)


class RecordRefused(Refusal):
    """The record, a checkpoint or a proof is not what it claims to be. `problems` has every one, in order."""

    codes = (
        "RECORD_CHANGED RECORD_REMOVED RECORD_REORDERED RECORD_TRUNCATED RECORD_ROLLED_BACK "
        "RECORD_BAD_SIGNATURE RECORD_BAD_PROOF"
    )

    def __init__(
        self, code: Code, message: str, *, hint: str | None = None, problems: Sequence[RecordRefused] = ()
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.problems: Final = tuple(problems) or (self,)


class TrustRefused(Refusal):
    """Nobody who is believed vouches for this. `path` names the file or signature that decided, "" for none.

    `findings` is what intake refuses the same model for, where it does: the signature's word comes first.
    """

    codes = "TRUST_"

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        hint: str | None = None,
        path: str = "",
        rule: str | None = None,
        findings: Sequence[Finding] = (),
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.findings: Final = tuple(findings)
        self.path: Final = path
        self.rule: Final = rule
        """The policy's rule that said no, where one did."""


class VaultRefused(Refusal):
    """The bytes are not, or could stop being, the ones that were verified. `path` names the file."""

    codes = "VAULT_CHANGED VAULT_NOT_AS_SIGNED"

    def __init__(self, code: Code, message: str, *, hint: str | None = None, path: str = "") -> None:
        super().__init__(code, message, hint=hint)
        self.path: Final = path


class CellRefused(Refusal):
    """The model may not run here, or not like this."""

    codes = "CELL_WALL_UNAVAILABLE CELL_MEMORY_BUDGET CELL_ARCHITECTURE_NOT_ALLOWED CELL_QUARANTINED"


class ContractRefused(Refusal):
    """The request does not fit the model, as told before anything is computed. `field` names what does not fit.

    `rule` is the place in the model's contract (docs/contract.md) that says no, or the kind of the house's own
    bound; `limit` is what stands there: a number, the least and the most, or words.
    """

    codes = "CONTRACT_"
    is_for_strangers = True

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        hint: str | None = None,
        field: str = "",
        rule: str = "",
        limit: Limit | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.field: Final = field
        self.rule: Final = rule
        self.limit: Final = limit


class AnswerRefused(Refusal):
    """The model's answer breaks its own contract: nothing more of it is given out. `field` names the output."""

    codes = "ANSWER_"
    is_for_strangers = True

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        hint: str | None = None,
        field: str = "",
        rule: str = "",
        limit: Limit | None = None,
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.field: Final = field
        self.rule: Final = rule
        self.limit: Final = limit


class GatewayRefused(Refusal):
    """What a client sent is not let in by the door itself. `field` names what does not fit, where it has a name."""

    codes = "GATEWAY_"
    is_for_strangers = True

    def __init__(
        self, code: Code, message: str, *, hint: str | None = None, field: str = "", allow: Sequence[str] = ()
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.field: Final = field
        self.allow: Final = tuple(allow)
        """The methods that the address takes, where the method is what does not fit."""


class AdmissionRefused(Refusal):
    """Nobody who may ask this asked, or there is no right or no room for it now.

    `retry_after_seconds`: when asking again may help; None where it never will, or nobody knows.
    """

    codes = "ADMISSION_"

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        hint: str | None = None,
        retry_after_seconds: float | None = None,
        public_detail: str = "",
        field: str = "",
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.retry_after_seconds: Final = retry_after_seconds
        self.field: Final = field
        """Of the request, where less of it would fit; one of our own names."""
        self.public_detail: Final = public_detail
        """What whoever asked may read of it: our own words, on nothing but that one's own limits."""


class CallRefused(Refusal):
    """The model's engine looked at a request and says that it does not fit the model.

    `limit`: the bound of the model's contract that it says was passed, where it is one (core/frames.py, LimitName).
    `field` is found by whoever knows the request, and by whoever knows what the client calls it.
    """

    codes = "WORKER_CALL_REFUSED"

    def __init__(
        self, code: Code, message: str, *, hint: str | None = None, limit: str = "", public_detail: str = ""
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.limit: Final = limit
        self.field = ""
        self.public_detail: Final = public_detail
        """What the engine says, where those are words that the house knows (core/call_sentences.py)."""


class EmbedRefused(Refusal):
    """A model, or what is to be computed with it, is not let through in the application's own process.

    `field` names the argument that does not fit, where it is one.
    """

    codes = "EMBED_ARCHITECTURE_NOT_ALLOWED EMBED_INPUT"

    def __init__(self, code: Code, message: str, *, hint: str | None = None, field: str = "") -> None:
        super().__init__(code, message, hint=hint)
        self.field: Final = field


class ExportRefused(Refusal):
    """A function cannot become a graph. `operation` and `where` name what of it, "" where nothing in it is."""

    codes = "EXPORT_"

    def __init__(
        self, code: Code, message: str, *, hint: str | None = None, operation: str = "", where: str = ""
    ) -> None:
        super().__init__(code, message, hint=hint)
        self.operation: Final = operation
        self.where: Final = where


class Fault(OstiaryError):
    """The house could not do its work."""

    exit_status = 4


class SourceUnreadable(Fault):
    """The operating system would not give the bytes of the model."""

    codes = "INTAKE_UNREADABLE"


class OutputUnwritable(Fault):
    """The answer could not be delivered: full disk, closed pipe, read-only place."""

    codes = "OUTPUT_UNWRITABLE"


class RecordUnwritable(Fault):
    """What must be recorded cannot be, so it must not happen."""

    codes = "RECORD_UNWRITABLE RECORD_DISK_FULL RECORD_READ_ONLY RECORD_BUSY"


class RecordDamaged(RecordUnwritable):
    """What lies in the record's place cannot be read as a record; nothing in it is touched."""

    codes = "RECORD_CORRUPT RECORD_FOREIGN RECORD_MISSING RECORD_KEY_UNUSABLE"


class SignerFailed(Fault):
    """A program, device or service that should sign did not do its part."""

    codes = "SIGNER_FAILED"


class SourceUnreachable(Fault):
    """The place that trust is fetched from, or a service that signs, does not answer."""

    codes = "SOURCE_UNREACHABLE"


class VaultFailed(Fault):
    """The bytes could not be put where nobody can change them."""

    codes = "VAULT_NO_MEMORY VAULT_NO_METHOD"


class WorkerFault(Fault):
    """The process that a model runs in did not do its part. The caller goes on."""


class WorkerNotStarted(WorkerFault):
    """There is no process: nothing of the model was looked at."""

    codes = "WORKER_NOT_STARTED"


class WorkerCrashed(WorkerFault):
    """It ended by itself, or by a signal that nobody here sent."""

    codes = "WORKER_CRASHED"
    is_from_outside = False
    """Whether somebody else ended it, or we did for what was before: nothing that it was asked now can have."""


class WorkerSilent(WorkerFault):
    """It did not answer in time and was ended."""

    codes = "WORKER_SILENT"


class WorkerOutOfMemory(WorkerFault):
    """It reached its memory limit."""

    codes = "WORKER_OUT_OF_MEMORY"


class WorkerOutOfTime(WorkerFault):
    """It used up its processor time."""

    codes = "WORKER_CPU_TIME"


class SandboxViolation(WorkerFault):
    """It tried what the wall does not allow, or spoke to us in a way that only a hostile process does."""

    codes = "WORKER_VIOLATION WORKER_MALFORMED_ANSWER"


class LoadFailed(WorkerFault):
    """The engine did not take the model; the process is gone."""

    codes = "WORKER_LOAD_FAILED"


class EngineFailed(WorkerFault):
    """The engine failed on one request; the process goes on."""

    codes = "WORKER_ENGINE_FAILED"


class EmbedFailed(Fault):
    """MLX, in the application's own process, raised something. `__cause__` is what; its text is for nobody else."""

    codes = "EMBED_LOAD_FAILED EMBED_ENGINE_FAILED"


class EmbedOutOfMemory(EmbedFailed):
    """There was not enough memory, and MLX noticed in time."""

    codes = "EMBED_OUT_OF_MEMORY"


class ServerFailed(Fault):
    """The server could not be started, or not go on."""

    codes = "SERVER_NOT_LISTENING SERVER_STATE_IN_USE"


class QuotaFailed(Fault):
    """What must be counted cannot be, so it must not happen."""

    codes = "QUOTA_UNWRITABLE"


class InternalFault(Fault):
    """A failure that nobody foresaw; always keeps its cause."""

    codes = "HOUSE_INTERNAL"


class Misuse(OstiaryError):
    """The caller held it wrong."""

    exit_status = 2
    codes = (
        "USAGE MODEL_NOT_FOUND RECORD_NONE RECORD_NO_ENTRY KEY_UNUSABLE KEY_LOCKED KEY_EXISTS EXTRA_MISSING "
        "CELL_LIMITS_MALFORMED CELL_CLOSED SERVER_UNPROTECTED SETTINGS_MALFORMED TLS_UNUSABLE TOKEN_KEYS_UNUSABLE "
        "QUOTA_UNUSABLE"
    )


@dataclass(frozen=True, slots=True)
class PublicError:
    """What a stranger may see of an error: nothing that came from a model, a path or an exception text."""

    code: str
    sentence: str
    hint: str
    http: int
    exit_status: int
    correlation_id: str
    detail: str = ""
    """What does not fit in what that stranger sent, where the error is about that."""
    field: str = ""
    rule: str = ""
    """Which rule of the model's contract says no, where one does, and what it allows."""
    limit: Limit | None = None


def render_public(error: BaseException, correlation_id: str) -> PublicError:
    """The one place where an exception becomes a public answer."""
    known = error if isinstance(error, OstiaryError) else InternalFault(HOUSE_INTERNAL, type(error).__name__)
    code = CODES[known.code]
    is_told = known.is_for_strangers
    return PublicError(
        code.name,
        code.public,
        code.hint,
        code.http,
        known.exit_status,
        correlation_id,
        detail=known.message if is_told else getattr(known, "public_detail", ""),
        field=getattr(known, "field", "") if is_told or isinstance(known, AdmissionRefused | CallRefused) else "",
        rule=getattr(known, "rule", "") if is_told else "",
        limit=getattr(known, "limit", None) if is_told else None,
    )
