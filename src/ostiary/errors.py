"""Every way the house says no, or fails.

Three branches, by who has to act: a `Refusal` is an answer (the house worked, the answer is no), a `Fault` is
the house failing, a `Misuse` is the caller holding it wrong. Codes are stable and documented
(docs/reference/errors.md is generated from `CODES`); messages are one line and may change.

What a stranger may see is only `Code.public`, the code and a correlation id: see `render_public`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar, Final

if TYPE_CHECKING:
    from ostiary.core.findings import Finding


@dataclass(frozen=True, slots=True)
class Code:
    """A stable name for one reason, with the sentence a stranger may read and the hint a person can act on."""

    name: str
    public: str
    hint: str
    http: int


_codes: dict[str, Code] = {}

CODES: Final[Mapping[str, Code]] = MappingProxyType(_codes)


def _declare(name: str, public: str, hint: str, http: int) -> Code:
    code = Code(name, public, hint, http)
    _codes[name] = code
    return code


INTAKE_MALFORMED: Final = _declare(
    "INTAKE_MALFORMED",
    "A file of the model does not follow its format.",
    "Fetch the file again from its publisher; if it stays malformed, do not use it.",
    422,
)
INTAKE_TOO_LARGE: Final = _declare(
    "INTAKE_TOO_LARGE",
    "The model exceeds a limit.",
    "See docs/reference/limits.md for the ceiling and its reason.",
    413,
)
INTAKE_UNSAFE_FORMAT: Final = _declare(
    "INTAKE_UNSAFE_FORMAT",
    "The model contains a file format that is not let in.",
    "Ask the publisher for safetensors weights, or convert the file on a machine you can lose.",
    415,
)
INTAKE_CARRIES_CODE: Final = _declare(
    "INTAKE_CARRIES_CODE",
    "The model carries code.",
    "Use a version of the model without code; weights and configuration need none.",
    422,
)
INTAKE_PATH_ESCAPE: Final = _declare(
    "INTAKE_PATH_ESCAPE",
    "The model points outside its own directory.",
    "Replace the link or path by a copy of the file inside the directory.",
    422,
)
INTAKE_NOT_REGULAR: Final = _declare(
    "INTAKE_NOT_REGULAR",
    "The model contains something that is not a regular file.",
    "Remove it: only regular files and directories belong in a model.",
    422,
)
INTAKE_HARD_LINK: Final = _declare(
    "INTAKE_HARD_LINK",
    "A file of the model has a second name.",
    "Replace the hard link by a copy, so that nobody can change the bytes under another name.",
    422,
)
INTAKE_UNSAFE_NAME: Final = _declare(
    "INTAKE_UNSAFE_NAME",
    "A name in the model is not safe to use.",
    "Rename it to plain letters, digits, '.', '_' and '-'.",
    422,
)
INTAKE_DUPLICATE_NAME: Final = _declare(
    "INTAKE_DUPLICATE_NAME",
    "Two things in the model have the same name.",
    "Keep one of them: different programs would each see a different model.",
    422,
)
INTAKE_UNLISTED_FILE: Final = _declare(
    "INTAKE_UNLISTED_FILE",
    "The model contains a file that nothing in it accounts for.",
    "Remove the file, or list it where its kind is listed.",
    422,
)
INTAKE_UNKNOWN_ARCHITECTURE: Final = _declare(
    "INTAKE_UNKNOWN_ARCHITECTURE",
    "The model's architecture is not known.",
    "See docs/reference/architectures.md for the model types that are known.",
    422,
)
INTAKE_OUT_OF_RANGE: Final = _declare(
    "INTAKE_OUT_OF_RANGE",
    "A setting of the model is outside its sane range.",
    "Correct the named field; see docs/reference/limits.md for its range.",
    422,
)
INTAKE_INCONSISTENT: Final = _declare(
    "INTAKE_INCONSISTENT",
    "The files of the model contradict each other.",
    "Fetch all files of one version of the model again.",
    422,
)
INTAKE_INCOMPLETE: Final = _declare(
    "INTAKE_INCOMPLETE",
    "A part of the model is missing.",
    "Fetch all files of one version of the model again.",
    422,
)
INTAKE_UNBOUNDED: Final = _declare(
    "INTAKE_UNBOUNDED",
    "A part of the model would work without end.",
    "Replace the named template or tokenizer setting by one with a bound.",
    422,
)
INTAKE_CHANGED: Final = _declare(
    "INTAKE_CHANGED",
    "The model changed while it was read.",
    "Stop whatever is writing to the directory, then try again.",
    409,
)
INTAKE_UNREADABLE: Final = _declare(
    "INTAKE_UNREADABLE",
    "A file of the model cannot be read.",
    "Check the permissions of the file and of the directories above it, and the disk.",
    500,
)
OUTPUT_UNWRITABLE: Final = _declare(
    "OUTPUT_UNWRITABLE",
    "The answer cannot be written.",
    "Check that the disk has room and that the place can be written to.",
    500,
)
RECORD_UNWRITABLE: Final = _declare(
    "RECORD_UNWRITABLE",
    "The record cannot be written, so nothing was done.",
    "Check the state directory (OSTIARY_STATE_DIR): its disk, its permissions and who owns it.",
    503,
)
RECORD_DISK_FULL: Final = _declare(
    "RECORD_DISK_FULL",
    "The record cannot be written, so nothing was done: the disk is full.",
    "Make room on the disk of the state directory, or run `ostiary record archive --to` another disk.",
    503,
)
RECORD_READ_ONLY: Final = _declare(
    "RECORD_READ_ONLY",
    "The record cannot be written, so nothing was done: its place is read-only.",
    "Give the user write permission on the state directory, or set OSTIARY_STATE_DIR to another place.",
    503,
)
RECORD_BUSY: Final = _declare(
    "RECORD_BUSY",
    "The record cannot be written, so nothing was done: another program holds it.",
    "Try again; if it stays so, look for a stopped ostiary process or an SQLite tool that has the record open.",
    503,
)
RECORD_CORRUPT: Final = _declare(
    "RECORD_CORRUPT",
    "The record is damaged.",
    "Keep it for the investigation: move the directory `record` out of the state directory; a new one begins then.",
    500,
)
RECORD_FOREIGN: Final = _declare(
    "RECORD_FOREIGN",
    "In the record's place lies something that is not a record.",
    "Find out who put it there, then move it away; nothing in it was read or changed.",
    500,
)
RECORD_MISSING: Final = _declare(
    "RECORD_MISSING",
    "A part of the record is gone.",
    "Restore the directory `record` from a backup, or move what is left of it away; a new one begins then.",
    500,
)
RECORD_KEY_UNUSABLE: Final = _declare(
    "RECORD_KEY_UNUSABLE",
    "The key of the record cannot be used.",
    "Check the key file's owner, its mode (0600) and its content, or the command that signs.",
    500,
)
RECORD_CHANGED: Final = _declare(
    "RECORD_CHANGED",
    "The record was changed after it was written.",
    "Treat the record as evidence: copy it, and compare it with checkpoints kept elsewhere.",
    409,
)
RECORD_REMOVED: Final = _declare(
    "RECORD_REMOVED",
    "An entry was removed from the record.",
    "Treat the record as evidence: copy it, and compare it with checkpoints kept elsewhere.",
    409,
)
RECORD_REORDERED: Final = _declare(
    "RECORD_REORDERED",
    "Entries of the record were moved.",
    "Treat the record as evidence: copy it, and compare it with checkpoints kept elsewhere.",
    409,
)
RECORD_TRUNCATED: Final = _declare(
    "RECORD_TRUNCATED",
    "The end of the record was cut off.",
    "Treat the record as evidence: copy it, and compare it with checkpoints kept elsewhere.",
    409,
)
RECORD_ROLLED_BACK: Final = _declare(
    "RECORD_ROLLED_BACK",
    "An older state of the record was put in its place.",
    "Look for the newer record in backups, and for who replaced it.",
    409,
)
RECORD_BAD_SIGNATURE: Final = _declare(
    "RECORD_BAD_SIGNATURE",
    "A signature of the record is not right.",
    "Check that the verifier key is the record's own; if it is, somebody else wrote the checkpoint.",
    409,
)
RECORD_BAD_PROOF: Final = _declare(
    "RECORD_BAD_PROOF",
    "The proof does not prove it.",
    "Ask for the proof again, with the entry exactly as it was recorded.",
    422,
)
RECORD_NONE: Final = _declare(
    "RECORD_NONE",
    "There is no record here yet.",
    "The first thing that is recorded begins it; check OSTIARY_STATE_DIR if you expected one.",
    404,
)
RECORD_NO_ENTRY: Final = _declare(
    "RECORD_NO_ENTRY",
    "The record has no such entry.",
    "`ostiary record tail` shows the last ones; archived entries are in the archive files.",
    404,
)
HOUSE_INTERNAL: Final = _declare(
    "HOUSE_INTERNAL",
    "Ostiary failed in a way it did not foresee.",
    "Run again with --debug and report what you see; SECURITY.md says where if a model caused it.",
    500,
)
USAGE: Final = _declare(
    "USAGE",
    "The request cannot be understood.",
    "Run the command with --help.",
    400,
)
MODEL_NOT_FOUND: Final = _declare(
    "MODEL_NOT_FOUND",
    "There is no such model.",
    "Check the path; it names a model directory or a single model file.",
    404,
)


class OstiaryError(Exception):
    """The root of the tree: a stable code, a one-line message, and what a person can do about it."""

    exit_status: ClassVar[int] = 4
    codes: ClassVar[str] = ""
    """The prefix of the codes this class carries; "" for the abstract branches."""

    def __init__(self, code: Code, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.code: Final = code.name
        self.public: Final = code.public
        self.http: Final = code.http
        self.message: Final = message
        self.hint: Final = code.hint if hint is None else hint

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
        self.is_told = False
        """Whether the answer, problems and all, was already given where it belongs."""


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


class InternalFault(Fault):
    """A failure that nobody foresaw; always keeps its cause."""

    codes = "HOUSE_INTERNAL"


class Misuse(OstiaryError):
    """The caller held it wrong."""

    exit_status = 2
    codes = "USAGE MODEL_NOT_FOUND RECORD_NONE RECORD_NO_ENTRY"


@dataclass(frozen=True, slots=True)
class PublicError:
    """What a stranger may see of an error: nothing that came from a model, a path or an exception text."""

    code: str
    sentence: str
    hint: str
    http: int
    exit_status: int
    correlation_id: str


def render_public(error: BaseException, correlation_id: str) -> PublicError:
    """The one place where an exception becomes a public answer."""
    known = error if isinstance(error, OstiaryError) else InternalFault(HOUSE_INTERNAL, type(error).__name__)
    code = CODES[known.code]
    return PublicError(code.name, code.public, code.hint, code.http, known.exit_status, correlation_id)
