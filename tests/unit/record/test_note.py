from __future__ import annotations

import pytest

from ostiary.errors import RecordRefused
from ostiary.record.note import parse_note, parse_verifier_key, render_note

# From the documentation of Go's golang.org/x/mod/sumdb/note.
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"


def test_a_note_of_another_implementation_reads_and_renders_byte_for_byte() -> None:
    note = parse_note(GO_NOTE.encode())
    assert note.text.endswith("your problem is.\n")
    assert note.signatures[0].name == "PeterNeumann"
    assert note.signatures[0].key_id.hex() == "c74f20a3"
    assert render_note(note) == GO_NOTE.encode()


def test_a_verifier_key_of_another_implementation_reads_and_renders() -> None:
    key = parse_verifier_key(GO_KEY)
    assert key.key_id.hex() == "c74f20a3"
    assert key.text == GO_KEY


@pytest.mark.parametrize(
    "claimed",
    [
        b"",
        b"text\n",
        b"text\n\n",
        b"\n\n\xe2\x80\x94 name c74f20a3\n",
        GO_NOTE.encode()[:-1],
        GO_NOTE.replace("— ", "- ").encode(),
        GO_NOTE.replace("is.", "is\x07.").encode(),
        GO_NOTE.encode().replace(b"is.", b"is\xff."),
        GO_NOTE.replace("PeterNeumann", "Peter+Neumann").encode(),
        GO_NOTE.replace("JnAM=", "JnAN=").encode(),
        GO_NOTE.replace(
            "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=",
            "x08goA==",
        ).encode(),
        GO_NOTE.encode() * 400,
    ],
)
def test_what_is_not_exactly_a_note_is_refused(claimed: bytes) -> None:
    with pytest.raises(RecordRefused):
        parse_note(claimed)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "name",
        "name+00000000",
        GO_KEY.replace("c74f20a3", "c74f20a4"),
        GO_KEY.replace("PeterNeumann", "Peter Neumann"),
        GO_KEY[:-4],
        "n+00000000+",
        "n+00000000+/w==",
    ],
)
def test_a_mistyped_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(RecordRefused):
        parse_verifier_key(text)
