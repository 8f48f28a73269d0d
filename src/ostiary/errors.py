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


class Fault(OstiaryError):
    """The house could not do its work."""

    exit_status = 4


class SourceUnreadable(Fault):
    """The operating system would not give the bytes of the model."""

    codes = "INTAKE_UNREADABLE"


class OutputUnwritable(Fault):
    """The answer could not be delivered: full disk, closed pipe, read-only place."""

    codes = "OUTPUT_UNWRITABLE"


class InternalFault(Fault):
    """A failure that nobody foresaw; always keeps its cause."""

    codes = "HOUSE_INTERNAL"


class Misuse(OstiaryError):
    """The caller held it wrong."""

    exit_status = 2
    codes = "USAGE MODEL_NOT_FOUND"


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
