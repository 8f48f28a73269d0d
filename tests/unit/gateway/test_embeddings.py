"""Vectors as an answer: how many there may be, and how they are written."""

from __future__ import annotations

import json
import struct

import pytest

from ostiary.core.limits import MAX_EMBED_NUMBERS, MAX_EMBED_TEXTS
from ostiary.errors import ContractRefused
from ostiary.gateway.openai.embeddings import judge_numbers, write_vectors

VECTOR = struct.pack("<3f", 3, 0, 4)


def test_vectors_are_written_one_by_one() -> None:
    pieces = write_vectors([VECTOR, VECTOR], "float", None)
    assert json.loads(b"[" + b"".join(pieces) + b"]") == [
        {"index": place, "embedding": [3.0, 0.0, 4.0], "object": "embedding"} for place in (0, 1)
    ]


def test_base64_is_the_bytes_themselves() -> None:
    (whole,) = write_vectors([VECTOR], "base64", None)
    assert write_vectors([VECTOR], "base64", 3) == [whole]
    assert json.loads(whole)["embedding"] == "AABAQAAAAAAAAIBA"
    (cut,) = write_vectors([VECTOR], "base64", 1)
    assert json.loads(cut)["embedding"] == "AACAPw=="


def test_an_answer_has_only_so_many_numbers() -> None:
    vector = bytes(4 * 4_096)
    most = MAX_EMBED_NUMBERS // 4_096
    judge_numbers(most, vector, None)
    judge_numbers(MAX_EMBED_TEXTS, vector, 1_024)
    for texts, dimensions in ((most + 1, None), (MAX_EMBED_TEXTS, 4_095)):
        with pytest.raises(ContractRefused) as refused:
            judge_numbers(texts, vector, dimensions)
        assert (refused.value.code, refused.value.field) == ("CONTRACT_TOO_LONG", "input")
