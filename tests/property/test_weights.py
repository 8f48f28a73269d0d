"""Any bytes give a value or a refusal, and what a writer wrote is read back as it was."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import pytest
from attack_cases.weight_files import (
    Member,
    corpus_files,
    fn_bytes,
    fn_constant,
    fn_function,
    fn_operation,
    fn_shape,
    gguf_array,
    gguf_bytes,
    gguf_entry,
    gguf_tensor,
    gguf_text,
    npy_bytes,
    raw_safetensors,
    zip_bytes,
)
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ostiary.errors import IntakeRefused
from ostiary.intake.weights.read_gguf import parse_gguf
from ostiary.intake.weights.read_mlxfn import parse_mlxfn
from ostiary.intake.weights.read_npy import parse_npy
from ostiary.intake.weights.read_npz import parse_npz
from ostiary.intake.weights.read_safetensors import (
    MLX_DTYPE_BYTES,
    measure_safetensors_header,
    parse_safetensors_header,
)
from ostiary.intake.weights.tensor_name import check_tensor_name, check_tensor_names

Reader = Callable[[bytes], object]

QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def read_safetensors(data: bytes) -> object:
    return parse_safetensors_header(data[: measure_safetensors_header(data[:8], len(data))], len(data))


def read_npz(data: bytes) -> object:
    return parse_npz(lambda offset, length: data[offset : offset + length], len(data))


READERS: dict[str, Reader] = {
    "safetensors": read_safetensors,
    "gguf": lambda data: parse_gguf(data, len(data)),
    "npy": lambda data: parse_npy(data, len(data)),
    "npz": read_npz,
    "mlxfn": parse_mlxfn,
}
FRAMES: dict[str, bytes] = {
    "safetensors": b"",
    "gguf": b"GGUF\3\0\0\0",
    "npy": b"\x93NUMPY\1\0",
    "npz": b"PK\3\4",
    "mlxfn": b"",
}
GOOD: dict[str, list[bytes]] = {
    name: [data for expected, data in corpus_files(name).values() if expected == "accept"] for name in READERS
}
GOOD["gguf"].append(
    gguf_bytes(
        [gguf_tensor("blk.0.w", (32, 2), 2, 0), gguf_tensor("b", (2,), 0, 64)],
        bytes(72),
        [gguf_entry("k.a", 9, gguf_array(8, 2, gguf_text("ab") * 2)), gguf_entry("k.b", 8, gguf_text("x"))],
    )
)
GOOD["npz"].append(
    zip_bytes(Member(method=8), Member(b"y.0.npy", data=npy_bytes(bytes(8_000), "(2000,)"), method=8))
)
GOOD["mlxfn"].append(
    fn_bytes(
        fn_function(
            [
                fn_constant(2),
                fn_operation(3, "Add", [1, 2]),
                fn_operation(4, "Reshape", [3], argument=fn_shape(-1, 1), shape=fn_shape(2, 1)),
            ],
            keywords=["k"],
            outputs=[4],
        )
    )
)
ALL = pytest.mark.parametrize("name", READERS)


def read(name: str, data: bytes) -> object | None:
    """The value, or None where it is refused; anything else is a failure."""
    try:
        return READERS[name](data)
    except IntakeRefused as refused:
        check(refused)
        return None


def check(refused: IntakeRefused) -> None:
    """One line, not long, and no path: the caller knows it."""
    assert "\n" not in str(refused)
    assert len(str(refused)) < 3_000
    assert [finding.path for finding in refused.findings] == [""]


@ALL
def test_the_good_files_are_good(name: str) -> None:
    assert len(GOOD[name]) >= 2 or name == "safetensors"
    assert all(read(name, data) is not None for data in GOOD[name])


@ALL
@QUICK
@given(data=st.data())
def test_any_bytes(name: str, data: st.DataObject) -> None:
    read(name, FRAMES[name] + data.draw(st.binary(max_size=300)))


@ALL
@QUICK
@given(data=st.data())
def test_mutations_of_good_files(name: str, data: st.DataObject) -> None:
    good = data.draw(st.sampled_from(GOOD[name]))
    mutant = bytearray(good)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, max(len(mutant) - 1, 0)))
        kind = data.draw(st.sampled_from(["set", "flip", "cut", "insert", "length", "repeat"]))
        if kind == "set":
            mutant[at : at + 1] = data.draw(st.binary(min_size=1, max_size=1))
        elif kind == "flip":
            mutant[at : at + 1] = bytes(b ^ 1 << data.draw(st.integers(0, 7)) for b in mutant[at : at + 1])
        elif kind == "cut":
            del mutant[at : at + data.draw(st.integers(1, 30))]
        elif kind == "insert":
            mutant[at:at] = data.draw(st.binary(min_size=1, max_size=9))
        elif kind == "length":
            wide = data.draw(st.sampled_from([0, 1, 2**31 - 1, 2**31, 2**32, 2**62, 2**63, 2**64 - 1]))
            mutant[at : at + 8] = struct.pack("<Q", wide)
        else:
            mutant[at:at] = mutant[at : at + 20]
    read(name, bytes(mutant))


@ALL
@QUICK
@given(data=st.data())
def test_every_beginning_of_a_good_file_is_refused(name: str, data: st.DataObject) -> None:
    good = data.draw(st.sampled_from(GOOD[name]))
    cut = data.draw(st.integers(0, len(good) - 1))
    beginning = good[:cut]
    # The padding after a GGUF's last tensor may be missing; nothing else may.
    assume(name != "gguf" or good[cut:].strip(b"\0") or cut < 64)
    if name == "gguf" and not good[cut:].strip(b"\0"):
        assume(parse_gguf(good, len(good)).data_start > cut)
    assert read(name, beginning) is None


@ALL
@QUICK
@given(data=st.data())
def test_what_follows_a_good_file_is_refused(name: str, data: st.DataObject) -> None:
    good = data.draw(st.sampled_from(GOOD[name]))
    more = data.draw(st.binary(min_size=1, max_size=40))
    # GGUF files may end in padding, which is empty.
    assume(name != "gguf" or more.strip(b"\0"))
    assert read(name, good + more) is None


PARTS = st.from_regex(r"[a-z_][a-z0-9_]{0,6}", fullmatch=True).filter(lambda p: not p.startswith("__"))
NAMES = st.lists(PARTS | st.integers(0, 99).map(str), min_size=1, max_size=4).map(".".join)
SHAPES = st.lists(st.integers(0, 5), max_size=4)


@st.composite
def tensor_sets(draw: st.DrawFn) -> dict[str, tuple[str, list[int]]]:
    names = draw(st.lists(NAMES, unique=True, max_size=6))
    apart = [n for n in names if not any(n != m and n.startswith(m + ".") for m in names)]
    return {name: (draw(st.sampled_from(sorted(MLX_DTYPE_BYTES))), draw(SHAPES)) for name in apart}


@QUICK
@given(
    tensors=tensor_sets(),
    metadata=st.none() | st.dictionaries(st.text(max_size=8), st.text(max_size=20), max_size=3),
    order=st.randoms(),
)
def test_safetensors_reads_back_what_was_written(
    tensors: dict[str, tuple[str, list[int]]], metadata: dict[str, str] | None, order: object
) -> None:
    header: dict[str, object] = {"__metadata__": metadata}
    position = 0
    for name, (dtype, shape) in tensors.items():
        end = position + MLX_DTYPE_BYTES[dtype] * math.prod(shape)
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [position, end]}
        position = end
    items = list(header.items())
    order.shuffle(items)  # type: ignore[attr-defined]
    data = raw_safetensors(dict(items), bytes(position))
    parsed = parse_safetensors_header(data[: measure_safetensors_header(data, len(data))], len(data))
    assert {t.name: (t.dtype, list(t.shape)) for t in parsed.tensors} == tensors
    assert dict(parsed.metadata) == (metadata or {})
    assert sum(t.bytes for t in parsed.tensors) == position


@QUICK
@given(
    tensors=st.dictionaries(PARTS, st.lists(st.integers(0, 5), max_size=4), max_size=5),
    texts=st.dictionaries(PARTS, st.text(max_size=12), max_size=4),
    alignment=st.sampled_from([8, 16, 32, 64, 4096]),
)
def test_gguf_reads_back_what_was_written(
    tensors: dict[str, list[int]], texts: dict[str, str], alignment: int
) -> None:
    records, data = [], b""
    for name, sizes in tensors.items():
        data += bytes(-len(data) % alignment)
        records.append(gguf_tensor(name, sizes, 0, len(data)))
        data += bytes(4 * math.prod(sizes))
    entries = [gguf_entry(f"k.{key}", 8, gguf_text(text)) for key, text in texts.items()]
    entries.append(gguf_entry("general.alignment", 4, struct.pack("<I", alignment)))
    file = gguf_bytes(records, data, entries, alignment=alignment)
    header = parse_gguf(file, len(file))
    assert {t.name: list(t.shape) for t in header.tensors} == {n: s[::-1] for n, s in tensors.items()}
    assert header.metadata_keys == (*(f"k.{key}" for key in texts), "general.alignment")


@QUICK
@given(names=st.lists(st.text(max_size=20), max_size=5, unique=True))
def test_any_names(names: list[str]) -> None:
    try:
        for name in names:
            check_tensor_name(name)
        check_tensor_names(names)
    except IntakeRefused as refused:
        check(refused)
        return
    assert all(name.isprintable() for name in names)
    assert not any(n != m and n.startswith(m + ".") for n in names for m in names)
