from __future__ import annotations

import pytest

from ostiary.errors import RecordRefused
from ostiary.record.checkpoint import (
    Checkpoint,
    parse_checkpoint,
    parse_checkpoint_text,
    sign_checkpoint,
    verify_checkpoint,
)
from ostiary.record.keys import create_signers, has_algorithm
from ostiary.record.note import Algorithm, Note, parse_note, parse_verifier_key, render_note

CHECKPOINT = Checkpoint("ostiary.local/test", 12, bytes(range(32)))


def test_a_signed_checkpoint_verifies_under_each_of_its_keys() -> None:
    signers = create_signers(CHECKPOINT.origin)
    note = sign_checkpoint(CHECKPOINT, signers, 1_700_000_000)
    assert parse_checkpoint(note) == CHECKPOINT
    keys = [signer.verifier for signer in signers]
    assert verify_checkpoint(note, keys).keys == tuple(keys)
    for key in keys:
        assert verify_checkpoint(note, [key]).checkpoint == CHECKPOINT


def test_another_key_of_the_same_name_does_not_verify_it() -> None:
    note = sign_checkpoint(CHECKPOINT, create_signers(CHECKPOINT.origin), 1)
    other = [signer.verifier for signer in create_signers(CHECKPOINT.origin)]
    with pytest.raises(RecordRefused, match="not signed by"):
        verify_checkpoint(note, other)
    with pytest.raises(RecordRefused, match="any known key"):
        verify_checkpoint(note, [])


def test_every_byte_of_the_text_is_signed() -> None:
    signers = create_signers(CHECKPOINT.origin)
    note = sign_checkpoint(CHECKPOINT, signers, 1)
    for old, new in (
        (b"\n12\n", b"\n13\n"),
        (b"ostiary.local/test\n12", b"ostiary.local/tesu\n12"),
        (b"AAEC", b"AAED"),
    ):
        assert old in note
        with pytest.raises(RecordRefused):
            verify_checkpoint(note.replace(old, new, 1), [signers[0].verifier])


@pytest.mark.skipif(not has_algorithm(Algorithm.MLDSA44), reason="the installed cryptography lacks ML-DSA-44")
def test_striking_out_the_stronger_signature_is_noticed() -> None:
    signers = create_signers(CHECKPOINT.origin)
    note = parse_note(sign_checkpoint(CHECKPOINT, signers, 1))
    weaker = render_note(Note(note.text, note.signatures[:1]))
    with pytest.raises(RecordRefused, match=signers[1].verifier.key_id.hex()):
        verify_checkpoint(weaker, [signer.verifier for signer in signers])
    assert verify_checkpoint(weaker, [signers[0].verifier])


@pytest.mark.skipif(not has_algorithm(Algorithm.MLDSA44), reason="the installed cryptography lacks ML-DSA-44")
def test_the_time_of_a_cosignature_is_signed() -> None:
    signers = create_signers(CHECKPOINT.origin)
    first, second = parse_note(sign_checkpoint(CHECKPOINT, signers, 1)).signatures
    later = (2).to_bytes(8, "big") + second.blob[8:]
    forged = render_note(Note(CHECKPOINT.text, (first, type(second)(second.name, second.key_id, later))))
    with pytest.raises(RecordRefused):
        verify_checkpoint(forged, [signers[1].verifier])
    short = render_note(Note(CHECKPOINT.text, (first, type(second)(second.name, second.key_id, b"12345678"))))
    with pytest.raises(RecordRefused, match="too short"):
        verify_checkpoint(short, [signers[1].verifier])


def test_the_go_implementation_s_checkpoint_key_is_understood() -> None:
    # sum.golang.org's key and a tree head of its log, published since 2019.
    key = parse_verifier_key("sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8")
    assert key.name == "sum.golang.org"
    assert key.algorithm is Algorithm.ED25519


@pytest.mark.parametrize(
    "text",
    [
        "origin\n12\n",
        "origin\n12\nAAAA\n",
        "origin\n012\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n-1\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n\N{FULLWIDTH DIGIT ONE}\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n9223372036854775808\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "origin\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
        "origin\n12\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n\n",
    ],
)
def test_what_is_not_exactly_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(RecordRefused):
        parse_checkpoint_text(text)
