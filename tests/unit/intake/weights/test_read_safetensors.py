from __future__ import annotations

import pytest
from attack_cases.weight_files import corpus_files, entry, named, raw_safetensors

from ostiary.core.limits import (
    MAX_METADATA_ENTRIES,
    MAX_METADATA_KEY_CHARACTERS,
    MAX_SAFETENSORS_HEADER_BYTES,
    MAX_TENSOR_LIST_SLOTS,
    MAX_TENSOR_NAME_CHARACTERS,
    MAX_TENSOR_NAME_INDEX,
    MAX_TENSOR_NAME_PARTS,
    MAX_TENSORS_PER_FILE,
    MAX_UNUSUAL_NAME_CHARACTERS,
)
from ostiary.errors import IntakeRefused
from ostiary.intake.rules import tensors as tensor_rules
from ostiary.intake.rules import weights as rules
from ostiary.intake.weights.read_safetensors import (
    MLX_DTYPE_BYTES,
    UNSUPPORTED_DTYPES,
    SafetensorsHeader,
    measure_safetensors_header,
    parse_safetensors_header,
)
from ostiary.intake.weights.tensor import Tensor

CORPUS = corpus_files("safetensors")
ONE = named("a")


def parse(data: bytes) -> SafetensorsHeader:
    """As the caller does: the first bytes tell how much to read."""
    return parse_safetensors_header(data[: measure_safetensors_header(data[:8], len(data))], len(data))


def one(shape: object, offsets: object, data: bytes = b"", dtype: object = "U8") -> bytes:
    return raw_safetensors({"a": entry(dtype, shape, offsets)}, data)


def many(count: int) -> bytes:
    return raw_safetensors({f"t{i}": entry(shape=[0], offsets=[0, 0]) for i in range(count)})


def with_metadata(metadata: object) -> bytes:
    return raw_safetensors({"__metadata__": metadata, "a": entry()}, bytes(2))


REFUSED = {
    rules.ST_TRUNCATED: [
        b"",
        ONE[:7],
        ONE[:20],
        raw_safetensors(b"{}", header_bytes=2**64 - 1),
        raw_safetensors(b"{}", header_bytes=3),
    ],
    rules.ST_HEADER_TOO_LARGE: [raw_safetensors(b"{" + bytes(MAX_SAFETENSORS_HEADER_BYTES))],
    rules.ST_HEADER_START: [
        raw_safetensors(b""),
        raw_safetensors(b" {}"),
        raw_safetensors(b"\xef\xbb\xbf{}"),
        raw_safetensors(b"[]"),
    ],
    rules.ST_HEADER_END: [raw_safetensors(b"{}\n"), raw_safetensors(b"{} \0"), raw_safetensors(b"{")],
    rules.ST_ENTRY: [
        raw_safetensors({"a": []}),
        raw_safetensors({"a": {"dtype": "U8", "shape": [2]}}),
        raw_safetensors({"a": entry(extra=1)}, bytes(2)),
    ],
    rules.ST_DTYPE: [one([2], [0, 2], bytes(2), dtype) for dtype in ("u8", "", "F128", 1, None, ["U8"])],
    rules.ST_DTYPE_UNSUPPORTED: [one([2], [0, 16], bytes(16), dtype) for dtype in sorted(UNSUPPORTED_DTYPES)],
    tensor_rules.TENSOR_SHAPE: [
        one(shape, [0, 2], bytes(2))
        for shape in (2, "2", {}, None, [2.0], ["2"], [[2]], [None], [True, 2], [-1, -2], [2**31], [2**31, 0])
    ]
    + [raw_safetensors(b'{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}')],
    tensor_rules.TENSOR_SIZE_OVERFLOW: [
        one([2**30, 2**30, 16], [0, 0]),
        one([2**16] * 4, [0, 0], dtype="F32"),
        one([0, 2**31 - 1, 2**31 - 1, 2**31 - 1], [0, 0]),
    ],
    tensor_rules.TOO_MANY_DIMENSIONS: [one([1] * 9, [0, 1], bytes(1))],
    tensor_rules.TOO_MANY_TENSORS: [many(MAX_TENSORS_PER_FILE + 1)],
    rules.ST_OFFSETS: [
        one([2], offsets, bytes(2))
        for offsets in (None, [], [0], [0, 1, 2], [0.0, 2], [0, "2"], [False, 2], [2, 0], [-2, 0], {"0": 2})
    ],
    rules.ST_SIZE: [one([2], [0, 1], bytes(1)), one([2], [0, 2], bytes(2), "F32"), one([], [0, 0])],
    rules.ST_PAST_END: [one([2], [0, 2], bytes(1)), one([2], [2**63, 2**63 + 2], bytes(2))],
    rules.ST_OVERLAP: [
        raw_safetensors({"a": entry(), "b": entry(offsets=[1, 3])}, bytes(3)),
        raw_safetensors({"a": entry(), "b": entry()}, bytes(2)),
        raw_safetensors({"a": entry(), "b": entry(shape=[0], offsets=[1, 1])}, bytes(2)),
    ],
    rules.ST_GAP: [
        raw_safetensors({"a": entry(offsets=[1, 3])}, bytes(3)),
        raw_safetensors({"a": entry(), "b": entry(offsets=[3, 5])}, bytes(5)),
    ],
    rules.ST_TRAILING: [ONE + b"\0", ONE + b"PK\x05\x06" + bytes(18), raw_safetensors(b"{}", b"x")],
    rules.ST_METADATA: [with_metadata(value) for value in ([], "x", 1, {"a": 1}, {"a": None}, {"a": {}})],
    rules.ST_METADATA_TOO_LARGE: [
        with_metadata({str(i): "" for i in range(MAX_METADATA_ENTRIES + 1)}),
        with_metadata({"k" * (MAX_METADATA_KEY_CHARACTERS + 1): ""}),
    ],
    tensor_rules.NAME_EMPTY_PART: [named(""), named("a..b"), named(".a"), named("a.")],
    tensor_rules.NAME_TOO_LONG: [
        named(*(f"{i}\u00e4" * 100 for i in range(1 + MAX_UNUSUAL_NAME_CHARACTERS // 200))),
        named("a" * (MAX_TENSOR_NAME_CHARACTERS + 1)),
        named("a." * MAX_TENSOR_NAME_PARTS + "a"),
    ],
    tensor_rules.NAME_INVISIBLE: [
        named("a\u200bb"),
        named("a\u202eb"),
        named("a\x1b[2J"),
        named("a\0"),
        named("a\u00a0b"),
    ],
    tensor_rules.NAME_PATH: [
        named(n) for n in ("../a", "/etc/x", "a/../b", "C:a", "a\\b", "~/a", "./a", "a//b", "a/", "a/..")
    ],
    tensor_rules.NAME_DUNDER: [
        named("__class__.a"),
        named("a.__init__"),
        named("a/__dict__"),
        named("a.__metadata__"),
    ],
    tensor_rules.NAME_INDEX: [
        named(f"a.{n}.b")
        for n in (
            "1000000000",
            str(MAX_TENSOR_NAME_INDEX + 1),
            "-1",
            "+1",
            "1_0",
            "01",
            "\u0663",
            "9" * 400,
            " 1",
            "+0",
        )
    ],
    tensor_rules.NAME_LIST_SLOTS: [
        named(*(f"a{i}.{n}.w" for i in range(70) for n in (MAX_TENSOR_NAME_INDEX, 0))),
        named(
            *(f"a{i}.{MAX_TENSOR_NAME_INDEX}.w" for i in range(1 + MAX_TENSOR_LIST_SLOTS // MAX_TENSOR_NAME_INDEX))
        ),
    ],
    tensor_rules.NAME_INSIDE_TENSOR: [named("a", "a.b"), named("a.b.c.d", "a.b")],
    tensor_rules.NAME_LOOKALIKE: [
        named("\ufb01x", "fix"),
        named("fix", "\ufb01x"),
        named("\u212b", "\u00c5"),
        named("\u2460x", "\uff11x"),
    ],
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
        assert parse(data).tensors


NOTED = {
    rules.ST_EMPTY: raw_safetensors(b"{}"),
    rules.ST_RAW_BYTES: one([2], [0, 2], bytes(2), "F8_E4M3"),
    rules.ST_METADATA_INVISIBLE: with_metadata({"note": "a\u202eb"}),
}


@pytest.mark.parametrize(("rule", "data"), NOTED.items(), ids=lambda v: getattr(v, "id", ""))
def test_notes_without_refusing(rule: rules.Rule, data: bytes) -> None:
    assert [note.rule for note in parse(data).notes] == [rule]


def test_every_safetensors_and_name_rule_is_struck() -> None:
    struck = {rule.id for rule in REFUSED} | {rule.id for rule in NOTED}
    assert {
        rule.id for rule in (*rules.RULES, *tensor_rules.RULES) if rule.id.startswith(("safetensors.", "weights."))
    } == struck


@pytest.mark.parametrize("dtype", MLX_DTYPE_BYTES)
def test_reads_every_type_that_mlx_reads(dtype: str) -> None:
    width = MLX_DTYPE_BYTES[dtype]
    header = parse(one([3], [0, 3 * width], bytes(3 * width), dtype))
    assert header.tensors == (Tensor("a", dtype, (3,), 0, 3 * width),)


@pytest.mark.parametrize(
    "name",
    [
        "block.1_.w",
        "block.1x.0y",
        "model.layers.0.self_attn.q_proj.weight",
        "language_model.model.embed_tokens.weight",
        "model.layers.61.mlp.experts.255.down_proj.scales",
        "vision_tower.blocks/0/attn",
        "lora_unet_down_blocks_0",
        "h.0.attn.c_attn.weight",
        "_orig_mod.a",
        "a-b.c:d",
        "with space",
        "p\u00f6ids",
        "16383",
        "x" * MAX_TENSOR_NAME_CHARACTERS,
    ],
)
def test_real_names_are_fine(name: str) -> None:
    assert [tensor.name for tensor in parse(named(name)).tensors] == [name]


def test_names_that_share_a_beginning_are_fine() -> None:
    names = ("a.b", "a.bc", "ab", "a.b_c.d", "layers.1.w", "layers.10.w")
    assert {tensor.name for tensor in parse(named(*names)).tensors} == set(names)


def test_reads_what_mlx_writes_without_metadata() -> None:
    assert parse(with_metadata(None)).metadata == {}


def test_tensors_come_in_the_order_of_their_bytes() -> None:
    data = raw_safetensors(
        {"b": entry(offsets=[2, 4]), "z": entry(shape=[0], offsets=[2, 2]), "a": entry()}, bytes(4)
    )
    assert [tensor.name for tensor in parse(data).tensors] == ["a", "z", "b"]


def test_reads_metadata_and_where_the_data_begins() -> None:
    data = with_metadata({"format": "mlx", "note": "two\nlines"})
    header = parse(data)
    assert dict(header.metadata) == {"format": "mlx", "note": "two\nlines"}
    assert header.data_start == len(data) - 2
    assert header.notes == ()


def test_spaces_pad_the_header() -> None:
    assert parse(raw_safetensors(b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}    ', b"\0")).tensors


def test_a_minus_sign_in_text_is_no_negative_number() -> None:
    text = b'{"__metadata__":{"a":"\\"-1, -0"},"x-1":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}'
    assert parse(raw_safetensors(text, b"\0")).tensors[0].name == "x-1"


def test_places_a_refusal_of_the_json_in_the_file() -> None:
    with pytest.raises(IntakeRefused) as caught:
        parse(raw_safetensors(b'{"a":{}}{"b":{}}'))
    assert caught.value.findings[0].offset == 16


def test_a_key_that_is_there_twice_is_refused() -> None:
    text = (
        b'{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}}'
    )
    with pytest.raises(IntakeRefused) as caught:
        parse(raw_safetensors(text, bytes(2)))
    assert caught.value.code == "INTAKE_DUPLICATE_NAME"


def test_measures_exactly_the_header() -> None:
    assert measure_safetensors_header(ONE[:8], len(ONE)) == len(ONE) - 1
    assert measure_safetensors_header(ONE[:8], len(ONE) - 1) == len(ONE) - 1
    with pytest.raises(IntakeRefused):
        measure_safetensors_header(ONE[:8], len(ONE) - 2)


def test_a_prefix_that_is_too_short_is_refused() -> None:
    with pytest.raises(IntakeRefused):
        parse_safetensors_header(ONE[:30], len(ONE))
