"""Parts of a mapping that say when nobody holds them any more, and where in memory a buffer lies.

For the cell only. Python's own memoryviews cannot be asked for either. Nothing here reads or writes memory.
"""

from __future__ import annotations

import ctypes
import mmap
import weakref
from collections.abc import Callable
from typing import Final


class _Buffer(ctypes.Structure):
    """`Py_buffer`."""

    _fields_ = (
        ("buf", ctypes.c_void_p),
        ("obj", ctypes.c_void_p),
        ("len", ctypes.c_ssize_t),
        ("itemsize", ctypes.c_ssize_t),
        ("readonly", ctypes.c_int),
        ("ndim", ctypes.c_int),
        ("format", ctypes.c_void_p),
        ("shape", ctypes.c_void_p),
        ("strides", ctypes.c_void_p),
        ("suboffsets", ctypes.c_void_p),
        ("internal", ctypes.c_void_p),
    )


_get_buffer: Final = ctypes.pythonapi.PyObject_GetBuffer
_get_buffer.argtypes = [ctypes.py_object, ctypes.POINTER(_Buffer), ctypes.c_int]
_get_buffer.restype = ctypes.c_int
_release_buffer: Final = ctypes.pythonapi.PyBuffer_Release
_release_buffer.argtypes = [ctypes.POINTER(_Buffer)]
_release_buffer.restype = None
_SIMPLE: Final = 0


def cut_block(mapping: mmap.mmap, start: int, size: int, on_dropped: Callable[[], object]) -> memoryview:
    """Bytes of a mapping that can be written to. The mapping stays as long as they do.

    `on_dropped` is called once no view of them is left, from whichever thread let go of the last, and from inside
    the garbage collector: it must take no lock.
    """
    block = (ctypes.c_ubyte * size).from_buffer(mapping, start)
    weakref.finalize(block, on_dropped).atexit = False
    return memoryview(block).cast("B")


def find_address(view: memoryview) -> int:
    """Of its first byte. `view` is contiguous bytes; the answer holds as long as it is held."""
    found = _Buffer()
    _get_buffer(view, ctypes.byref(found), _SIMPLE)
    try:
        return found.buf or 0
    finally:
        _release_buffer(ctypes.byref(found))
