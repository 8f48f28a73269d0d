"""Well-formed weight files of every format, built field by field so that a case can damage one of them."""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from attack_cases.base import CORPUS

# safetensors


def raw_safetensors(header: object, data: bytes = b"", *, header_bytes: int | None = None) -> bytes:
    """Header as text or as a value, any length field."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if header_bytes is None else header_bytes) + text + data


def entry(
    dtype: object = "U8", shape: object = (2,), offsets: object = (0, 2), **more: object
) -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}


def named(*names: str) -> bytes:
    """One byte for each name."""
    return raw_safetensors(
        {n: entry(shape=[1], offsets=[i, i + 1]) for i, n in enumerate(names)}, bytes(len(names))
    )


def split_safetensors(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and data section of a good file."""
    end = 8 + int.from_bytes(data[:8], "little")
    return json.loads(data[8:end]), data[end:]


# GGUF


def gguf_text(text: str | bytes) -> bytes:
    raw = text.encode() if isinstance(text, str) else text
    return struct.pack("<Q", len(raw)) + raw


def gguf_entry(key: str | bytes, kind: int, value: bytes) -> bytes:
    return gguf_text(key) + struct.pack("<I", kind) + value


def gguf_array(kind: int, count: int, items: bytes) -> bytes:
    return struct.pack("<IQ", kind, count) + items


def gguf_tensor(name: str | bytes, sizes: Sequence[int], kind: int, offset: int) -> bytes:
    return gguf_text(name) + struct.pack(f"<I{len(sizes)}QIQ", len(sizes), *sizes, kind, offset)


def gguf_bytes(
    tensors: Sequence[bytes] = (),
    data: bytes = b"",
    entries: Sequence[bytes] = (),
    *,
    magic: bytes = b"GGUF",
    version: int = 3,
    alignment: int = 32,
    tensor_count: int | None = None,
    entry_count: int | None = None,
    padding: bytes = b"\0",
) -> bytes:
    tensor_count = len(tensors) if tensor_count is None else tensor_count
    entry_count = len(entries) if entry_count is None else entry_count
    head = magic + struct.pack("<IQQ", version, tensor_count, entry_count) + b"".join(entries) + b"".join(tensors)
    return head + padding * (-len(head) % alignment) + data


# npy


def npy_bytes(
    data: bytes = bytes(8),
    shape: str = "(2,)",
    descr: str = "'<f4'",
    fortran: str = "False",
    *,
    text: str | None = None,
    version: tuple[int, int] = (1, 0),
    header_bytes: int | None = None,
) -> bytes:
    if text is None:
        text = f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"
    raw = text.encode("latin-1")
    length = struct.pack("<H" if version[0] == 1 else "<I", len(raw) if header_bytes is None else header_bytes)
    return b"\x93NUMPY" + bytes(version) + length + raw + data


# npz


@dataclass(frozen=True)
class Member:
    """One member; what is given overrides what would be right. `local_...` goes to the first record only."""

    name: bytes = b"x.npy"
    data: bytes = npy_bytes()
    method: int = 0
    flags: int = 0
    crc: int | None = None
    size: int | None = None
    compressed: bytes | None = None
    attributes: int = 0o100600 << 16
    needed: int = 20
    disk: int = 0
    extra: bytes = b""
    comment: bytes = b""
    local_name: bytes | None = None
    local_size: int | None = None
    local_flags: int | None = None
    local_extra: bytes = b""
    local_magic: bytes = b"PK\x03\x04"
    header_at: int | None = None


def deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()


def zip_bytes(
    *members: Member,
    prefix: bytes = b"",
    gap: bytes = b"",
    comment: bytes = b"",
    count: int | None = None,
    disk: int = 0,
    directory_at: int | None = None,
    end64: bytes | None = None,
) -> bytes:
    body, directory = bytearray(prefix), bytearray()
    for member in members:
        packed = member.compressed
        if packed is None:
            packed = deflate(member.data) if member.method == 8 else member.data
        size = len(member.data) if member.size is None else member.size
        crc = zlib.crc32(member.data) if member.crc is None else member.crc
        at = len(body) if member.header_at is None else member.header_at
        local_name = member.name if member.local_name is None else member.local_name
        local_size = size if member.local_size is None else member.local_size
        local_flags = member.flags if member.local_flags is None else member.local_flags
        body += struct.pack(
            "<4s5H3I2H",
            member.local_magic, member.needed, local_flags, member.method, 0, 33, crc, len(packed), local_size,
            len(local_name), len(member.local_extra),
        )  # fmt: skip
        body += local_name + member.local_extra + packed + gap
        directory += struct.pack(
            "<4s6H3I5H2I",
            b"PK\x01\x02", 3 << 8 | 20, member.needed, member.flags, member.method, 0, 33, crc, len(packed), size,
            len(member.name), len(member.extra), len(member.comment), member.disk, 0, member.attributes, at,
        )  # fmt: skip
        directory += member.name + member.extra + member.comment
    count = len(members) if count is None else count
    directory_at = len(body) if directory_at is None else directory_at
    end = struct.pack(
        "<4s4H2IH",
        b"PK\x05\x06",
        disk,
        disk,
        count & 0xFFFF,
        count & 0xFFFF,
        len(directory),
        directory_at,
        len(comment),
    )
    return bytes(body + directory) + (end64 or b"") + end + comment


def zip64_bytes(members: Sequence[Member], *, short_count: int = 0xFFFF, **change: int) -> bytes:
    """An archive whose end says everything in 64 bits. `change`: count, size, offset, record_at, length."""
    plain = zip_bytes(*members)
    *_, size, offset, _ = struct.unpack("<4s4H2IH", plain[-22:])
    wide = {
        "count": len(members),
        "size": size,
        "offset": offset,
        "record_at": offset + size,
        "length": 44,
    } | change
    record = struct.pack(
        "<4sQ2H2I4Q",
        b"PK\x06\x06", wide["length"], 45, 45, 0, 0, wide["count"], wide["count"], wide["size"], wide["offset"],
    )  # fmt: skip
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, wide["record_at"], 1)
    short = struct.pack("<4s4H2IH", b"PK\x05\x06", 0, 0, short_count, short_count, 0xFFFFFFFF, 0xFFFFFFFF, 0)
    return plain[:-22] + record + locator + short


# .mlxfn

F32 = struct.pack("<iB", 10, 4)
I32 = struct.pack("<iB", 7, 4)
BOOL = struct.pack("<iB", 0, 1)


def fn_text(text: str | bytes) -> bytes:
    return gguf_text(text)


def fn_list(*items: bytes) -> bytes:
    return struct.pack("<Q", len(items)) + b"".join(items)


def fn_ids(*ids: int) -> bytes:
    return struct.pack(f"<{len(ids) + 1}Q", len(ids), *ids)


def fn_shape(*sizes: int) -> bytes:
    return struct.pack(f"<Q{len(sizes)}i", len(sizes), *sizes)


def fn_constant(value_id: int, shape: bytes = fn_shape(2), dtype: bytes = F32, data: bytes = bytes(8)) -> bytes:
    return struct.pack("<QBB", value_id, 0, 1) + shape + dtype + data


def fn_operation(
    value_id: int,
    name: str | bytes,
    inputs: Sequence[int],
    *,
    argument: bytes = b"",
    shape: bytes = fn_shape(2),
    dtype: bytes = F32,
    device: tuple[int, int, int] = (0, 0, 0),
    siblings: int = 0,
) -> bytes:
    head = struct.pack("<QB", value_id, 1) + fn_ids(*inputs) + struct.pack("<3i", *device)
    return head + fn_text(name) + argument + struct.pack("<Q", siblings) + shape + dtype


def fn_function(
    steps: Sequence[bytes] = (),
    *,
    keywords: Sequence[str] = (),
    input_ids: Sequence[int] = (1,),
    inputs: Sequence[bytes] = (fn_shape(2) + F32,),
    outputs: Sequence[int] = (1,),
) -> bytes:
    names = fn_list(*(fn_text(k) for k in keywords))
    return names + fn_ids(*input_ids) + fn_list(*inputs) + fn_ids(*outputs) + fn_list(*steps)


def fn_bytes(
    *functions: bytes,
    version: str | bytes = "0.32.4",
    count: int | None = None,
    shapeless: int = 0,
    metadata: str | bytes = "",
) -> bytes:
    count = len(functions) if count is None else count
    return fn_text(version) + struct.pack("<iB", count, shapeless) + fn_text(metadata) + b"".join(functions)


# The corpus


def corpus_files(format_name: str) -> Mapping[str, tuple[str, bytes]]:
    """Name of each single-file case of a format -> (expected, bytes)."""
    cases = json.loads((CORPUS / "manifest.json").read_text())["cases"]
    return {
        case["name"]: (case["expected"], (CORPUS / case["path"]).read_bytes())
        for case in cases
        if case["format"] == format_name and case["kind"] == "file"
    }
