"""NumPy array files: NumPy's own bytes, and bytes that only look like them."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.core.tensors import ITEM_BYTES
from ostiary.errors import IntakeRefused, Misuse
from ostiary.library.npy import parse_npy_tensor, read_npy_file, render_npy

numpy = pytest.importorskip("numpy")
TYPES = {
    "BOOL": "?",
    "UINT8": "u1",
    "UINT16": "u2",
    "UINT32": "u4",
    "UINT64": "u8",
    "INT8": "i1",
    "INT16": "i2",
    "INT32": "i4",
    "INT64": "i8",
    "FP16": "f2",
    "FP32": "f4",
    "FP64": "f8",
}
SHAPES = [(), (0,), (1,), (3,), (2, 3), (1, 5), (5, 1), (2, 3, 4), (2, 0, 4), (2, 2, 2, 2)]


def saved(array: Any) -> bytes:
    file = io.BytesIO()
    numpy.save(file, array)
    return file.getvalue()


def make(datatype: str, shape: tuple[int, ...]) -> Any:
    count = int(numpy.prod(shape, dtype=int))
    return (numpy.arange(1, count + 1) * 3 % 100).reshape(shape).astype(TYPES[datatype])


@pytest.mark.parametrize("datatype", TYPES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_whatever_numpy_saves_is_read_as_it_is(datatype: str, shape: tuple[int, ...]) -> None:
    array = make(datatype, shape)
    turned = [numpy.asfortranarray(array)] if shape else []
    for one in (array, array.astype(array.dtype.newbyteorder(">")), *turned):
        tensor = parse_npy_tensor(saved(one))
        assert (tensor.datatype, tensor.shape) == (datatype, shape)
        assert tensor.data.tobytes() == array.tobytes()
        assert len(tensor.data) == tensor.elements * ITEM_BYTES[datatype]


@pytest.mark.parametrize("datatype", [name for name in TYPES if name != "FP64"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_what_is_written_is_what_numpy_writes(datatype: str, shape: tuple[int, ...]) -> None:
    data = saved(make(datatype, shape))
    assert b"".join(bytes(part) for part in render_npy(parse_npy_tensor(data))) == data


@pytest.mark.parametrize("shape", [(100_000, 2), (2, 100_000), (3, 1, 70_000)], ids=str)
def test_many_columns_of_a_few_numbers_are_turned_in_place(shape: tuple[int, ...]) -> None:
    array = make("UINT8", shape)
    data = saved(numpy.asfortranarray(array))
    tracemalloc.start()
    try:
        tensor = parse_npy_tensor(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert tensor.data.tobytes() == array.tobytes()
    assert peak < 4 * len(data)


def test_what_numpy_has_no_name_for_is_written_wider() -> None:
    from ostiary.core.tensors import Tensor

    written = b"".join(bytes(part) for part in render_npy(Tensor("BF16", (2,), memoryview(b"\x80\x3f\x20\xc0"))))
    assert numpy.load(io.BytesIO(written)).tolist() == [1.0, -2.5]


@pytest.mark.parametrize(
    "array",
    [
        numpy.array([{}], dtype=object),
        numpy.array(["a"]),
        numpy.zeros(2, dtype=[("a", "f4")]),
        numpy.zeros(2, "M8[s]"),
    ],
    ids=["objects", "texts", "fields", "dates"],
)
def test_what_is_no_array_of_numbers(array: Any) -> None:
    with pytest.raises(IntakeRefused):
        parse_npy_tensor(saved(array))


def test_no_numbers_in_two_thousand_million_rows() -> None:
    """Whoever went through them row by row would not come back."""
    data = saved(numpy.zeros((1, 1, 0), "f4"))
    text = data.replace(
        b"'fortran_order': False, 'shape': (1, 1, 0), ", b"'fortran_order': True, 'shape': (%d, %d, 0), "
    )
    huge = text % (2**31 - 1, 9)
    huge = huge.replace(b" " * (len(huge) - len(data)) + b"\n", b"\n")
    tensor = parse_npy_tensor(huge)
    assert (tensor.shape, len(tensor.data)) == ((2**31 - 1, 9, 0), 0)


@pytest.mark.parametrize("cut", [0, 5, 11, 60, 127, 129])
def test_a_file_that_was_cut(cut: int) -> None:
    with pytest.raises(IntakeRefused):
        parse_npy_tensor(saved(make("FP32", (2, 3)))[:cut])


@given(st.data())
def test_any_byte_changed_is_a_tensor_or_a_refusal(data: st.DataObject) -> None:
    whole = bytearray(saved(make("INT16", (2, 3))))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] = data.draw(st.integers(0, 255))
    try:
        tensor = parse_npy_tensor(bytes(whole))
    except IntakeRefused:
        return
    if tensor.datatype in ITEM_BYTES:
        assert len(tensor.data) == tensor.elements * ITEM_BYTES[tensor.datatype]


def test_files_that_are_not_there_or_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Misuse, match=r"absent\.npy cannot be read"):
        read_npy_file(tmp_path / "absent.npy")
    path = tmp_path / "x.npy"
    path.write_bytes(saved(make("FP32", (2, 3))))
    assert read_npy_file(path).shape == (2, 3)
    monkeypatch.setattr("ostiary.library.npy.MAX_FRAME_TAIL_BYTES", -5_000)
    with pytest.raises(Misuse, match="inputs have"):
        read_npy_file(path)


def test_a_file_that_is_none_is_told_with_what_helps(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    path.write_bytes(saved(make("FP32", (2, 3)))[:-1])
    with pytest.raises(IntakeRefused, match=r"x\.npy at byte 128") as caught:
        read_npy_file(path)
    assert "numpy.save" in str(caught.value.hint)
    assert str(tmp_path) not in str(caught.value)
