from __future__ import annotations

import struct

import pytest
from attack_cases.weight_files import (
    Member,
    corpus_files,
    deflate,
    npy_bytes,
    zip64_bytes,
    zip_bytes,
)

from ostiary.core.limits import MAX_NPZ_DIRECTORY_BYTES, MAX_NPZ_MEMBERS, MAX_TENSOR_NAME_CHARACTERS
from ostiary.errors import IntakeRefused
from ostiary.intake.rules import tensors as tensor_rules
from ostiary.intake.rules import weights as rules
from ostiary.intake.weights.read_npz import NpzArchive, parse_npz

CORPUS = corpus_files("npz")
ARRAY = npy_bytes()
LARGE = npy_bytes(bytes(8_000), "(2000,)")
OK = zip_bytes(Member())
X, Y = Member(), Member(b"y.npy")
ZIP64 = struct.pack("<2H2Q", 1, 16, len(ARRAY), len(ARRAY))


def parse(data: bytes) -> NpzArchive:
    return parse_npz(lambda offset, length: data[offset : offset + length], len(data))


def zeros(megabytes: int) -> Member:
    data = npy_bytes(bytes(megabytes << 20), f"({megabytes << 18},)")
    return Member(data=data, method=8)


def reaching_into_the_directory() -> bytes:
    """Both records agree that the only member is ten bytes longer than it is."""
    data = bytearray(OK)
    for at in (18, 22, len(OK) - 22 - 51 + 20, len(OK) - 22 - 51 + 24):
        struct.pack_into("<I", data, at, len(ARRAY) + 10)
    return bytes(data)


def all_directory(size: int) -> bytes:
    """An archive whose end says that its directory is everything before it."""
    record_at = len(zip_bytes(Member(data=bytes(size)))) - 22
    return zip64_bytes([Member(data=bytes(size))], offset=0, size=record_at)


REFUSED = {
    rules.NPZ_STRUCTURE: [
        b"",
        b"PK\5\6",
        OK[:-1],
        OK + b"\0",
        zip_bytes(X, comment=b"hello"),
        zip_bytes(X, count=2),
        zip_bytes(X, Y, count=1),
        zip_bytes(X, disk=1),
        zip_bytes(X, directory_at=2**31),
        OK[: len(ARRAY) + 35] + b"XX" + OK[len(ARRAY) + 37 :],
        zip_bytes(Member(local_magic=b"PK\5\6")),
        zip_bytes(Member(crc=1)),
        zip_bytes(Member(method=8, compressed=b"\xff" * 40)),
        zip_bytes(Member(method=8, compressed=deflate(ARRAY)[:-4])),
        zip_bytes(Member(method=8, compressed=deflate(ARRAY) + b"hidden")),
        zip_bytes(Member(method=8, size=len(ARRAY) + 4, data=ARRAY)),
        zip_bytes(Member(method=8, compressed=deflate(ARRAY + b"more"))),
        zip_bytes(Member(method=8, compressed=deflate(ARRAY), size=10_000)),
        zip64_bytes([X], record_at=7),
        zip64_bytes([X], length=45),
        zip64_bytes([X], count=2),
        zip64_bytes([X], short_count=2),
        OK[:-2] + b"\5\0",
        zip_bytes(X, count=0xFFFF),
    ],
    rules.NPZ_PREFIX: [
        zip_bytes(X, prefix=b"#!/bin/sh\n"),
        zip_bytes(Member(header_at=10), prefix=b"#!/bin/sh\n", directory_at=10 + 35 + len(ARRAY)),
        b"#!/bin/sh\n" + OK,
        zip_bytes(X, Y, gap=b"hidden"),
        zip_bytes(X, gap=b"hidden"),
        zip_bytes(X, end64=bytes(20)),
        zip_bytes(X, directory_at=0),
        zip64_bytes([X], offset=0),
    ],
    rules.NPZ_OVERLAP: [
        reaching_into_the_directory(),
        zip_bytes(X, Member(b"y.npy", header_at=0)),
        zip_bytes(X, Member(b"y.npy", header_at=10)),
        zip_bytes(X, Member(b"y.npy", header_at=len(ARRAY) + 34)),
    ],
    rules.NPZ_LOCAL_HEADER: [
        zip_bytes(Member(local_name=b"y.npy")),
        zip_bytes(Member(local_name=b"xx.npy")),
        zip_bytes(Member(local_size=1)),
        zip_bytes(Member(local_flags=0x800)),
        zip_bytes(Member(local_extra=b"\1\0\4\0abcd")),
        zip_bytes(Member(local_extra=ZIP64[:-1] + b"\1")),
        zip_bytes(Member(local_extra=bytes(30))),
        zip_bytes(Member(size=len(ARRAY) - 1)),
    ],
    rules.NPZ_ENCRYPTED: [zip_bytes(Member(flags=1)), zip_bytes(Member(flags=0x41))],
    rules.NPZ_FEATURE: [
        zip_bytes(Member(flags=8)),
        zip_bytes(Member(flags=0x2000)),
        zip_bytes(Member(method=12)),
        zip_bytes(Member(method=99)),
        zip_bytes(Member(needed=63)),
        zip_bytes(Member(disk=1)),
        zip_bytes(Member(comment=b"hi")),
        zip_bytes(Member(extra=b"UT\5\0\1abcd")),
        zip_bytes(Member(extra=ZIP64)),
        zip_bytes(Member(size=0xFFFFFFFF)),
        zip_bytes(Member(attributes=0o120777 << 16)),
    ],
    rules.NPZ_DUPLICATE: [zip_bytes(X, X)],
    rules.NPZ_MEMBER_PATH: [
        zip_bytes(Member(name)) for name in (b"../x.npy", b"/x.npy", b"a/../../x.npy", b"..\\x.npy", b"C:x.npy")
    ],
    rules.NPZ_NOT_ARRAY: [
        zip_bytes(Member(b"x.txt")),
        zip_bytes(Member(b"x.npz", data=OK)),
        zip_bytes(Member(b"x.npy", data=OK)),
        zip_bytes(Member(b"x.npy/")),
        zip_bytes(Member(b"x.NPY")),
    ],
    rules.NPZ_TOO_LARGE: [
        zip64_bytes([X], count=MAX_NPZ_MEMBERS + 1),
        all_directory(MAX_NPZ_DIRECTORY_BYTES + 1),
    ],
    rules.NPZ_BOMB: [zip_bytes(zeros(2))],
    rules.NPY_PICKLE: [
        zip_bytes(Member(data=npy_bytes(descr="'|O'"))),
        zip_bytes(Member(data=npy_bytes(descr="'|O'"), method=8)),
    ],
    rules.NPY_MAGIC: [zip_bytes(Member(data=b"hello"))],
    rules.NPY_SIZE: [zip_bytes(Member(data=ARRAY + b"x"))],
    tensor_rules.NAME_INVISIBLE: [
        zip_bytes(Member(b"\xff.npy")),
        zip_bytes(Member(b"\xff.npy", flags=0x800)),
        zip_bytes(Member(b"a\0.npy")),
    ],
    tensor_rules.NAME_TOO_LONG: [
        zip_bytes(Member(b"")),
        zip_bytes(Member(b"n" * MAX_TENSOR_NAME_CHARACTERS + b"n.npy")),
    ],
    tensor_rules.NAME_EMPTY_PART: [zip_bytes(Member(b".npy"))],
    tensor_rules.NAME_INDEX: [zip_bytes(Member(b"a.1000000000.npy"))],
    tensor_rules.NAME_INSIDE_TENSOR: [zip_bytes(Member(b"a.npy"), Member(b"a.b.npy"))],
}


@pytest.mark.parametrize(
    ("rule", "data"),
    [(rule, data) for rule, files in REFUSED.items() for data in files],
    ids=lambda v: getattr(v, "id", ""),
)
def test_refuses_by_the_rule_that_fits(rule: rules.Rule, data: bytes) -> None:
    with pytest.raises(IntakeRefused) as caught:
        parse(data)
    assert caught.value.findings[0].rule.id == rule.id
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", CORPUS)
def test_corpus(name: str) -> None:
    expected, data = CORPUS[name]
    if expected == "reject":
        with pytest.raises(IntakeRefused):
            parse(data)
    else:
        assert {member.name for member in parse(data).members} == {"x", "y"}


def test_every_npz_rule_is_struck() -> None:
    assert {rule.id for rule in rules.RULES if rule.id.startswith("npz.")} <= {rule.id for rule in REFUSED}


@pytest.mark.parametrize(
    "data",
    [
        zip_bytes(X, Y),
        zip_bytes(Member(method=8)),
        zip_bytes(Member(data=LARGE, method=8)),
        zip_bytes(Member(local_extra=ZIP64)),
        zip_bytes(Member(b"p\xc3\xb6.npy", flags=0x800)),
        zip_bytes(Member(b"layers.0/w.npy", attributes=0)),
        zip_bytes(Member(method=8, flags=2)),
        zip64_bytes([X, Y]),
        zip_bytes(),
    ],
)
def test_accepts_what_writers_make(data: bytes) -> None:
    assert all(member.header.dtype == "F32" for member in parse(data).members)


def test_says_which_member_it_dislikes() -> None:
    with pytest.raises(IntakeRefused, match=r"in y\.npy: "):
        parse(zip_bytes(X, Member(b"y.npy", data=npy_bytes(descr="'|O'"))))


def test_reads_heads_only() -> None:
    data = zip_bytes(Member(data=npy_bytes(bytes(1 << 20), "(262144,)")), Member(b"y.npy", data=LARGE, method=8))
    asked = 0

    def read_at(offset: int, length: int) -> bytes:
        nonlocal asked
        asked += length
        return data[offset : offset + length]

    assert parse_npz(read_at, len(data)).members[0].bytes > 1 << 20
    assert asked < 20_000


def test_a_file_that_shrinks_while_it_is_read_is_refused() -> None:
    with pytest.raises(IntakeRefused):
        parse_npz(lambda _offset, _length: b"", len(OK))
