"""The directory at the end of a zip file, read as strictly as NumPy writes it (APPNOTE 6.3.10, 4.3 and 4.5).

Only archives that are nothing but their members from the first byte to the last: no comment, no extra disks, no
bytes that belong to nothing, no extension but the 64-bit sizes.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Final, TypeAlias

from ostiary.core.findings import refuse
from ostiary.core.limits import MAX_NPZ_DIRECTORY_BYTES, MAX_NPZ_MEMBERS, MAX_TENSOR_NAME_CHARACTERS
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.intake.rules import tensors as tensor_rules
from ostiary.intake.rules import weights as rules

ReadAt: TypeAlias = Callable[[int, int], bytes]
"""(offset, length) -> the bytes there; fewer where the file ends."""

STORED: Final = 0
DEFLATED: Final = 8

_END: Final = struct.Struct("<4s4H2IH")
_END64_LOCATOR: Final = struct.Struct("<4sIQI")
_END64: Final = struct.Struct("<4sQ2H2I4Q")
_ENTRY: Final = struct.Struct("<4s6H3I5H2I")
_ENCRYPTED_FLAG: Final = 0x1
_DEFLATE_LEVEL_FLAGS: Final = 0x6
_UTF8_FLAG: Final = 0x800
_FULL16: Final = 0xFFFF
_FULL32: Final = 0xFFFFFFFF
_UNIX: Final = 3
_UNIX_KIND: Final = 0o170000
_UNIX_REGULAR: Final = 0o100000


@dataclass(frozen=True, slots=True)
class ZipMember:
    """One entry of the directory."""

    name: str
    raw_name: bytes
    flags: int
    method: int
    stamp: bytes
    crc: int
    compressed_bytes: int
    bytes: int
    header_at: int


def read_exactly(read_at: ReadAt, offset: int, length: int) -> bytes:
    """`length` bytes at `offset`, refused where the file gives fewer."""
    data = read_at(offset, length)
    if len(data) != length:
        raise refuse(rules.NPZ_STRUCTURE, f"{length} bytes are announced, {len(data)} are there", offset=offset)
    return data


def parse_zip_directory(read_at: ReadAt, file_bytes: int) -> tuple[tuple[ZipMember, ...], int]:
    """The members in directory order, and where the directory begins."""
    count, directory_at, directory_bytes = _parse_end(read_at, file_bytes)
    if count > MAX_NPZ_MEMBERS:
        raise refuse(rules.NPZ_TOO_LARGE, f"the archive has {count} members, more than {MAX_NPZ_MEMBERS}")
    if directory_bytes > MAX_NPZ_DIRECTORY_BYTES:
        detail = f"the directory has {directory_bytes} bytes, more than {MAX_NPZ_DIRECTORY_BYTES}"
        raise refuse(rules.NPZ_TOO_LARGE, detail)
    data = read_exactly(read_at, directory_at, directory_bytes)
    members: list[ZipMember] = []
    position = 0
    while position < len(data):
        member, position = _parse_entry(data, position, directory_at)
        members.append(member)
        if len(members) > count:
            break
    if len(members) != count:
        detail = f"the directory holds {len(members)} members or more, its end says {count}"
        raise refuse(rules.NPZ_STRUCTURE, detail, offset=directory_at)
    return tuple(members), directory_at


def _parse_end(read_at: ReadAt, file_bytes: int) -> tuple[int, int, int]:
    end_at = file_bytes - _END.size
    if end_at < 0:
        raise refuse(rules.NPZ_STRUCTURE, f"the file has {file_bytes} bytes, a zip needs {_END.size}")
    fields = _END.unpack(read_exactly(read_at, end_at, _END.size))
    magic, disk, first_disk, here, count, size, offset, comment = fields
    if magic != b"PK\x05\x06" or comment:
        raise refuse(rules.NPZ_STRUCTURE, "the file does not end with the end of a zip directory", offset=end_at)
    if _FULL16 in {here, count} or _FULL32 in {size, offset}:
        here, count, size, offset, end_at = _parse_end64(read_at, end_at, (here, count, size, offset))
    if disk or first_disk or here != count:
        raise refuse(rules.NPZ_STRUCTURE, "the archive spans several disks", offset=end_at)
    if offset + size != end_at:
        if offset + size < end_at:
            detail = f"{end_at - offset - size} bytes belong to no member"
            raise refuse(rules.NPZ_PREFIX, detail, offset=offset + size)
        raise refuse(rules.NPZ_STRUCTURE, "the directory is not where its end says", offset=end_at)
    return count, offset, size


def _parse_end64(read_at: ReadAt, end_at: int, short: tuple[int, int, int, int]) -> tuple[int, int, int, int, int]:
    """The 64-bit end record, which must lie right before its locator and agree with the short one."""
    locator_at = end_at - _END64_LOCATOR.size
    record_at = locator_at - _END64.size
    if record_at < 0:
        raise refuse(rules.NPZ_STRUCTURE, "the 64-bit end of the directory is missing", offset=end_at)
    magic, disk, pointed_at, disks = _END64_LOCATOR.unpack(read_exactly(read_at, locator_at, _END64_LOCATOR.size))
    if magic != b"PK\x06\x07" or disk or disks != 1 or pointed_at != record_at:
        raise refuse(
            rules.NPZ_STRUCTURE, "the 64-bit end of the directory is not where it belongs", offset=locator_at
        )
    fields = _END64.unpack(read_exactly(read_at, record_at, _END64.size))
    magic, length, _, _, disk, first_disk, here, count, size, offset = fields
    if magic != b"PK\x06\x06" or length != _END64.size - 12 or disk or first_disk:
        raise refuse(rules.NPZ_STRUCTURE, "the 64-bit end of the directory is malformed", offset=record_at)
    for said, full, wide in zip(
        short, (_FULL16, _FULL16, _FULL32, _FULL32), (here, count, size, offset), strict=True
    ):
        if said not in {full, wide}:
            raise refuse(rules.NPZ_STRUCTURE, "the two ends of the directory disagree", offset=record_at)
    return here, count, size, offset, record_at


def _parse_entry(data: bytes, position: int, directory_at: int) -> tuple[ZipMember, int]:
    at = directory_at + position
    if len(data) - position < _ENTRY.size:
        raise refuse(rules.NPZ_STRUCTURE, "the directory ends inside an entry", offset=at)
    (
        magic, made_by, needed, flags, method, time, date, crc, compressed, size,
        name_bytes, extra_bytes, comment_bytes, disk, _, attributes, header_at,
    ) = _ENTRY.unpack_from(data, position)  # fmt: skip
    position += _ENTRY.size
    if magic != b"PK\x01\x02" or len(data) - position < name_bytes + extra_bytes + comment_bytes:
        raise refuse(rules.NPZ_STRUCTURE, "the directory holds something that is no entry", offset=at)
    raw_name = data[position : position + name_bytes]
    extra = data[position + name_bytes : position + name_bytes + extra_bytes]
    name = _parse_name(raw_name, flags, at)
    shown = quote_untrusted(name)
    if flags & _ENCRYPTED_FLAG:
        raise refuse(rules.NPZ_ENCRYPTED, f"{shown} is encrypted", offset=at)
    allowed_flags = _UTF8_FLAG | (_DEFLATE_LEVEL_FLAGS if method == DEFLATED else 0)
    if flags & ~allowed_flags or method not in {STORED, DEFLATED} or needed > 45 or disk or comment_bytes:
        detail = f"{shown} uses flags {flags:#x}, method {method}, version {needed}, disk {disk}, or a comment"
        raise refuse(rules.NPZ_FEATURE, detail, offset=at)
    kind = (attributes >> 16) & _UNIX_KIND
    if made_by >> 8 == _UNIX and kind not in {0, _UNIX_REGULAR}:
        raise refuse(rules.NPZ_FEATURE, f"{shown} is a link or another special file", offset=at)
    size, compressed, header_at = _parse_zip64_extra(extra, [size, compressed, header_at], shown, at)
    stamp = struct.pack("<2H", time, date)
    member = ZipMember(name, raw_name, flags, method, stamp, crc, compressed, size, header_at)
    return member, position + name_bytes + extra_bytes


def _parse_name(raw: bytes, flags: int, at: int) -> str:
    if not 0 < len(raw) <= 4 * MAX_TENSOR_NAME_CHARACTERS:
        raise refuse(tensor_rules.NAME_TOO_LONG, f"a member's name has {len(raw)} bytes", offset=at)
    try:
        # Without the flag the name is in an old code page, which readers guess differently.
        return raw.decode("utf-8" if flags & _UTF8_FLAG else "ascii")
    except UnicodeDecodeError:
        shown = quote_untrusted(raw.decode("latin-1"))
        raise refuse(
            tensor_rules.NAME_INVISIBLE, f"a member's name is not plain text: {shown}", offset=at
        ) from None


def _parse_zip64_extra(extra: bytes, fields: list[int], shown: str, at: int) -> tuple[int, int, int]:
    """Size, compressed size and offset, each replaced by its 64-bit form where it says so (section 4.5.3)."""
    wide = [index for index, value in enumerate(fields) if value == _FULL32]
    expected = struct.pack("<2H", 1, 8 * len(wide)) if wide else b""
    if len(extra) != len(expected) + 8 * len(wide) or not extra.startswith(expected):
        raise refuse(rules.NPZ_FEATURE, f"{shown} has an extra field of {len(extra)} bytes", offset=at)
    for place, index in enumerate(wide):
        (fields[index],) = struct.unpack_from("<Q", extra, 4 + 8 * place)
    size, compressed, header_at = fields
    return size, compressed, header_at
