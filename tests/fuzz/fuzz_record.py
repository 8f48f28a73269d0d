"""Fuzzes what reads a record's texts: notes, checkpoints, verifier keys, proofs and entries."""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["ostiary"]):
    from ostiary.errors import RecordRefused
    from ostiary.record.checkpoint import parse_checkpoint, parse_checkpoint_text, verify_checkpoint
    from ostiary.record.entry import parse_entry
    from ostiary.record.note import Algorithm, VerifierKey, parse_note, parse_verifier_key, render_note
    from ostiary.record.proof import parse_proof, render_proof, verify_proof

# RFC 8032's first key pair; a key of small order would believe anything.
KEY = VerifierKey(
    "ostiary.local/fuzz",
    Algorithm.ED25519,
    bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"),
)


def _same(rendered: bytes, claimed: bytes) -> None:
    if rendered != claimed:
        raise AssertionError("two spellings of one value were let in")


def TestOneInput(data: bytes) -> None:  # noqa: N802  the name that fuzzers look for
    text = data.decode("utf-8", "replace")
    for read in (
        lambda: _same(render_note(parse_note(data)), data),
        lambda: _same(render_proof(parse_proof(data)), data),
        lambda: _same(parse_entry(data, 0).body, data),
        lambda: _same(parse_checkpoint_text(text).text.encode(), text.encode()) if text.count("\n") == 3 else None,
        lambda: _same(parse_verifier_key(text).text.encode(), text.strip().encode()),
        lambda: parse_checkpoint(data),
    ):
        try:
            read()
        except RecordRefused:
            continue
    for verify in (lambda: verify_checkpoint(data, [KEY]), lambda: verify_proof(data, (KEY,))):
        try:
            verify()
        except RecordRefused:
            continue
        raise AssertionError("something nobody signed was believed")


if __name__ == "__main__":
    atheris.Setup(sys.argv, TestOneInput)
    atheris.Fuzz()
