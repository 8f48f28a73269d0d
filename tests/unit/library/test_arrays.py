"""Arrays of several libraries become tensors, and tensors arrays of the library that asked."""

from __future__ import annotations

import array
import sys
from typing import Any

import pytest

from ostiary.core.tensors import Tensor
from ostiary.errors import EXTRA_MISSING, Misuse
from ostiary.library.arrays import name_library, read_array, write_array

numpy = pytest.importorskip("numpy")


class Foreign:
    """Of a library that speaks DLPack and nothing else."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __dlpack__(self, **options: Any) -> Any:
        return self._inner.__dlpack__(**options)

    def __dlpack_device__(self) -> Any:
        return self._inner.__dlpack_device__()


def read(value: object) -> Tensor:
    tensor = read_array(value)
    assert isinstance(tensor, Tensor)
    assert tensor.data.format == "B"
    return tensor


def test_numpy_arrays_of_every_kind() -> None:
    rows = numpy.arange(6, dtype="f4").reshape(2, 3)
    for value in (rows, rows.astype(">f4"), numpy.asfortranarray(rows), rows[::-1][::-1]):
        tensor = read(value)
        assert (tensor.datatype, tensor.shape) == ("FP32", (2, 3))
        assert tensor.data.tobytes() == rows.tobytes()
    assert read(rows.T).data.tobytes() == rows.T.tobytes()
    assert read(numpy.float32(3)).shape == ()
    assert read(numpy.zeros((0, 3), "i8")) == Tensor("INT64", (0, 3), memoryview(b""))
    assert read(numpy.array([True])).datatype == "BOOL"
    assert read(numpy.zeros(2)).datatype == "FP64"  # which the contract refuses by its name


@pytest.mark.parametrize("value", [numpy.array([{}]), numpy.array(["a"]), numpy.zeros(1, dtype=[("a", "f4")])])
def test_arrays_of_something_else(value: Any) -> None:
    with pytest.raises(Misuse):
        read_array(value)


def test_numbers_behind_a_mask_are_not_sent() -> None:
    values = numpy.zeros((2, 3), dtype="f4")
    with pytest.raises(Misuse, match="masked array"):
        read_array(numpy.ma.masked_array(values, mask=[[True, False, False]] * 2))
    whole = read_array(numpy.ma.masked_array(values, mask=False))
    assert isinstance(whole, Tensor)
    assert whole.shape == (2, 3)


@pytest.mark.mlx
def test_what_is_of_mlx_and_no_array() -> None:
    mx, nn = pytest.importorskip("mlx.core"), pytest.importorskip("mlx.nn")
    for value in (nn.Linear(2, 2), mx.float32):
        with pytest.raises(Misuse, match="is no tensor of numbers") as caught:
            read_array(value)
        assert "--help" not in (caught.value.hint or "")


def test_a_complex_number_is_none_of_a_model() -> None:
    with pytest.raises(Misuse, match="complex"):
        read_array(numpy.array([1j]))


def test_large_arrays_are_not_copied_and_small_ones_cannot_change() -> None:
    large = numpy.zeros(1 << 20, dtype="f4")
    tensor = read(large)
    large[0] = 1
    assert tensor.data[:4] == b"\0\0\x80\x3f"
    small = numpy.zeros(4, dtype="f4")
    tensor = read(small)
    small[0] = 1
    assert tensor.data[:4] == b"\0\0\0\0"


def test_what_has_memory_and_no_library() -> None:
    assert read(array.array("h", [1, -2])) == Tensor("INT16", (2,), memoryview(b"\1\0\xfe\xff"))
    assert read(array.array("l", [1])).datatype == "INT64"
    assert read(memoryview(b"ab")).datatype == "UINT8"
    with pytest.raises(Misuse, match="format"):
        read_array(memoryview(b"ab").cast("c"))


def test_any_library_that_speaks_dlpack() -> None:
    assert read(Foreign(numpy.arange(3, dtype="i4"))).data.tobytes() == numpy.arange(3, dtype="i4").tobytes()

    class Elsewhere(Foreign):
        def __dlpack__(self, **_options: Any) -> Any:
            raise BufferError("on a device")

    with pytest.raises(Misuse, match="cannot be read here"):
        read_array(Elsewhere(numpy.zeros(1)))

    class Copied(Elsewhere):
        def __array__(self, *_args: Any, **_options: Any) -> Any:
            return numpy.array([7], "i2")

    assert read(Copied(numpy.zeros(1))) == Tensor("INT16", (1,), memoryview(b"\7\0"))


@pytest.mark.parametrize("value", [1, 2.5, True, [1, 2], (1,), None, "text", {"a": 1}, object()])
def test_the_rest_is_for_the_contract_to_judge(value: object) -> None:
    assert read_array(value) is value


@pytest.mark.mlx
def test_mlx_arrays_there_and_back() -> None:
    mx = pytest.importorskip("mlx.core")
    for dtype in (mx.bfloat16, mx.float16, mx.float32, mx.int64, mx.bool_):
        values = mx.array([[1, 0], [0, 1], [1, 1]]).astype(dtype)
        for value in (values, values.T, values[1:]):
            back = write_array(read(value), "mlx")
            assert back.dtype == dtype
            assert mx.array_equal(back, value).item()
    assert read(mx.zeros((0, 2))).shape == (0, 2)
    assert name_library([mx.array(1), [1]]) == "mlx"


def test_answers_are_numpys_where_nobody_else_asked() -> None:
    assert name_library([[1], 2.5]) == "numpy"
    assert name_library([numpy.zeros(1), Foreign(numpy.zeros(1))]) == "numpy"
    made = write_array(Tensor("INT16", (2, 1), memoryview(b"\1\0\2\0")), "numpy")
    assert made.tolist() == [[1], [2]]
    made[0, 0] = 7  # its memory is its own
    assert write_array(Tensor("BF16", (1,), memoryview(b"\x80\x3f")), "numpy").dtype == numpy.float32


def test_answers_for_a_library_that_takes_dlpack(monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        @staticmethod
        def from_dlpack(given: Any) -> tuple[str, Any]:
            return "foreign", given

    monkeypatch.setitem(sys.modules, "torchlike", Library)  # type: ignore[arg-type]
    kind, given = write_array(Tensor("INT8", (1,), memoryview(b"\1")), "torchlike")
    assert (kind, given.tolist()) == ("foreign", [1])


def test_a_library_is_known_by_its_namespace() -> None:
    class Array:
        def __array_namespace__(self) -> Any:
            return array

    assert name_library([Array()]) == "array"
    assert name_library([numpy.zeros(1), numpy.float32(1)]) == "numpy"


def test_without_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(Misuse) as caught:
        write_array(Tensor("INT8", (1,), memoryview(b"\1")), "numpy")
    assert caught.value.code == EXTRA_MISSING.name
