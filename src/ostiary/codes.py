"""Every code that an error can carry: a stable name, what a stranger may read, and what a person can do.

docs/reference/errors.md is generated from `CODES`. Which class carries which code: errors.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final


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
TRUST_UNSIGNED: Final = _declare(
    "TRUST_UNSIGNED",
    "The model is not signed.",
    "Ask the publisher for the signature file model.sig, or check where it came from and sign it yourself.",
    422,
)
TRUST_BAD_SIGNATURE: Final = _declare(
    "TRUST_BAD_SIGNATURE",
    "A signature of the model is not right.",
    "Fetch the model and its signature again; if it stays so, somebody changed the signed statement.",
    422,
)
TRUST_WRONG_SIGNER: Final = _declare(
    "TRUST_WRONG_SIGNER",
    "The model is signed, but not by anybody who is trusted for it.",
    "`ostiary trust check MODEL` tells who signed it and who would be believed.",
    403,
)
TRUST_DIGEST_MISMATCH: Final = _declare(
    "TRUST_DIGEST_MISMATCH",
    "A file of the model is not the one that was signed.",
    "Fetch the model again; if it stays so, somebody changed the file after it was signed.",
    422,
)
TRUST_EXTRA_FILE: Final = _declare(
    "TRUST_EXTRA_FILE",
    "The model contains a file that was not signed.",
    "Remove the file, or ask the publisher to sign the model with it.",
    422,
)
TRUST_MISSING_FILE: Final = _declare(
    "TRUST_MISSING_FILE",
    "A file that was signed is missing from the model.",
    "Fetch the whole model again.",
    422,
)
TRUST_EXPIRED: Final = _declare(
    "TRUST_EXPIRED",
    "A signature or certificate of the model has expired.",
    "Ask the publisher for a newer version or a fresh signature.",
    403,
)
TRUST_NOT_YET_VALID: Final = _declare(
    "TRUST_NOT_YET_VALID",
    "A signature or certificate of the model is not valid yet.",
    "Check this machine's clock; if it is right, the signature is from the future.",
    403,
)
TRUST_BELOW_MINIMUM: Final = _declare(
    "TRUST_BELOW_MINIMUM",
    "The model is older than the policy lets in, or has no version.",
    "Fetch a newer version; `ostiary trust check MODEL` tells which.",
    403,
)
TRUST_ROLLED_BACK: Final = _declare(
    "TRUST_ROLLED_BACK",
    "An older version of the model was put in the place of a newer one.",
    "Fetch the newest version; if the older one is wanted, say so with `ostiary trust pin`.",
    409,
)
TRUST_REVOKED: Final = _declare(
    "TRUST_REVOKED",
    "What vouched for the model was revoked.",
    "Ask the publisher for a version signed with a key that still stands.",
    403,
)
TRUST_CODE_NOT_ALLOWED: Final = _declare(
    "TRUST_CODE_NOT_ALLOWED",
    "The model carries code, which the policy does not allow it.",
    "Use a version without code, or allow code for this model in the policy.",
    403,
)
TRUST_FORMAT_NOT_ALLOWED: Final = _declare(
    "TRUST_FORMAT_NOT_ALLOWED",
    "The policy does not allow the model's format.",
    "Convert the model to an allowed format, or allow this one in the policy.",
    403,
)
TRUST_SOURCE_NOT_ALLOWED: Final = _declare(
    "TRUST_SOURCE_NOT_ALLOWED",
    "The policy does not allow models from this place.",
    "Fetch the model from an allowed place, or add this one to the policy.",
    403,
)
TRUST_NO_RULE: Final = _declare(
    "TRUST_NO_RULE",
    "No rule of the policy allows this model.",
    "`ostiary trust check MODEL` tells what would; what no rule allows is refused.",
    403,
)
TRUST_WRONG_MODEL: Final = _declare(
    "TRUST_WRONG_MODEL",
    "The model is signed under another name.",
    "Check that the right model was asked for; a signed id cannot be served under another's name.",
    403,
)
TRUST_NOT_PINNED: Final = _declare(
    "TRUST_NOT_PINNED",
    "The model was never seen before, and nobody is there to ask.",
    "Look at it with `ostiary trust check MODEL`, then say yes with `ostiary trust pin MODEL`.",
    403,
)
TRUST_STALE: Final = _declare(
    "TRUST_STALE",
    "The trust that was fetched is too old to rely on.",
    "Update it with `ostiary trust update`; if its source is gone, ask whoever publishes it.",
    503,
)
TRUST_NOT_FOLLOWED: Final = _declare(
    "TRUST_NOT_FOLLOWED",
    "The repository of trust that is followed here is not there, or is another one.",
    "Fetch it again: `ostiary trust update --from SOURCE --root root.json`. Or follow it no more: "
    "`ostiary trust unfollow`.",
    409,
)
TRUST_MALFORMED: Final = _declare(
    "TRUST_MALFORMED",
    "A signature file, key or policy does not follow its format.",
    "Fetch it again from its publisher; if it stays malformed, do not use it.",
    422,
)
TRUST_TOO_LARGE: Final = _declare(
    "TRUST_TOO_LARGE",
    "A signature file, key or policy exceeds a limit.",
    "See docs/reference/limits.md for the ceiling and its reason.",
    413,
)
TRUST_UNSUPPORTED: Final = _declare(
    "TRUST_UNSUPPORTED",
    "The signature uses something that is not supported here.",
    "See docs/verify.md for what is supported; ask the publisher for a signature of such a kind.",
    422,
)
TRUST_TAMPERED: Final = _declare(
    "TRUST_TAMPERED",
    "What was remembered about models was changed by somebody else.",
    "Find out who changed the state directory; `ostiary trust pin --rebuild` builds the memory anew.",
    409,
)
KEY_UNUSABLE: Final = _declare(
    "KEY_UNUSABLE",
    "The key cannot be used.",
    "Check that the file is a private key for ECDSA on P-256, P-384 or P-521, and that its file is yours alone.",
    400,
)
KEY_LOCKED: Final = _declare(
    "KEY_LOCKED",
    "The key's passphrase is missing or wrong.",
    "Give it at the prompt, by --passphrase-fd or in OSTIARY_PASSPHRASE.",
    400,
)
KEY_EXISTS: Final = _declare(
    "KEY_EXISTS",
    "There is a key of this name already.",
    "Choose another name; a key is never overwritten.",
    409,
)
SIGNER_FAILED: Final = _declare(
    "SIGNER_FAILED",
    "The program, device or service that should sign did not.",
    "Run it by hand to see why; docs/signing.md says what it is given and what it must print.",
    502,
)
SOURCE_UNREACHABLE: Final = _declare(
    "SOURCE_UNREACHABLE",
    "A place on the network that this needs does not answer.",
    "Check the network and the place itself; what was fetched before is good until it expires.",
    503,
)
EXTRA_MISSING: Final = _declare(
    "EXTRA_MISSING",
    "A part of Ostiary that this needs is not installed.",
    "Install the extra that the message names.",
    501,
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
