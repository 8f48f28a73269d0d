"""Proofs that one entry is in the record (c2sp.org/tlog-proof), which verify offline, without the record.

The `extra` line carries the entry itself, so that one file and the verifier keys are all that an auditor needs. It
is believed only because the proof hashes it.
"""

from __future__ import annotations

import re
from typing import Final

from ostiary.core.limits import MAX_PROOF_BYTES
from ostiary.core.values import dataclass
from ostiary.errors import RECORD_BAD_PROOF, RecordRefused
from ostiary.record.checkpoint import SignedCheckpoint, parse_checkpoint, verify_checkpoint
from ostiary.record.entry import Entry, parse_entry
from ostiary.record.merkle import hash_leaf, prove_inclusion, verify_inclusion
from ostiary.record.note import VerifierKey, decode_base64, encode_base64
from ostiary.record.reader import Reader

_FIRST_LINE: Final = "c2sp.org/tlog-proof@v1"
_INDEX: Final = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)
_EXTRA: Final = "extra "
_MAX_SIBLINGS: Final = 63


@dataclass(frozen=True, slots=True)
class Proof:
    """A parsed proof, unverified."""

    index: int
    siblings: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None


@dataclass(frozen=True, slots=True)
class VerifiedProof:
    """Evidence: this entry was recorded at its number, in the tree of this checkpoint."""

    entry: Entry
    signed: SignedCheckpoint


def prove_entry(reader: Reader, index: int, checkpoint: bytes) -> bytes:
    """The proof file for an entry, archived or not, against a checkpoint of this record."""
    size = parse_checkpoint(checkpoint).size
    body = reader.read_body(index)
    if index >= size:
        raise _refuse(f"the checkpoint covers {size} entries, and entry {index} came later")
    return render_proof(Proof(index, prove_inclusion(reader.read_node, index, size), checkpoint, body))


def render_proof(proof: Proof) -> bytes:
    lines = [_FIRST_LINE]
    if proof.extra is not None:
        lines.append(_EXTRA + encode_base64(proof.extra))
    lines.append(f"index {proof.index}")
    lines += [encode_base64(sibling) for sibling in proof.siblings]
    return "\n".join((*lines, "", "")).encode() + proof.checkpoint


def parse_proof(claimed: bytes) -> Proof:
    if len(claimed) > MAX_PROOF_BYTES:
        raise _refuse("the proof is larger than any")
    head, blank, checkpoint = claimed.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise _refuse("the proof does not follow its format") from error
    if not blank or lines.pop(0) != _FIRST_LINE:
        raise _refuse("this is not a C2SP tlog-proof")
    extra = decode_base64(lines.pop(0).removeprefix(_EXTRA)) if lines and lines[0].startswith(_EXTRA) else None
    found = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if found is None or len(lines) > _MAX_SIBLINGS:
        raise _refuse("the proof does not follow its format")
    return Proof(int(found[1]), tuple(decode_base64(line) for line in lines), checkpoint, extra)


def verify_proof(claimed: bytes, keys: tuple[VerifierKey, ...], entry: bytes | None = None) -> VerifiedProof:
    """Verifies a proof file with nothing but the record's verifier keys.

    1. The checkpoint in it is signed by the keys.
    2. The entry (given beside the proof, or in its `extra` line) and the siblings hash to the checkpoint's root.
    3. The entry is spelled as entries are, and says the same number.
    """
    proof = parse_proof(claimed)
    signed = verify_checkpoint(proof.checkpoint, keys)
    body = proof.extra if entry is None else entry
    if body is None:
        raise _refuse("the proof does not carry its entry, and none is given beside it")
    checkpoint = signed.checkpoint
    verify_inclusion(proof.index, checkpoint.size, hash_leaf(body), proof.siblings, checkpoint.root)
    parsed = parse_entry(body, proof.index)
    if parsed.index != proof.index:
        raise _refuse(f"the entry says that it is number {parsed.index}, the proof says {proof.index}")
    return VerifiedProof(parsed, signed)


def _refuse(message: str) -> RecordRefused:
    return RecordRefused(RECORD_BAD_PROOF, message)
