"""A position in untrusted little-endian bytes: every length is compared with what is there before it is used."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final

from ostiary.errors import IntakeRefused

_U8: Final = struct.Struct("<B")
_U32: Final = struct.Struct("<I")
_I32: Final = struct.Struct("<i")
_U64: Final = struct.Struct("<Q")


class ByteCursor:
    """Walks forward through `data`. `refuse_short(needed, offset)` makes the refusal when bytes are missing."""

    __slots__ = ("_data", "_refuse_short", "offset")

    def __init__(self, data: bytes, refuse_short: Callable[[int, int], IntakeRefused]) -> None:
        self._data = data
        self._refuse_short = refuse_short
        self.offset = 0

    @property
    def remaining(self) -> int:
        return len(self._data) - self.offset

    def require(self, length: int) -> None:
        """Refuses unless `length` more bytes are there."""
        if length > self.remaining:
            raise self._refuse_short(length, self.offset)

    def skip(self, length: int) -> None:
        self.require(length)
        self.offset += length

    def skip_strings(self, count: int) -> None:
        """Skips `count` strings, each a 64-bit length and that many bytes. One loop, as there may be millions."""
        unpack, data, end, offset = _U64.unpack_from, self._data, len(self._data), self.offset
        for _ in range(count):
            if offset + 8 > end:
                raise self._refuse_short(8, offset)
            offset += 8 + unpack(data, offset)[0]
            if offset > end:
                raise self._refuse_short(offset - end, end)
        self.offset = offset

    def read_bytes(self, length: int) -> bytes:
        self.require(length)
        start = self.offset
        self.offset += length
        return self._data[start : self.offset]

    def read_u8(self) -> int:
        return self._read(_U8)

    def read_u32(self) -> int:
        return self._read(_U32)

    def read_i32(self) -> int:
        return self._read(_I32)

    def read_u64(self) -> int:
        return self._read(_U64)

    def _read(self, layout: struct.Struct) -> int:
        self.require(layout.size)
        (value,) = layout.unpack_from(self._data, self.offset)
        self.offset += layout.size
        return int(value)
