"""Arrays of whatever library a program uses, as tensors and back: without a copy where memory allows it.

Nothing here imports a library for arrays unless the program handed in what only NumPy can read, or wants an answer:
answers are NumPy's arrays, or those of the library whose arrays were asked with.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from importlib import import_module
from typing import Any, Final, cast

from ostiary.core.tensors import Tensor
from ostiary.core.text import quote_untrusted
from ostiary.errors import EXTRA_MISSING, USAGE, Misuse
from ostiary.library.npy import widen_bf16

_DATATYPES: Final[Mapping[str, str]] = {
    "bool": "BOOL",
    "bool_": "BOOL",
    "uint8": "UINT8",
    "uint16": "UINT16",
    "uint32": "UINT32",
    "uint64": "UINT64",
    "int8": "INT8",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "float16": "FP16",
    "bfloat16": "BF16",
    "float32": "FP32",
    "float64": "FP64",
}
_NAMES: Final = {datatype: name for name, datatype in _DATATYPES.items() if name != "bool_"}
_FORMATS: Final[Mapping[str, str]] = {
    "?": "BOOL",
    "B": "UINT8",
    "H": "UINT16",
    "I": "UINT32",
    "Q": "UINT64",
    "b": "INT8",
    "h": "INT16",
    "i": "INT32",
    "q": "INT64",
    "e": "FP16",
    "f": "FP32",
    "d": "FP64",
}
_PLAIN: Final = (bool, int, float, list, tuple, Tensor)
_COPIED_BYTES: Final = 1 << 20
"""Up to here a copy costs nothing that anybody feels, and what is checked is then what is sent."""


def read_array(value: object) -> object:
    """A Tensor; numbers and lists, and what is none of all that, as they are. Raises Misuse."""
    if isinstance(value, _PLAIN) or value is None:
        return value
    package = _find_package(value)
    if package == "mlx":
        if not isinstance(value, sys.modules["mlx.core"].array):
            raise _no_tensor(f"a {quote_untrusted(type(value).__qualname__)} of MLX")
        return _read_mlx(value)
    if package != "numpy" and hasattr(value, "__dlpack__"):
        value = _take_over(value)
        package = "numpy"
    if package in {"numpy", "ml_dtypes"}:
        return _read_numpy(value)
    try:
        view = memoryview(cast("Any", value))
    except TypeError:
        return value
    return _read_view(view)


def name_library(values: Iterable[object]) -> str:
    """Whose arrays these are: `numpy` where they are of several libraries, or of none."""
    found = {_find_namespace(value) for value in values if not isinstance(value, _PLAIN)}
    return found.pop() if len(found) == 1 else "numpy"


def write_array(tensor: Tensor, library: str) -> Any:
    """An array of that library, with memory of its own. NumPy has no BF16: there it becomes float32."""
    numpy = _import_numpy()
    if library == "mlx":
        mx = sys.modules["mlx.core"]
        if tensor.datatype == "BF16":
            return mx.array(_make_numpy(numpy, tensor, "uint16")).view(mx.bfloat16)
        return mx.array(_make_numpy(numpy, tensor, _NAMES[tensor.datatype]))
    if tensor.datatype == "BF16":
        tensor = Tensor("FP32", tensor.shape, widen_bf16(tensor.data))
    made = _make_numpy(numpy, tensor, _NAMES[tensor.datatype])
    give = getattr(sys.modules.get(library), "from_dlpack", None) if library != "numpy" else None
    return made if give is None else give(made)


def _make_numpy(numpy: Any, tensor: Tensor, name: str) -> Any:
    return numpy.frombuffer(tensor.data, dtype=name).reshape(tensor.shape).copy()


def _find_namespace(value: object) -> str:
    """The module with the library's functions: what the array standard calls its namespace, else its package."""
    package = _find_package(value)
    tell = None if package == "mlx" else getattr(value, "__array_namespace__", None)
    return package if tell is None else str(getattr(tell(), "__name__", ""))


def _find_package(value: object) -> str:
    return type(value).__module__.partition(".")[0]


def _read_mlx(value: Any) -> Tensor:
    name = str(value.dtype).rpartition(".")[2]
    datatype = _read_name(name)
    if name == "bfloat16":
        value = value.view(sys.modules["mlx.core"].uint16)
    return _make_tensor(datatype, tuple(value.shape), memoryview(value) if value.size else memoryview(b""))


def _read_numpy(value: Any) -> Tensor:
    numpy = _import_numpy()
    if isinstance(value, numpy.ma.MaskedArray) and numpy.ma.is_masked(value):
        raise Misuse(
            USAGE,
            "a masked array holds numbers that are not meant, and a tensor cannot say which",
            hint="Say what stands in their places: array.filled(0).",
        )
    array = numpy.asarray(value)
    if array.dtype.kind not in "biufV" or array.dtype.fields is not None:
        raise _no_tensor(f"an array of type {quote_untrusted(str(array.dtype))}")
    datatype = _read_name(str(array.dtype.name))
    if not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    if datatype == "BF16":
        array = array.view("uint16")
    shape = tuple(array.shape)
    if not array.size:
        return Tensor(datatype, shape, memoryview(b""))
    return _make_tensor(datatype, shape, memoryview(array))


def _read_view(view: memoryview) -> Tensor:
    """What has memory and no library: `array.array`, `bytes`, a memoryview."""
    form = view.format.removeprefix("@").removeprefix("<")
    if form in "lL":
        form = {("l", 8): "q", ("L", 8): "Q", ("l", 4): "i", ("L", 4): "I"}[form, view.itemsize]
    datatype = _FORMATS.get(form)
    if datatype is None:
        raise _no_tensor(f"memory of format {quote_untrusted(view.format)!r}")
    return _make_tensor(datatype, tuple(view.shape or ()), view)


def _make_tensor(datatype: str, shape: tuple[int, ...], view: memoryview) -> Tensor:
    if not view.c_contiguous or view.nbytes <= _COPIED_BYTES:
        view = memoryview(view.tobytes())
    return Tensor(datatype, shape, view.cast("B") if view.format != "B" or view.ndim != 1 else view)


def _no_tensor(what: str) -> Misuse:
    return Misuse(
        USAGE,
        f"{what} is no tensor of numbers",
        hint="Give an array of truth values, integers or floats, or lists of numbers.",
    )


def _read_name(name: str) -> str:
    """What no model takes keeps its name, to be refused by it."""
    return _DATATYPES.get(name, quote_untrusted(name))


def _take_over(value: object) -> Any:
    """An array of another library, as NumPy sees it, in the same memory."""
    numpy = _import_numpy()
    kind = quote_untrusted(f"{type(value).__module__}.{type(value).__qualname__}")
    try:
        return numpy.from_dlpack(value)
    except Exception as error:
        if hasattr(value, "__array__"):  # of a datatype that DLPack has and NumPy alone has not, or on a device
            with suppress(Exception):
                return numpy.asarray(value)
        raise Misuse(
            USAGE,
            f"a {kind} cannot be read here",
            hint="Give an array in the processor's memory, of a datatype that NumPy knows, detached from training.",
        ) from error


def _import_numpy() -> Any:
    try:
        return import_module("numpy")
    except ImportError as error:
        raise Misuse(
            EXTRA_MISSING, "arrays need NumPy, which is not installed", hint="Install it: pip install numpy."
        ) from error
