"""Codes of what is wrong with a model: its bytes, and who vouches for them."""

from __future__ import annotations

from typing import Final

from ostiary.codes.declare import declare

INTAKE_MALFORMED: Final = declare(
    "INTAKE_MALFORMED",
    "A file of the model does not follow its format.",
    "Fetch the file again from its publisher; if it stays malformed, do not use it.",
    422,
)
INTAKE_TOO_LARGE: Final = declare(
    "INTAKE_TOO_LARGE",
    "The model exceeds a limit.",
    "See docs/reference/limits.md for the ceiling and its reason.",
    413,
)
INTAKE_UNSAFE_FORMAT: Final = declare(
    "INTAKE_UNSAFE_FORMAT",
    "The model contains a file format that is not let in.",
    "Ask the publisher for safetensors weights, or convert the file on a machine you can lose.",
    415,
)
INTAKE_CARRIES_CODE: Final = declare(
    "INTAKE_CARRIES_CODE",
    "The model carries code.",
    "Use a version of the model without code; weights and configuration need none.",
    422,
)
INTAKE_PATH_ESCAPE: Final = declare(
    "INTAKE_PATH_ESCAPE",
    "The model points outside its own directory.",
    "Replace the link or path by a copy of the file inside the directory.",
    422,
)
INTAKE_NOT_REGULAR: Final = declare(
    "INTAKE_NOT_REGULAR",
    "The model contains something that is not a regular file.",
    "Remove it: only regular files and directories belong in a model.",
    422,
)
INTAKE_HARD_LINK: Final = declare(
    "INTAKE_HARD_LINK",
    "A file of the model has a second name.",
    "Replace the hard link by a copy, so that nobody can change the bytes under another name.",
    422,
)
INTAKE_UNSAFE_NAME: Final = declare(
    "INTAKE_UNSAFE_NAME",
    "A name in the model is not safe to use.",
    "Rename it to plain letters, digits, '.', '_' and '-'.",
    422,
)
INTAKE_DUPLICATE_NAME: Final = declare(
    "INTAKE_DUPLICATE_NAME",
    "Two things in the model have the same name.",
    "Keep one of them: different programs would each see a different model.",
    422,
)
INTAKE_UNLISTED_FILE: Final = declare(
    "INTAKE_UNLISTED_FILE",
    "The model contains a file that nothing in it accounts for.",
    "Remove the file, or list it where its kind is listed.",
    422,
)
INTAKE_UNKNOWN_ARCHITECTURE: Final = declare(
    "INTAKE_UNKNOWN_ARCHITECTURE",
    "The model's architecture is not known.",
    "See docs/reference/architectures.md for the model types that are known.",
    422,
)
INTAKE_OUT_OF_RANGE: Final = declare(
    "INTAKE_OUT_OF_RANGE",
    "A setting of the model is outside its sane range.",
    "Correct the named field; see docs/reference/limits.md for its range.",
    422,
)
INTAKE_INCONSISTENT: Final = declare(
    "INTAKE_INCONSISTENT",
    "The files of the model contradict each other.",
    "Fetch all files of one version of the model again.",
    422,
)
INTAKE_INCOMPLETE: Final = declare(
    "INTAKE_INCOMPLETE",
    "A part of the model is missing.",
    "Fetch all files of one version of the model again.",
    422,
)
INTAKE_UNBOUNDED: Final = declare(
    "INTAKE_UNBOUNDED",
    "A part of the model would work without end.",
    "Replace the named template or tokenizer setting by one with a bound.",
    422,
)
INTAKE_CHANGED: Final = declare(
    "INTAKE_CHANGED",
    "The model changed while it was read.",
    "Stop whatever is writing to the directory, then try again.",
    409,
)
INTAKE_UNREADABLE: Final = declare(
    "INTAKE_UNREADABLE",
    "A file of the model cannot be read.",
    "Check the permissions of the file and of the directories above it, and the disk.",
    500,
)
TRUST_UNSIGNED: Final = declare(
    "TRUST_UNSIGNED",
    "The model is not signed.",
    "Ask the publisher for the signature file model.sig, or check where it came from and sign it yourself.",
    422,
)
TRUST_BAD_SIGNATURE: Final = declare(
    "TRUST_BAD_SIGNATURE",
    "A signature of the model is not right.",
    "Fetch the model and its signature again; if it stays so, somebody changed the signed statement.",
    422,
)
TRUST_WRONG_SIGNER: Final = declare(
    "TRUST_WRONG_SIGNER",
    "The model is signed, but not by anybody who is trusted for it.",
    "`ostiary trust check MODEL` tells who signed it and who would be believed.",
    403,
)
TRUST_DIGEST_MISMATCH: Final = declare(
    "TRUST_DIGEST_MISMATCH",
    "A file of the model is not the one that was signed.",
    "Fetch the model again; if it stays so, somebody changed the file after it was signed.",
    422,
)
TRUST_EXTRA_FILE: Final = declare(
    "TRUST_EXTRA_FILE",
    "The model contains a file that was not signed.",
    "Remove the file, or ask the publisher to sign the model with it.",
    422,
)
TRUST_MISSING_FILE: Final = declare(
    "TRUST_MISSING_FILE",
    "A file that was signed is missing from the model.",
    "Fetch the whole model again.",
    422,
)
TRUST_EXPIRED: Final = declare(
    "TRUST_EXPIRED",
    "A signature or certificate of the model has expired.",
    "Ask the publisher for a newer version or a fresh signature.",
    403,
)
TRUST_NOT_YET_VALID: Final = declare(
    "TRUST_NOT_YET_VALID",
    "A signature or certificate of the model is not valid yet.",
    "Check this machine's clock; if it is right, the signature is from the future.",
    403,
)
TRUST_BELOW_MINIMUM: Final = declare(
    "TRUST_BELOW_MINIMUM",
    "The model is older than the policy lets in, or has no version.",
    "Fetch a newer version; `ostiary trust check MODEL` tells which.",
    403,
)
TRUST_ROLLED_BACK: Final = declare(
    "TRUST_ROLLED_BACK",
    "An older version of the model was put in the place of a newer one.",
    "Fetch the newest version; if the older one is wanted, say so with `ostiary trust pin`.",
    409,
)
TRUST_REVOKED: Final = declare(
    "TRUST_REVOKED",
    "What vouched for the model was revoked.",
    "Ask the publisher for a version signed with a key that still stands.",
    403,
)
TRUST_CODE_NOT_ALLOWED: Final = declare(
    "TRUST_CODE_NOT_ALLOWED",
    "The model carries code, which the policy does not allow it.",
    "Use a version without code, or allow code for this model in the policy.",
    403,
)
TRUST_FORMAT_NOT_ALLOWED: Final = declare(
    "TRUST_FORMAT_NOT_ALLOWED",
    "The policy does not allow the model's format.",
    "Convert the model to an allowed format, or allow this one in the policy.",
    403,
)
TRUST_SOURCE_NOT_ALLOWED: Final = declare(
    "TRUST_SOURCE_NOT_ALLOWED",
    "The policy does not allow models from this place.",
    "Fetch the model from an allowed place, or add this one to the policy.",
    403,
)
TRUST_NO_RULE: Final = declare(
    "TRUST_NO_RULE",
    "No rule of the policy allows this model.",
    "`ostiary trust check MODEL` tells what would; what no rule allows is refused.",
    403,
)
TRUST_WRONG_MODEL: Final = declare(
    "TRUST_WRONG_MODEL",
    "The model is signed under another name.",
    "Check that the right model was asked for; a signed id cannot be served under another's name.",
    403,
)
TRUST_NOT_PINNED: Final = declare(
    "TRUST_NOT_PINNED",
    "The model was never seen before, and nobody is there to ask.",
    "Look at it with `ostiary trust check MODEL`, then say yes with `ostiary trust pin MODEL`.",
    403,
)
TRUST_STALE: Final = declare(
    "TRUST_STALE",
    "The trust that was fetched is too old to rely on.",
    "Update it with `ostiary trust update`; if its source is gone, ask whoever publishes it.",
    503,
)
TRUST_NOT_FOLLOWED: Final = declare(
    "TRUST_NOT_FOLLOWED",
    "The repository of trust that is followed here is not there, or is another one.",
    "Fetch it again: `ostiary trust update --from SOURCE --root root.json`. Or follow it no more: "
    "`ostiary trust unfollow`.",
    409,
)
TRUST_MALFORMED: Final = declare(
    "TRUST_MALFORMED",
    "A signature file, key or policy does not follow its format.",
    "Fetch it again from its publisher; if it stays malformed, do not use it.",
    422,
)
TRUST_TOO_LARGE: Final = declare(
    "TRUST_TOO_LARGE",
    "A signature file, key or policy exceeds a limit.",
    "See docs/reference/limits.md for the ceiling and its reason.",
    413,
)
TRUST_UNSUPPORTED: Final = declare(
    "TRUST_UNSUPPORTED",
    "The signature uses something that is not supported here.",
    "See docs/verify.md for what is supported; ask the publisher for a signature of such a kind.",
    422,
)
TRUST_TAMPERED: Final = declare(
    "TRUST_TAMPERED",
    "What was remembered about models was changed by somebody else.",
    "Find out who changed the state directory; `ostiary trust pin --rebuild` builds the memory anew.",
    409,
)
VAULT_CHANGED: Final = declare(
    "VAULT_CHANGED",
    "The model changed after it was verified.",
    "Find out who writes to the model's directory; then try again.",
    409,
)
VAULT_NOT_AS_SIGNED: Final = declare(
    "VAULT_NOT_AS_SIGNED",
    "A file of the model does not have the bytes that were signed.",
    "Fetch the model again from its publisher.",
    403,
)
VAULT_NO_MEMORY: Final = declare(
    "VAULT_NO_MEMORY",
    "There is not enough memory to hold the model where nobody can change it.",
    "Free memory, or keep the model on a file system that can clone, owned by the user who runs Ostiary.",
    503,
)
VAULT_NO_METHOD: Final = declare(
    "VAULT_NO_METHOD",
    "Nothing that is allowed here keeps the bytes of the model from changing.",
    "Allow the method `memory`; docs/vault.md tells what each method needs.",
    501,
)
