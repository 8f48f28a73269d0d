"""A library of fast matrix products, opened by its path: what it offers, whether it computes right, its threads.

For the cell (which tells people what there is) and the worker. Opening a library runs its code, so only the trusted
places of `cell.blas` are looked at, and each library computes in a child process first (`works_in_child`).
"""

from __future__ import annotations

import ctypes
import faulthandler
import math
import os
import resource
import signal
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from ostiary._hazmat.product_door import build_door

_ROWS, _NO_TRANS, _TRANS = 101, 111, 112
_INT, _FLOAT, _POINTER = ctypes.c_int, ctypes.c_float, ctypes.c_void_p
_PRODUCT: Final = ctypes.CFUNCTYPE(None, *(_INT,) * 6, _FLOAT, *(_POINTER, _INT) * 2, _FLOAT, _POINTER, _INT)
_CHILD_SECONDS: Final = 10

Floats = ctypes.Array[ctypes.c_float]


class BlasNames(NamedTuple):
    """What a library calls its functions, and the one thing that their names do not say."""

    sgemm: str
    sgemv: str
    set_threads: str
    somatcopy: str | None = None
    """Writes a matrix transposed, in OpenBLAS's form."""
    has_wide_integers: bool = False
    """Sizes have 64 bits."""
    set_layer: str | None = None
    """Chooses what makes its threads (MKL)."""


class BlasLibrary:
    """One that is open, and stays so as long as the process."""

    def __init__(self, path: str, names: BlasNames) -> None:
        """Raises OSError where it cannot be opened, or lacks a function."""
        self._library: Final = ctypes.CDLL(path, mode=os.RTLD_NOW | os.RTLD_LOCAL)
        self._names: Final = names
        if names.set_layer is not None:
            getattr(self._library, names.set_layer)(_INT(_choose_layer()))
        self._set_threads: Final = self._find(names.set_threads)
        self._transpose: Final = None if names.somatcopy is None else self._find_transpose(names.somatcopy)
        sgemm, sgemv = (_address_of(self._find(name)) for name in (names.sgemm, names.sgemv))
        door = build_door(sgemm, sgemv)
        if door is None and names.has_wide_integers:
            raise OSError("it takes sizes of another width, and no door to it can be built here")
        self.product: Final = sgemm if door is None else door
        """The address of a function of the form of `cblas_sgemm` with 32-bit sizes."""

    def set_threads(self, count: int) -> None:
        """No thread may be computing meanwhile."""
        self._set_threads(_INT(count))

    @property
    def transposes(self) -> bool:
        return self._transpose is not None

    def transpose(self, source: int, rows: int, columns: int, target: int, target_columns: int) -> None:
        """Addresses of float32 numbers: `rows` rows of `columns`, to `columns` rows `target_columns` apart."""
        if self._transpose is None:
            raise OSError("it cannot transpose")
        self._transpose(_ROWS, _TRANS, rows, columns, 1.0, source, columns, target, target_columns)

    def _find(self, name: str) -> Any:
        try:
            return getattr(self._library, name)
        except AttributeError as error:
            raise OSError("it lacks a function that is needed") from error

    def _find_transpose(self, name: str) -> Callable[..., object]:
        size = ctypes.c_int64 if self._names.has_wide_integers else _INT
        form = ctypes.CFUNCTYPE(None, _INT, _INT, size, size, _FLOAT, _POINTER, size, _POINTER, size)
        return ctypes.cast(self._find(name), form)


def computes_right(library: BlasLibrary) -> bool:
    """Products of one row and of many, each form that MLX asks for, of whole numbers: every digit must be right.

    Matrices are products of a column and a row, so that what must come out is known without a matrix product. What
    comes out is written over numbers that are none: with a factor of zero nothing of them may remain.
    """
    product = _PRODUCT(library.product)
    are_right = all(
        _check_product(product, sizes, first, second)
        for sizes in ((1, 5, 3), (1, 70, 90), (3, 7, 5), (40, 50, 60))
        for first in (_NO_TRANS, _TRANS)
        for second in (_NO_TRANS, _TRANS)
    )
    return are_right and (not library.transposes or _check_transpose(library))


def works_in_child(path: str, names: BlasNames) -> bool:
    """Whether it opens and computes right. Tried in a process that ends right after: it may crash, or never return.

    The caller has one thread, as after a fork only one goes on.
    """
    child = os.fork()
    if child == 0:
        status = 1
        try:
            _quiet_child()
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.alarm(_CHILD_SECONDS)
            status = 0 if computes_right(BlasLibrary(path, names)) else 1
        finally:
            os._exit(status)
    return os.waitpid(child, 0)[1] == 0


def _quiet_child() -> None:
    """Whatever becomes of it, nobody hears of it: no words, no core file."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    faulthandler.disable()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)


def _check_product(product: Callable[..., object], sizes: tuple[int, int, int], first: int, second: int) -> bool:
    rows, columns, depth = sizes
    up, down = _count_up(rows, 3), _count_up(depth, 5)
    left, right = _count_up(depth, 7), _count_up(columns, 4)
    a = _outer(up, down) if first == _NO_TRANS else _outer(down, up)
    b = _outer(left, right) if second == _NO_TRANS else _outer(right, left)
    c = _floats([math.nan] * (rows * columns))
    product(
        *(_ROWS, first, second, rows, columns, depth, 1.0),
        *(_place(a), depth if first == _NO_TRANS else rows),
        *(_place(b), columns if second == _NO_TRANS else depth),
        *(0.0, _place(c), columns),
    )
    inner = sum(x * y for x, y in zip(down, left, strict=True))
    return list(c) == [inner * x * y for x in up for y in right]


def _check_transpose(library: BlasLibrary) -> bool:
    rows, columns, across = 37, 20, 50
    source, target = _floats(range(rows * columns)), _floats([0] * (columns * across))
    library.transpose(_place(source), rows, columns, _place(target), across)
    return all(target[y * across + x] == source[x * columns + y] for x in range(rows) for y in range(columns))


def _count_up(size: int, period: int) -> list[int]:
    return [place % period - 1 for place in range(size)]


def _outer(column: list[int], row: list[int]) -> Floats:
    return _floats([x * y for x in column for y in row])


def _floats(values: list[int] | list[float] | range) -> Floats:
    return (ctypes.c_float * len(values))(*values)


def _place(values: Floats) -> int:
    return ctypes.addressof(values)


def _address_of(function: Any) -> int:
    return ctypes.cast(function, ctypes.c_void_p).value or 0


def _choose_layer() -> int:
    """MKL's threads by the GNU library where that is installed: behind the wall it needs nothing. Else none.

    Intel's own would open files there, and MKL ends the process when what it was told to use is not there.
    """
    gnu, sequential = 3, 1
    try:
        ctypes.CDLL("libgomp.so.1")
    except OSError:
        return sequential
    return gnu
