"""Which function a loaded library reaches under a name that it imports, and how to let it reach another.

For the worker only, in front of the wall. A library calls what it imports through a table of addresses, one for
each name, that the dynamic linker fills (System V gABI, "Dynamic Linking"; JUMP_SLOT and GLOB_DAT in the psABIs).
Only that one library's entry changes: whoever else calls a function of this name still reaches the old one. That is
why it is not done with RTLD_GLOBAL, which must come before the library, changes it for everything loaded later, and
cannot give a function another name.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

_RTLD_NOLOAD: Final = 4
_RTLD_DI_LINKMAP: Final = 2
_SYMTAB, _STRTAB, _RELA, _RELASZ, _JMPREL, _PLTRELSZ = 6, 5, 7, 8, 23, 2
_RELOCATION_BYTES: Final = 24
_SYMBOL_BYTES: Final = 24
# GLOB_DAT and JUMP_SLOT.
_KINDS: Final = {"x86_64": frozenset({6, 7}), "aarch64": frozenset({1025, 1026})}
_WORD: Final = 8
_READ_WRITE: Final = mmap.PROT_READ | mmap.PROT_WRITE


class _LinkMap(ctypes.Structure):
    """The part of `struct link_map` that is promised (dlinfo(3))."""

    _fields_ = (("base", ctypes.c_size_t), ("name", ctypes.c_char_p), ("dynamic", ctypes.c_size_t))


class ImportSlot(NamedTuple):
    """Where a library keeps the address of a function that it imports. Good as long as the library is loaded."""

    place: int
    is_writable: bool

    def read(self) -> int:
        """Before the first call this is the linker's own function, where names are bound late."""
        return ctypes.c_size_t.from_address(self.place).value

    def point_at(self, address: int) -> None:
        """Raises OSError. No thread may be calling through it meanwhile."""
        if not self.is_writable:
            _protect(self.place, _READ_WRITE)
        ctypes.c_size_t.from_address(self.place).value = address
        if not self.is_writable:
            _protect(self.place, mmap.PROT_READ)


def find_import(library: Path, name: str) -> ImportSlot | None:
    """None: the library is not loaded, imports no such function, or nobody knows here where."""
    kinds = _KINDS.get(platform.machine())
    if sys.platform != "linux" or kinds is None:
        return None
    try:
        handle = ctypes.CDLL(str(library), mode=_RTLD_NOLOAD)
        found = _read_link_map(handle)
    except (OSError, AttributeError):
        return None
    wanted = name.encode()
    for place, kind, symbol in _list_relocations(found):
        if kind in kinds and symbol == wanted:
            return ImportSlot(place, _is_writable(place))
    return None


def _read_link_map(library: ctypes.CDLL) -> _LinkMap:
    ask = ctypes.CDLL(None).dlinfo
    ask.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
    found = ctypes.POINTER(_LinkMap)()
    if ask(library._handle, _RTLD_DI_LINKMAP, ctypes.byref(found)):
        raise OSError("the linker does not say where the library lies")
    return found.contents


def _list_relocations(library: _LinkMap) -> Iterator[tuple[int, int, bytes]]:
    """Address, kind and symbol of every relocation."""
    base, entry = int(library.base), int(library.dynamic)
    table: dict[int, int] = {}
    while tag := _read_word(entry):
        table[tag] = _read_word(entry + _WORD)
        entry += 2 * _WORD

    def locate(tag: int) -> int:
        """The GNU linker has made an address of each offset already, others have not."""
        value = table.get(tag, 0)
        return value if value >= base else base + value

    symbols, names = locate(_SYMTAB), locate(_STRTAB)
    for start, size in ((_JMPREL, _PLTRELSZ), (_RELA, _RELASZ)):
        if start not in table:
            continue
        first = locate(start)
        for place in range(first, first + table.get(size, 0), _RELOCATION_BYTES):
            offset, info = _read_word(place), _read_word(place + _WORD)
            name = ctypes.c_uint32.from_address(symbols + _SYMBOL_BYTES * (info >> 32)).value
            yield base + offset, info & 0xFFFF_FFFF, ctypes.string_at(names + name)


def _read_word(address: int) -> int:
    return ctypes.c_size_t.from_address(address).value


def _is_writable(address: int) -> bool:
    """Libraries that were bound at once keep their table where nobody writes any more."""
    with Path("/proc/self/maps").open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            span, permissions = line.split(maxsplit=2)[:2]
            first, _, end = span.partition("-")
            if int(first, 16) <= address < int(end, 16):
                return "w" in permissions
    return False


def _protect(address: int, protection: int) -> None:
    start = address & -mmap.PAGESIZE
    call = ctypes.CDLL(None, use_errno=True).mprotect
    call.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    if call(start, mmap.PAGESIZE, protection):
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))
