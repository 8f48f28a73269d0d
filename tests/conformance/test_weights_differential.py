"""Our readers beside the reference ones: safetensors (Rust), MLX and NumPy.

What ours accepts, they accept and read the same; what the reference reader of safetensors refuses, ours refuses.
GGUF and `.mlxfn` are not handed to MLX here: damaged ones end the process.
"""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from attack_cases.weight_files import corpus_files, named, raw_safetensors

pytestmark = pytest.mark.mlx

mx = pytest.importorskip("mlx.core")
np = pytest.importorskip("numpy")
reference = pytest.importorskip("safetensors")

from hypothesis import HealthCheck, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from ostiary.core.limits import MAX_TENSOR_DIMENSIONS  # noqa: E402
from ostiary.errors import IntakeRefused  # noqa: E402
from ostiary.intake.weights.mlxfn_operations import DTYPES  # noqa: E402
from ostiary.intake.weights.read_gguf import parse_gguf  # noqa: E402
from ostiary.intake.weights.read_mlxfn import parse_mlxfn  # noqa: E402
from ostiary.intake.weights.read_npy import parse_npy  # noqa: E402
from ostiary.intake.weights.read_npz import parse_npz  # noqa: E402
from ostiary.intake.weights.read_safetensors import (  # noqa: E402
    MLX_DTYPE_BYTES,
    UNSUPPORTED_DTYPES,
    SafetensorsHeader,
    measure_safetensors_header,
    parse_safetensors_header,
)

QUICK = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
BITS = {"F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "F64": 64}
MLX_NAMES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "F8_E4M3": "uint8", "F8_E8M0": "uint8", "U16": "uint16",
    "I16": "int16", "F16": "float16", "BF16": "bfloat16", "U32": "uint32", "I32": "int32", "F32": "float32",
    "U64": "uint64", "I64": "int64", "F64": "float64", "C64": "complex64",
}  # fmt: skip


def ours(data: bytes) -> SafetensorsHeader | None:
    try:
        return parse_safetensors_header(data[: measure_safetensors_header(data[:8], len(data))], len(data))
    except IntakeRefused:
        return None


def theirs(data: bytes) -> dict[str, Any] | None:
    """Name to dtype, shape and bytes, as the Rust reader sees it."""
    try:
        return dict(reference.deserialize(data))
    except reference.SafetensorError:
        return None


def agree(data: bytes) -> bool:
    """Whether it was accepted; fails where the three readers tell different stories."""
    mine, rust = ours(data), theirs(data)
    if mine is None:
        return False
    assert rust is not None, "accepted by us, refused by the reference reader"
    section = data[mine.data_start :]
    assert {t.name: (t.dtype, list(t.shape), section[t.start : t.end]) for t in mine.tensors} == {
        name: (entry["dtype"], entry["shape"], bytes(entry["data"])) for name, entry in rust.items()
    }
    arrays, metadata = mx.load(io.BytesIO(data), format="safetensors", return_metadata=True)
    assert {t.name: (f"mlx.core.{MLX_NAMES[t.dtype]}", t.shape) for t in mine.tensors} == {
        name: (str(array.dtype), array.shape) for name, array in arrays.items()
    }
    assert metadata == dict(mine.metadata)
    return True


NAMES = st.from_regex(r"[a-z]{1,4}(\.[a-z0-9]{1,3}){0,2}", fullmatch=True) | st.text(max_size=5)
NUMBERS = (
    st.integers(-1, 6) | st.sampled_from([2**31 - 1, 2**31, 2**32, 2**63, 2**64 - 1]) | st.just(2.0) | st.just(True)
)
DTYPE_NAMES = st.sampled_from([*MLX_DTYPE_BYTES, *sorted(UNSUPPORTED_DTYPES), "f32", "X"])


@st.composite
def headers(draw: st.DrawFn) -> bytes:
    """Mostly good files, with one thing or another out of place."""
    header: dict[str, object] = {}
    if draw(st.booleans()):
        texts = st.dictionaries(st.text(max_size=3), st.text(max_size=5), max_size=2)
        header["__metadata__"] = draw(texts | st.none() | st.just({"a": 1}) | st.just([]))
    position = 0
    for name in draw(st.lists(NAMES, unique=True, max_size=4)):
        dtype = draw(st.sampled_from(sorted(MLX_DTYPE_BYTES)) | DTYPE_NAMES)
        shape: list[Any] = draw(st.lists(st.integers(0, 3), max_size=3) | st.lists(NUMBERS, max_size=3))
        needed = MLX_DTYPE_BYTES.get(dtype, 1)
        for size in shape:
            needed = int(needed * size) if 0 <= size < 100 else needed
        start = position + draw(st.sampled_from([0] * 12 + [1, -1]))
        end = start + needed + draw(st.sampled_from([0] * 12 + [1, -1]))
        entry: dict[str, object] = {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}
        if draw(st.integers(0, 20)) == 0:
            entry[draw(st.text(max_size=3))] = 1
        header[name] = entry
        position = max(position, end)
    items = list(header.items())
    draw(st.randoms()).shuffle(items)
    text = json.dumps(
        dict(items), ensure_ascii=draw(st.booleans()), indent=draw(st.sampled_from([None, 1]))
    ).encode("utf-8", "surrogatepass")
    text += b" " * draw(st.integers(0, 3))
    return raw_safetensors(text, bytes(max(position + draw(st.sampled_from([0] * 12 + [1, -1])), 0)))


@QUICK
@given(data=headers())
def test_generated_files(data: bytes) -> None:
    agree(data)


GOOD = [
    data for expected, data in corpus_files("safetensors").values() if expected != "reject" and len(data) < 2_000
]
GOOD.append(named("model.layers.0.w", "model.layers.1.w", "b"))


@settings(QUICK, max_examples=500)
@given(good=st.sampled_from(GOOD), data=st.data())
def test_mutated_files(good: bytes, data: st.DataObject) -> None:
    mutant = bytearray(good)
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(mutant) - 1))
        digits = st.sampled_from(b'0123456789{}[]",:-+.eE \t\n\\u')
        mutant[at] = data.draw(digits | st.integers(0, 255))
    agree(bytes(mutant))


@pytest.mark.parametrize("name", corpus_files("safetensors"))
def test_corpus(name: str) -> None:
    expected, data = corpus_files("safetensors")[name]
    assert agree(data) == (expected != "reject")


@pytest.mark.parametrize(
    "text",
    [
        b'{"a":{"dtype":"U8","shape":[-0],"data_offsets":[0,0]}}',
        b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[-0,2]}}',
        b'{"a":{"dtype":"U8","shape":[2e0],"data_offsets":[0,2]}}',
        b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2],"dtype":"I8"}}',
        b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}\0',
        b'{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},}',
        b'{"__metadata__":{"a":NaN}}',
        b'{"a\\ud800":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}',
        b'{"a":{"dtype":"U8","shape":[02],"data_offsets":[0,2]}}',
    ],
)
def test_what_the_reference_refuses_we_refuse(text: bytes) -> None:
    data = raw_safetensors(text, bytes(2) if b"0,2" in text else b"")
    assert theirs(data) is None
    assert ours(data) is None


@pytest.mark.parametrize("dtype", [*MLX_DTYPE_BYTES, *sorted(UNSUPPORTED_DTYPES)])
def test_the_types_we_refuse_are_those_that_mlx_refuses(dtype: str) -> None:
    bytes_of_eight = MLX_DTYPE_BYTES[dtype] * 8 if dtype in MLX_DTYPE_BYTES else BITS.get(dtype, 8)
    data = raw_safetensors(
        {"a": {"dtype": dtype, "shape": [8], "data_offsets": [0, bytes_of_eight]}}, bytes(bytes_of_eight)
    )
    assert theirs(data) is not None
    if dtype in UNSUPPORTED_DTYPES:
        assert ours(data) is None
        with pytest.raises(RuntimeError, match="unsupported dtype"):
            mx.load(io.BytesIO(data), format="safetensors")
    else:
        assert agree(data)


def test_reads_what_mlx_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    arrays = {"a.0.w": mx.zeros((2, 3), dtype=mx.bfloat16), "b": mx.zeros(()), "c": mx.zeros((0, 2))}
    mx.save_safetensors(str(path), arrays)
    assert agree(path.read_bytes())
    mx.save_safetensors(str(path), arrays, metadata={"format": "mlx"})
    assert agree(path.read_bytes())


SHAPES = st.lists(st.integers(0, 5), max_size=4)
NUMPY_TYPES = {
    "?": "BOOL",
    "u1": "U8",
    "<i2": "I16",
    ">f4": "F32",
    "<f8": "F64",
    "<c8": "C64",
    "<f2": "F16",
    ">u8": "U64",
}


@QUICK
@given(shape=SHAPES, code=st.sampled_from(sorted(NUMPY_TYPES)), fortran=st.booleans())
def test_reads_arrays_that_numpy_writes(shape: list[int], code: str, fortran: bool) -> None:
    array = np.zeros(shape, dtype=code, order="F" if fortran else "C")
    buffer = io.BytesIO()
    np.save(buffer, array)
    data = buffer.getvalue()
    header = parse_npy(data[:200], len(data))
    assert (header.dtype, header.shape, header.data_bytes) == (NUMPY_TYPES[code], array.shape, array.nbytes)
    assert header.is_big_endian == code.startswith(">")
    loaded = mx.load(io.BytesIO(data), format="npy")
    assert (str(loaded.dtype), loaded.shape) == (f"mlx.core.{MLX_NAMES[header.dtype]}", header.shape)


@QUICK
@given(good=st.sampled_from([d for e, d in corpus_files("npy").values() if e == "accept"]), data=st.data())
def test_arrays_that_we_accept_numpy_reads_the_same(good: bytes, data: st.DataObject) -> None:
    mutant = bytearray(good)
    at = data.draw(st.integers(6, len(mutant) - 1))
    mutant[at] = data.draw(st.sampled_from(b"0123456789<>|=,() ") | st.integers(0, 255))
    try:
        header = parse_npy(bytes(mutant), len(mutant))
    except IntakeRefused:
        return
    if header.dtype == "BF16":  # NumPy sees two raw bytes there
        return
    array = np.load(io.BytesIO(bytes(mutant)), allow_pickle=False)
    assert (array.shape, array.nbytes) == (header.shape, header.data_bytes)
    assert (array.dtype.byteorder == ">") == header.is_big_endian
    assert np.dtype(MLX_NAMES[header.dtype]) == array.dtype.newbyteorder("=")


@QUICK
@given(
    shapes=st.dictionaries(st.from_regex(r"[a-eg-z]{1,5}", fullmatch=True), SHAPES, max_size=4),
    packed=st.booleans(),
)
def test_reads_archives_that_numpy_writes(shapes: dict[str, list[int]], packed: bool) -> None:
    buffer = io.BytesIO()
    arrays = {name: np.ones(shape, dtype="<f4") for name, shape in shapes.items()}
    (np.savez_compressed if packed else np.savez)(buffer, **arrays)
    data = buffer.getvalue()
    archive = parse_npz(lambda offset, length: data[offset : offset + length], len(data))
    assert {m.name: list(m.header.shape) for m in archive.members} == shapes


@pytest.mark.parametrize("packed", [False, True])
def test_reads_archives_that_mlx_writes(tmp_path: Path, packed: bool) -> None:
    path = tmp_path / "a.npz"
    arrays = {"a.w": mx.zeros((200, 3), dtype=mx.bfloat16), "b": mx.zeros(()), "c": mx.zeros((2,))}
    (mx.savez_compressed if packed else mx.savez)(str(path), **arrays)
    data = path.read_bytes()
    archive = parse_npz(lambda offset, length: data[offset : offset + length], len(data))
    assert {m.name: m.header.shape for m in archive.members} == {n: a.shape for n, a in arrays.items()}


def test_reads_gguf_that_mlx_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    arrays = {"a.w": mx.zeros((4, 3)), "b": mx.zeros((5,), dtype=mx.float16)}
    mx.save_gguf(str(path), arrays, {"general.name": "x", "n": mx.array(3), "l": ["a", "bc"]})
    data = path.read_bytes()
    header = parse_gguf(data, len(data))
    assert {t.name: t.shape for t in header.tensors} == {n: a.shape for n, a in arrays.items()}
    assert set(header.metadata_keys) == {"general.name", "n", "l"}


def test_reads_functions_that_mlx_exports(tmp_path: Path) -> None:
    path = tmp_path / "a.mlxfn"

    def function(x: Any, *, k: Any) -> Any:
        return (
            mx.exp(x * 2 + k) / mx.sqrt(mx.log(k) + 1),
            mx.sigmoid(x).reshape(-1),
            x > k,
            mx.abs(x).astype(mx.int32),
        )

    with mx.exporter(str(path), function) as exporter:
        exporter(mx.zeros((2, 3)), k=mx.zeros((3,)))
        exporter(mx.zeros((4,)), k=mx.zeros((4,)))
    file = parse_mlxfn(path.read_bytes())
    assert file.mlx_version == mx.__version__
    assert [function.keywords for function in file.functions] == [("k",), ("k",)]
    assert [[o.shape for o in f.outputs] for f in file.functions] == [[(2, 3), (6,), (2, 3), (2, 3)], [(4,)] * 4]


def test_knows_the_types_of_mlx_by_number(tmp_path: Path) -> None:
    path = tmp_path / "a.mlxfn"
    for number, (name, width) in enumerate(DTYPES):
        dtype = getattr(mx, "bool_" if name == "BOOL" else MLX_NAMES[name])
        assert dtype.size == width
        mx.export_function(str(path), lambda x: x, mx.zeros((1,), dtype=dtype))
        assert struct.pack("<Qi", 1, 1) + struct.pack("<iB", number, width) in path.read_bytes()
        assert parse_mlxfn(path.read_bytes()).functions[0].inputs[0].dtype == name


def test_our_ceiling_of_dimensions_is_within_what_mlx_reads() -> None:
    data = raw_safetensors(
        {"a": {"dtype": "U8", "shape": [1] * MAX_TENSOR_DIMENSIONS, "data_offsets": [0, 1]}}, b"\0"
    )
    assert agree(data)
