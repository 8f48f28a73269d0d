"""Codes of the record, of keys, of commands and of the house itself."""

from __future__ import annotations

from typing import Final

from ostiary.codes.declare import declare

OUTPUT_UNWRITABLE: Final = declare(
    "OUTPUT_UNWRITABLE",
    "The answer cannot be written.",
    "Check that the disk has room and that the place can be written to.",
    500,
)
RECORD_UNWRITABLE: Final = declare(
    "RECORD_UNWRITABLE",
    "The record cannot be written, so nothing was done.",
    "Check the state directory (OSTIARY_STATE_DIR): its disk, its permissions and who owns it.",
    503,
)
RECORD_DISK_FULL: Final = declare(
    "RECORD_DISK_FULL",
    "The record cannot be written, so nothing was done: the disk is full.",
    "Make room on the disk of the state directory, or run `ostiary record archive --to` another disk.",
    503,
)
RECORD_READ_ONLY: Final = declare(
    "RECORD_READ_ONLY",
    "The record cannot be written, so nothing was done: its place is read-only.",
    "Give the user write permission on the state directory, or set OSTIARY_STATE_DIR to another place.",
    503,
)
RECORD_BUSY: Final = declare(
    "RECORD_BUSY",
    "The record cannot be written, so nothing was done: another program holds it.",
    "Try again; if it stays so, look for a stopped ostiary process or an SQLite tool that has the record open.",
    503,
)
RECORD_CORRUPT: Final = declare(
    "RECORD_CORRUPT",
    "The record is damaged.",
    "Keep it for the investigation: move the directory `record` out of the state directory; a new one begins then.",
    500,
)
RECORD_FOREIGN: Final = declare(
    "RECORD_FOREIGN",
    "In the record's place lies something that is not a record.",
    "Find out who put it there, then move it away; nothing in it was read or changed.",
    500,
)
RECORD_MISSING: Final = declare(
    "RECORD_MISSING",
    "A part of the record is gone.",
    "Restore the directory `record` from a backup, or move what is left of it away; a new one begins then.",
    500,
)
RECORD_KEY_UNUSABLE: Final = declare(
    "RECORD_KEY_UNUSABLE",
    "The key of the record cannot be used.",
    "Check the key file's owner, its mode (0600) and its content, or the command that signs.",
    500,
)
RECORD_CHANGED: Final = declare(
    "RECORD_CHANGED",
    "The record was changed after it was written.",
    "Treat the record as evidence: copy it, and compare it with checkpoints kept elsewhere.",
    409,
)
RECORD_REMOVED: Final = declare(
    "RECORD_REMOVED",
    "An entry was removed from the record.",
    "Treat the record as evidence: copy it, and compare it with checkpoints kept elsewhere.",
    409,
)
RECORD_REORDERED: Final = declare(
    "RECORD_REORDERED",
    "Entries of the record were moved.",
    "Treat the record as evidence: copy it, and compare it with checkpoints kept elsewhere.",
    409,
)
RECORD_TRUNCATED: Final = declare(
    "RECORD_TRUNCATED",
    "The end of the record was cut off.",
    "Treat the record as evidence: copy it, and compare it with checkpoints kept elsewhere.",
    409,
)
RECORD_ROLLED_BACK: Final = declare(
    "RECORD_ROLLED_BACK",
    "An older state of the record was put in its place.",
    "Look for the newer record in backups, and for who replaced it.",
    409,
)
RECORD_BAD_SIGNATURE: Final = declare(
    "RECORD_BAD_SIGNATURE",
    "A signature of the record is not right.",
    "Check that the verifier key is the record's own; if it is, somebody else wrote the checkpoint.",
    409,
)
RECORD_BAD_PROOF: Final = declare(
    "RECORD_BAD_PROOF",
    "The proof does not prove it.",
    "Ask for the proof again, with the entry exactly as it was recorded.",
    422,
)
RECORD_NONE: Final = declare(
    "RECORD_NONE",
    "There is no record here yet.",
    "The first thing that is recorded begins it; check OSTIARY_STATE_DIR if you expected one.",
    404,
)
RECORD_NO_ENTRY: Final = declare(
    "RECORD_NO_ENTRY",
    "The record has no such entry.",
    "`ostiary record tail` shows the last ones; archived entries are in the archive files.",
    404,
)
KEY_UNUSABLE: Final = declare(
    "KEY_UNUSABLE",
    "The key cannot be used.",
    "Check that the file is a key for ECDSA on P-256, P-384 or P-521. A private key's file has to be yours alone.",
    400,
)
KEY_LOCKED: Final = declare(
    "KEY_LOCKED",
    "The key's passphrase is missing or wrong.",
    "Give it at the prompt, by --passphrase-fd or in OSTIARY_PASSPHRASE.",
    400,
)
KEY_EXISTS: Final = declare(
    "KEY_EXISTS",
    "There is a key of this name already.",
    "Choose another name; a key is never overwritten.",
    409,
)
SIGNER_FAILED: Final = declare(
    "SIGNER_FAILED",
    "The program, device or service that should sign did not.",
    "Run it by hand to see why; docs/signing.md says what it is given and what it must print.",
    502,
)
SOURCE_UNREACHABLE: Final = declare(
    "SOURCE_UNREACHABLE",
    "A place on the network that this needs does not answer.",
    "Check the network and the place itself; what was fetched before is good until it expires.",
    503,
)
EXTRA_MISSING: Final = declare(
    "EXTRA_MISSING",
    "A part of Ostiary that this needs is not installed.",
    "Install the extra that the message names.",
    501,
)
HOUSE_INTERNAL: Final = declare(
    "HOUSE_INTERNAL",
    "Ostiary failed in a way it did not foresee.",
    "Run again with --debug and report what you see; SECURITY.md says where if a model caused it.",
    500,
)
USAGE: Final = declare(
    "USAGE",
    "The request cannot be understood.",
    "Run the command with --help.",
    400,
)
MODEL_NOT_FOUND: Final = declare(
    "MODEL_NOT_FOUND",
    "There is no such model.",
    "Check the path; it names a model directory or a single model file.",
    404,
)
