"""Where a loaded library keeps the addresses of what it imports."""

from __future__ import annotations

import _ctypes
import ctypes
import sys
from pathlib import Path

import pytest

from ostiary._hazmat.import_slot import ImportSlot, find_import

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(_ctypes, "__file__"), reason="needs an extension module of Linux's kind"
)
NAME = "PyErr_SetString"


def find() -> ImportSlot:
    slot = find_import(Path(_ctypes.__file__), NAME)
    assert slot is not None
    return slot


def test_it_holds_the_address_that_is_called() -> None:
    address = ctypes.cast(ctypes.pythonapi.PyErr_SetString, ctypes.c_void_p).value
    slot = find()
    with pytest.raises(TypeError):
        ctypes.c_int.from_address("no address")  # bound by now, also where names are bound late
    assert slot.read() == address
    slot.point_at(address or 0)  # also where nobody may write
    with pytest.raises(TypeError):
        ctypes.c_int.from_address("no address")


def test_what_is_not_there() -> None:
    assert find_import(Path(_ctypes.__file__), "no_such_function") is None
    assert find_import(Path("/nowhere/lib.so"), NAME) is None
    assert find_import(Path(__file__), NAME) is None
