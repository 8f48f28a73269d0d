"""NumPy archives: a zip whose members are all NumPy arrays.

The format is refused by default (rules/formats.py); this reader describes what would be let in. Both records of
every member are read and must agree, members must tile the file from its first byte to the directory, and of each
member only the array header is unpacked.
"""

from __future__ import annotations

import struct
import zlib
from typing import Final

from ostiary.core.findings import refuse
from ostiary.core.limits import (
    MAX_NPZ_HEAD_INPUT_BYTES,
    MAX_NPZ_INFLATION,
    MAX_NPZ_UNCHECKED_INFLATION_BYTES,
)
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused
from ostiary.intake.rules import weights as rules
from ostiary.intake.weights.read_npy import MAX_PREFIX_BYTES, NpyHeader, parse_npy
from ostiary.intake.weights.tensor_name import check_tensor_name, check_tensor_names
from ostiary.intake.weights.zip_directory import STORED, ReadAt, ZipMember, parse_zip_directory, read_exactly

_LOCAL: Final = struct.Struct("<4s3H4s3I2H")
_FULL32: Final = 0xFFFFFFFF
_SUFFIX: Final = ".npy"
_HEAD_CHUNK_BYTES: Final = 4_096


@dataclass(frozen=True, slots=True)
class NpzMember:
    """One array of the archive."""

    name: str
    """Without `.npy`, as a loader would call it."""
    compressed_bytes: int
    bytes: int
    header: NpyHeader


@dataclass(frozen=True, slots=True)
class NpzArchive:
    """What a NumPy archive holds, in the order of its directory."""

    members: tuple[NpzMember, ...]


def parse_npz(read_at: ReadAt, file_bytes: int) -> NpzArchive:
    """The arrays of an archive of `file_bytes`, through `read_at(offset, length)`; only heads are read."""
    members, directory_at = parse_zip_directory(read_at, file_bytes)
    for member in members:
        _check_member(member)
    names: dict[str, None] = {}
    for member in members:
        name = member.name.removesuffix(_SUFFIX)
        if name in names:
            raise refuse(rules.NPZ_DUPLICATE, f"{quote_untrusted(member.name)} is there twice")
        names[name] = None
    check_tensor_names(names)
    data_starts = _check_tiling(read_at, members, directory_at)
    return NpzArchive(tuple(_parse_member(read_at, m, data_starts[m.header_at]) for m in members))


def _check_member(member: ZipMember) -> None:
    name, shown = member.name, quote_untrusted(member.name)
    if "\\" in name or name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
        raise refuse(rules.NPZ_MEMBER_PATH, f"the member {shown} would be written outside")
    if not name.endswith(_SUFFIX):
        raise refuse(rules.NPZ_NOT_ARRAY, f"the member {shown} is not an array")
    check_tensor_name(name.removesuffix(_SUFFIX))
    if member.method == STORED:
        if member.compressed_bytes != member.bytes:
            detail = f"{shown} is stored in {member.compressed_bytes} bytes and said to have {member.bytes}"
            raise refuse(rules.NPZ_LOCAL_HEADER, detail)
    elif member.bytes > max(MAX_NPZ_UNCHECKED_INFLATION_BYTES, member.compressed_bytes * MAX_NPZ_INFLATION):
        detail = f"{shown} inflates from {member.compressed_bytes} to {member.bytes} bytes"
        raise refuse(rules.NPZ_BOMB, detail)


def _check_tiling(read_at: ReadAt, members: tuple[ZipMember, ...], directory_at: int) -> dict[int, int]:
    """Where the data of each member begins, by where its local header begins."""
    data_starts: dict[int, int] = {}
    position = 0
    for member in sorted(members, key=lambda m: (m.header_at, m.name)):
        if member.header_at < position:
            detail = f"{quote_untrusted(member.name)} shares bytes with the member before it"
            raise refuse(rules.NPZ_OVERLAP, detail, offset=member.header_at)
        if member.header_at > position:
            detail = f"{member.header_at - position} bytes belong to no member"
            raise refuse(rules.NPZ_PREFIX, detail, offset=position)
        data_start = _parse_local_header(read_at, member)
        data_starts[member.header_at] = data_start
        position = data_start + member.compressed_bytes
        if position > directory_at:
            detail = f"{quote_untrusted(member.name)} reaches into the directory"
            raise refuse(rules.NPZ_OVERLAP, detail, offset=member.header_at)
    if position != directory_at:
        detail = f"{directory_at - position} bytes belong to no member"
        raise refuse(rules.NPZ_PREFIX, detail, offset=position)
    return data_starts


def _parse_local_header(read_at: ReadAt, member: ZipMember) -> int:
    at, shown = member.header_at, quote_untrusted(member.name)
    fields = _LOCAL.unpack(read_exactly(read_at, at, _LOCAL.size))
    magic, _, flags, method, stamp, crc, compressed, size, name_bytes, extra_bytes = fields
    if magic != b"PK\x03\x04":
        raise refuse(rules.NPZ_STRUCTURE, f"{shown} does not begin where the directory says", offset=at)
    tail = b""
    if name_bytes == len(member.raw_name) and extra_bytes <= 20:
        tail = read_exactly(read_at, at + _LOCAL.size, name_bytes + extra_bytes)
    name, extra = tail[:name_bytes], tail[name_bytes:]
    # NumPy and MLX always write the 64-bit sizes here, other writers where they are needed (section 4.5.3).
    if extra == struct.pack("<2H2Q", 1, 16, member.bytes, member.compressed_bytes):
        sizes_agree = size in {member.bytes, _FULL32} and compressed in {member.compressed_bytes, _FULL32}
    else:
        sizes_agree = not extra_bytes and (size, compressed) == (member.bytes, member.compressed_bytes)
    if (
        not sizes_agree
        or name != member.raw_name
        or (flags, method, stamp, crc) != (member.flags, member.method, member.stamp, member.crc)
    ):
        raise refuse(rules.NPZ_LOCAL_HEADER, f"the two records of {shown} disagree", offset=at)
    return at + _LOCAL.size + len(name) + len(extra)


def _parse_member(read_at: ReadAt, member: ZipMember, data_start: int) -> NpzMember:
    if member.method == STORED:
        head = read_exactly(read_at, data_start, min(member.bytes, MAX_PREFIX_BYTES))
    else:
        head = _inflate_head(read_at, member, data_start)
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        detail = f"the member {quote_untrusted(member.name)} is an archive itself"
        raise refuse(rules.NPZ_NOT_ARRAY, detail, offset=data_start)
    try:
        header = parse_npy(head, member.bytes)
    except IntakeRefused as refused:
        first = refused.findings[0]
        detail = f"in {quote_untrusted(member.name)}: {first.detail}"
        raise refuse(first.rule, detail, offset=data_start) from refused
    if len(head) == member.bytes and zlib.crc32(head) != member.crc:
        detail = f"the checksum of {quote_untrusted(member.name)} does not fit its bytes"
        raise refuse(rules.NPZ_STRUCTURE, detail, offset=data_start)
    return NpzMember(member.name.removesuffix(_SUFFIX), member.compressed_bytes, member.bytes, header)


def _inflate_head(read_at: ReadAt, member: ZipMember, data_start: int) -> bytes:
    shown = quote_untrusted(member.name)
    is_whole = member.bytes <= MAX_PREFIX_BYTES
    # One byte more than the whole, so that a member that goes on is seen.
    wanted = member.bytes + 1 if is_whole else MAX_PREFIX_BYTES
    available = min(member.compressed_bytes, MAX_NPZ_HEAD_INPUT_BYTES)
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    head, consumed = b"", 0
    try:
        while len(head) < wanted and consumed < available and not inflater.eof:
            chunk = read_exactly(read_at, data_start + consumed, min(_HEAD_CHUNK_BYTES, available - consumed))
            consumed += len(chunk)
            head += inflater.decompress(chunk, wanted - len(head))
    except zlib.error:
        raise refuse(rules.NPZ_STRUCTURE, f"{shown} does not inflate", offset=data_start) from None
    if is_whole:
        fits = inflater.eof and len(head) == member.bytes
        if not fits or inflater.unused_data or consumed != member.compressed_bytes:
            detail = f"{shown} does not inflate to {member.bytes} bytes from {member.compressed_bytes}"
            raise refuse(rules.NPZ_STRUCTURE, detail, offset=data_start)
    elif len(head) < wanted:
        detail = f"{shown} inflates to {len(head)} bytes, {member.bytes} are announced"
        raise refuse(rules.NPZ_STRUCTURE, detail, offset=data_start)
    return head
