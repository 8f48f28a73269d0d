from __future__ import annotations

import struct

import pytest
from attack_cases.weight_files import (
    corpus_files,
    gguf_array,
    gguf_bytes,
    gguf_entry,
    gguf_tensor,
    gguf_text,
)

from ostiary.core.limits import (
    MAX_GGUF_ARRAY_STRINGS,
    MAX_GGUF_KEY_BYTES,
    MAX_GGUF_METADATA_ENTRIES,
    MAX_TENSOR_NAME_CHARACTERS,
    MAX_TENSORS_PER_FILE,
)
from ostiary.errors import IntakeRefused
from ostiary.intake.rules import tensors as tensor_rules
from ostiary.intake.rules import weights as rules
from ostiary.intake.weights.gguf_types import TENSOR_TYPES, VALUE_BYTES
from ostiary.intake.weights.read_gguf import parse_gguf
from ostiary.intake.weights.tensor import Tensor

CORPUS = corpus_files("gguf")
F32, F16, Q4_0, Q4_1, Q8_0 = 0, 1, 2, 3, 8
UINT32, BOOL, STRING, ARRAY, FLOAT64 = 4, 7, 8, 9, 12


def u32(value: int) -> bytes:
    return struct.pack("<I", value)


def one(
    name: str | bytes = "x", sizes: tuple[int, ...] = (2,), kind: int = F32, offset: int = 0, data: bytes = bytes(8)
) -> bytes:
    return gguf_bytes([gguf_tensor(name, sizes, kind, offset)], data)


def with_entry(key: str | bytes, kind: int, value: bytes) -> bytes:
    return gguf_bytes(entries=[gguf_entry(key, kind, value)])


OK = one()
REFUSED = {
    rules.GGUF_MAGIC: [b"", b"GGU", gguf_bytes(magic=b"GGML"), gguf_bytes(magic=b"FUGG")],
    rules.GGUF_VERSION: [gguf_bytes(version=v) for v in (0, 1, 4, 3 << 24)],
    rules.GGUF_TRUNCATED: [
        OK[:5],
        OK[:20],
        OK[:30],
        OK[:50],
        gguf_bytes(tensor_count=1000),
        gguf_bytes(entry_count=1000),
        with_entry("k", STRING, struct.pack("<Q", 2**63) + b"x" * 9),
        with_entry("k", ARRAY, gguf_array(UINT32, 2**62, bytes(8))),
        with_entry("k", ARRAY, gguf_array(STRING, 2**61, bytes(8))),
        with_entry("k", ARRAY, gguf_array(STRING, 2, gguf_text("a") + struct.pack("<Q", 99))),
        gguf_bytes(entries=[gguf_entry("k", ARRAY, gguf_array(STRING, 3, gguf_text("abcdefgh") * 2))], alignment=1),
    ],
    rules.GGUF_HEADER_TOO_LARGE: [
        gguf_bytes(entry_count=MAX_GGUF_METADATA_ENTRIES + 1),
        with_entry(
            "k", ARRAY, gguf_array(STRING, MAX_GGUF_ARRAY_STRINGS + 1, bytes(8) * (MAX_GGUF_ARRAY_STRINGS + 1))
        ),
    ],
    tensor_rules.TOO_MANY_TENSORS: [gguf_bytes(tensor_count=MAX_TENSORS_PER_FILE + 1)],
    rules.GGUF_KEY: [
        with_entry(key, UINT32, u32(1))
        for key in ("", "k" * (MAX_GGUF_KEY_BYTES + 1), "a..b", "a\nb", b"\xff", "\u00e9", ".a", "a\0")
    ],
    rules.GGUF_DUPLICATE: [
        gguf_bytes(entries=[gguf_entry("k", UINT32, u32(1))] * 2),
        gguf_bytes([gguf_tensor("x", (2,), F32, 0), gguf_tensor("x", (2,), F32, 32)], bytes(40)),
    ],
    rules.GGUF_DERIVED_NAME: [
        gguf_bytes([gguf_tensor("m.weight", (32,), Q4_0, 0), gguf_tensor("m.scales", (2,), F32, 32)], bytes(40)),
        gguf_bytes([gguf_tensor("m.weight", (32,), Q8_0, 0), gguf_tensor("m.biases", (2,), F32, 64)], bytes(72)),
        gguf_bytes([gguf_tensor("m.weight", (32,), Q4_1, 0), gguf_tensor("m-weight", (32,), Q4_1, 32)], bytes(52)),
    ],
    rules.GGUF_VALUE: [
        with_entry("k", 13, bytes(8)),
        with_entry("k", 2**32 - 1, bytes(8)),
        with_entry("k", BOOL, b"\2"),
        with_entry("k", ARRAY, gguf_array(BOOL, 2, b"\1\xff")),
        with_entry("k", ARRAY, gguf_array(ARRAY, 1, gguf_array(UINT32, 0, b""))),
        with_entry("k", ARRAY, gguf_array(99, 1, bytes(8))),
        with_entry("k", STRING, gguf_text(b"\xff")),
    ],
    rules.GGUF_FLOAT64_ARRAY: [with_entry("k", ARRAY, gguf_array(FLOAT64, 1, bytes(8)))],
    rules.GGUF_ALIGNMENT: [with_entry("general.alignment", UINT32, u32(a)) for a in (0, 1, 3, 4, 48, 2**17)]
    + [with_entry("general.alignment", STRING, gguf_text("32"))],
    rules.GGUF_TYPE: [one(kind=kind) for kind in (4, 5, 31, 33, 36, 40, 200, 2**32 - 1)],
    rules.GGUF_BLOCKS: [one(sizes=(33,), kind=Q4_0, data=bytes(40)), one(sizes=(16, 2), kind=Q8_0, data=bytes(34))],
    rules.GGUF_LAYOUT: [
        one(offset=8, data=bytes(16)),
        gguf_bytes([gguf_tensor(n, (2,), F32, o) for n, o in (("x", 0), ("y", 8))], bytes(16)),
        one(offset=32),
        one(offset=2**64 - 32),
        one(data=bytes(7)),
        one(sizes=(2**31 - 1, 4)),
        gguf_bytes([gguf_tensor("x", (2,), F32, 64)], bytes(72)),
    ],
    rules.GGUF_OVERLAP: [gguf_bytes([gguf_tensor(n, (16,), F32, o) for n, o in (("x", 0), ("y", 32))], bytes(96))],
    rules.GGUF_TRAILING: [
        OK + bytes(200),
        OK + b"PK\5\6" + bytes(18),
        gguf_bytes([gguf_tensor("x", (2,), F32, 0)], bytes(8), padding=b"x"),
        gguf_bytes() + b"x" * 60,
    ],
    tensor_rules.TENSOR_SHAPE: [one(sizes=(2**31,)), one(sizes=(2**64 - 1,)), one(sizes=(2**32 + 2,))],
    tensor_rules.TENSOR_SIZE_OVERFLOW: [
        one(sizes=(2**31 - 1,) * 4),
        one(sizes=(0, 2**31 - 1, 2**31 - 1, 2**31 - 1)),
    ],
    tensor_rules.TOO_MANY_DIMENSIONS: [
        one(sizes=(1,) * 5),
        gguf_bytes([gguf_text("x") + u32(2**32 - 1) + bytes(12)]),
    ],
    tensor_rules.NAME_TOO_LONG: [
        one("n" * (4 * MAX_TENSOR_NAME_CHARACTERS + 1)),
        one("n" * (MAX_TENSOR_NAME_CHARACTERS + 1)),
    ],
    tensor_rules.NAME_INVISIBLE: [one(b"\xff"), one("a\0b")],
    tensor_rules.NAME_EMPTY_PART: [one("")],
    tensor_rules.NAME_PATH: [one("../x")],
    tensor_rules.NAME_INDEX: [one("blk.1000000000.w")],
    tensor_rules.NAME_INSIDE_TENSOR: [gguf_bytes([gguf_tensor(n, (0,), F32, 0) for n in ("a", "a.b")])],
}


@pytest.mark.parametrize(
    ("rule", "data"),
    [(rule, data) for rule, files in REFUSED.items() for data in files],
    ids=lambda v: getattr(v, "id", ""),
)
def test_refuses_by_the_rule_that_fits(rule: rules.Rule, data: bytes) -> None:
    with pytest.raises(IntakeRefused) as caught:
        parse_gguf(data, len(data))
    assert caught.value.findings[0].rule.id == rule.id
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", CORPUS)
def test_corpus(name: str) -> None:
    expected, data = CORPUS[name]
    if expected == "reject":
        with pytest.raises(IntakeRefused):
            parse_gguf(data, len(data))
    else:
        assert parse_gguf(data, len(data)).tensors


def test_every_gguf_rule_is_struck() -> None:
    struck = {rule.id for rule in REFUSED} | {rules.GGUF_TEMPLATE.id}
    assert {rule.id for rule in rules.RULES if rule.id.startswith("gguf.")} <= struck


@pytest.mark.parametrize("kind", TENSOR_TYPES)
def test_knows_how_every_type_is_packed(kind: int) -> None:
    layout = TENSOR_TYPES[kind]
    data = one(sizes=(layout.block_elements, 3), kind=kind, data=bytes(3 * layout.block_bytes))
    assert parse_gguf(data, len(data)).tensors == (
        Tensor("x", layout.name, (3, layout.block_elements), 0, 3 * layout.block_bytes),
    )


def test_describes_metadata_and_template() -> None:
    entries = [
        gguf_entry("general.architecture", STRING, gguf_text("llama")),
        gguf_entry("general.alignment", UINT32, u32(64)),
        gguf_entry("tokenizer.ggml.tokens", ARRAY, gguf_array(STRING, 2, gguf_text("a") + gguf_text(b"\xff"))),
        gguf_entry("tokenizer.ggml.scores", ARRAY, gguf_array(6, 2, bytes(8))),
        gguf_entry("tokenizer.chat_template", STRING, gguf_text("{{ x }}")),
        *(gguf_entry(f"k.{kind}", kind, bytes(width)) for kind, width in VALUE_BYTES.items()),
    ]
    tensors = [gguf_tensor("b", (2,), F32, 64), gguf_tensor("a", (2, 3), F16, 0)]
    data = gguf_bytes(tensors, bytes(72), entries, alignment=64)
    header = parse_gguf(data, len(data))
    assert (header.version, header.architecture, header.alignment) == (3, "llama", 64)
    assert header.metadata_keys[:3] == ("general.architecture", "general.alignment", "tokenizer.ggml.tokens")
    assert header.chat_template == "{{ x }}"
    assert header.tensors == (Tensor("a", "F16", (3, 2), 0, 12), Tensor("b", "F32", (2,), 64, 72))
    assert [note.rule for note in header.notes] == [rules.GGUF_TEMPLATE]


def test_needs_the_header_alone() -> None:
    data = one(sizes=(1024,), data=bytes(4096))
    header = parse_gguf(data[:64], len(data))
    assert header.data_start == 64
    assert header.tensors[0].bytes == 4096


def test_a_header_that_goes_on_past_what_was_read_is_too_large() -> None:
    data = with_entry("k", STRING, gguf_text("x" * 1000))
    with pytest.raises(IntakeRefused) as caught:
        parse_gguf(data[:500], len(data))
    assert caught.value.findings[0].rule is rules.GGUF_HEADER_TOO_LARGE


def test_a_file_of_metadata_alone_is_fine() -> None:
    data = gguf_bytes(entries=[gguf_entry("k", UINT32, u32(1))])
    assert parse_gguf(data, len(data)).tensors == ()
