"""What a file is by its bytes alone: signatures of formats, each checked far enough that plain text never fits."""

from __future__ import annotations

import re
from typing import Final

from ostiary.core.tickets import FileKind
from ostiary.core.values import dataclass
from ostiary.intake.code.read_pickle import looks_like_pickle


@dataclass(frozen=True, slots=True)
class Format:
    """`name` completes the sentence "the bytes are ..."; `is_weights` marks other frameworks' weight formats."""

    name: str
    kind: FileKind
    is_weights: bool = False


_MAX_SAFETENSORS_HEADER_BYTES: Final = 100_000_000  # the format's own limit

_SAFETENSORS: Final = Format("safetensors", FileKind.SAFETENSORS)
_PICKLE: Final = Format("a Python pickle", FileKind.PICKLE)
_TORCH: Final = Format("a PyTorch archive of pickles", FileKind.PICKLE, is_weights=True)
_NPZ: Final = Format("a NumPy archive", FileKind.NPZ)
_ZIP: Final = Format("a zip archive", FileKind.ARCHIVE)
_TAR: Final = Format("a tar archive", FileKind.ARCHIVE)
_ZLIB: Final = Format("a zlib stream", FileKind.ARCHIVE)
_GGUF: Final = Format("GGUF", FileKind.GGUF)
_MLXFN: Final = Format("an exported MLX function", FileKind.MLXFN)
_PE: Final = Format("a Windows executable", FileKind.EXECUTABLE)
_FAT: Final = Format("a macOS executable for several processors", FileKind.EXECUTABLE)
_CLASS: Final = Format("Java bytecode", FileKind.EXECUTABLE)
_PYC: Final = Format("Python bytecode", FileKind.CODE)
_SCRIPT: Final = Format("a script", FileKind.CODE)
_HDF5: Final = Format("HDF5", FileKind.UNKNOWN, is_weights=True)
_TFLITE: Final = Format("TensorFlow Lite", FileKind.UNKNOWN, is_weights=True)


def _binary(name: str, kind: FileKind, *magics: bytes) -> tuple[tuple[bytes, Format], ...]:
    return tuple((magic, Format(name, kind)) for magic in magics)


# Signatures that no text and no safetensors length field can begin with.
_BINARY: Final = (
    *_binary("an ELF executable or library", FileKind.EXECUTABLE, b"\x7fELF"),
    *_binary(
        "a macOS executable or library",
        FileKind.EXECUTABLE,
        b"\xfe\xed\xfa\xce",
        b"\xfe\xed\xfa\xcf",
        b"\xce\xfa\xed\xfe",
        b"\xcf\xfa\xed\xfe",
    ),
    *_binary("WebAssembly", FileKind.EXECUTABLE, b"\0asm"),
    *_binary("Android bytecode", FileKind.EXECUTABLE, b"dex\n0"),
    *_binary("LLVM bitcode", FileKind.EXECUTABLE, b"BC\xc0\xde", b"\xde\xc0\x17\x0b"),
    *_binary("a SPIR-V shader", FileKind.EXECUTABLE, b"\x03\x02\x23\x07", b"\x07\x23\x02\x03"),
    *_binary("a CUDA fat binary", FileKind.EXECUTABLE, b"\x50\xed\x55\xba", b"\xb1\x43\x62\x46"),
    *_binary("a static library", FileKind.EXECUTABLE, b"!<arch>\n"),
    *_binary("a Windows shortcut", FileKind.EXECUTABLE, b"L\0\0\0\x01\x14\x02\0"),
    *_binary("Lua bytecode", FileKind.CODE, b"\x1bLua", b"\x1bLJ"),
    *_binary("NumPy's npy", FileKind.NPY, b"\x93NUMPY"),
    *_binary("an xz archive", FileKind.ARCHIVE, b"\xfd7zXZ\0"),
    *_binary("a Zstandard archive", FileKind.ARCHIVE, b"\x28\xb5\x2f\xfd"),
    *_binary("an LZ4 archive", FileKind.ARCHIVE, b"\x04\x22\x4d\x18", b"\x02\x21\x4c\x18"),
    *_binary("a 7z archive", FileKind.ARCHIVE, b"7z\xbc\xaf\x27\x1c"),
    *_binary("a RAR archive", FileKind.ARCHIVE, b"Rar!\x1a\x07"),
    *_binary("a cabinet archive", FileKind.ARCHIVE, b"MSCF\0\0\0\0"),
    *_binary("an lzip archive", FileKind.ARCHIVE, b"LZIP\x01"),
    *_binary("an RPM package", FileKind.ARCHIVE, b"\xed\xab\xee\xdb"),
    *_binary("a xar archive", FileKind.ARCHIVE, b"xar!\0"),
    *_binary("an OLE document", FileKind.UNKNOWN, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
    *_binary("an SQLite database", FileKind.UNKNOWN, b"SQLite format 3\0"),
)
# Signatures made of letters: the bytes after them must not read like text.
_LETTERS: Final = (
    (b"GGUF", _GGUF),
    (b"FUGG", _GGUF),
    *((magic, Format("GGML", FileKind.UNKNOWN, is_weights=True)) for magic in (b"lmgg", b"tjgg", b"algg", b"fmgg")),
    (b"MTLB", Format("a compiled Metal library", FileKind.EXECUTABLE)),
    (b"BZh", Format("a bzip2 archive", FileKind.ARCHIVE)),
)
_IMAGES: Final = (
    (b"\x89PNG\r\n\x1a\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF87a", "a GIF image"),
    (b"GIF89a", "a GIF image"),
    (b"%PDF-", "a PDF document"),
)
_SHEBANG: Final = re.compile(rb"(?:\xef\xbb\xbf)?#![ \t]*/")
_MLX_VERSION: Final = re.compile(rb"\d{1,4}\.\d{1,4}(?:\.[0-9A-Za-z.+_-]*)?\Z")
_CONTROL: Final = bytes(c for c in range(32) if c not in b"\t\n\v\f\r") + b"\x7f"
_HDF5_MAGIC: Final = b"\x89HDF\r\n\x1a\n"


def find_format(head: bytes, size: int) -> Format | None:
    """The format of a file of `size` bytes that begins with `head`, or None: text, an image, or nobody knows.

    safetensors comes before the rest because its first bytes are a length, which may spell any short signature;
    a tar's signature lies so deep that no honest header has it there.
    """
    if _is_tar(head):
        return _TAR
    if is_safetensors_shaped(head, size):
        return _SAFETENSORS
    for magic, known in _BINARY:
        if head.startswith(magic):
            return known
    for magic, known in _LETTERS:
        if head.startswith(magic) and not is_text(head[: len(magic) + 12]):
            return known
    if head[:4] in {b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"}:
        return _format_of_zip(head)
    if _SHEBANG.match(head):
        return _SCRIPT
    if any(head.startswith(_HDF5_MAGIC, at) for at in (0, 512, 1024, 2048)):
        return _HDF5
    if head[:4] in {b"\xca\xfe\xba\xbe", b"\xca\xfe\xba\xbf"}:
        return _FAT if int.from_bytes(head[4:8], "big") < 40 else _CLASS
    if head[4:8] == b"TFL3" and not is_text(head[:4]):
        return _TFLITE
    if head[2:4] == b"\r\n" and 3000 <= int.from_bytes(head[:2], "little") < 4000:
        return _PYC
    if _is_mlxfn(head):
        return _MLXFN
    if head.startswith(b"\x1f\x8b"):
        return Format("a gzip archive", FileKind.ARCHIVE)
    if head.startswith(b"MZ") and not is_text(head):
        return _PE
    if head.startswith(b"\x1f\x9d") or _is_zlib(head):
        return _ZLIB
    if looks_like_pickle(head, size):
        return _PICKLE
    return None


def find_image(head: bytes) -> str | None:
    """The name of the picture or page format that `head` begins, or None."""
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "a WebP image"
    return next((name for magic, name in _IMAGES if head.startswith(magic)), None)


def is_safetensors_shaped(head: bytes, size: int) -> bool:
    """Whether the first eight bytes are a header length that fits the file and a JSON object begins after them."""
    length = int.from_bytes(head[:8], "little")
    return 2 <= length <= min(size - 8, _MAX_SAFETENSORS_HEADER_BYTES) and head[8:9] == b"{"


def is_text(head: bytes) -> bool:
    """Whether a person could read it: UTF-8 (its end may be cut), UTF-16 with its mark, or an older 8-bit set."""
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            decoded = head[: len(head) & ~1].decode("utf-16")
        except UnicodeDecodeError:
            return False
        return not any(ord(c) < 32 and c not in "\t\n\v\f\r" for c in decoded)
    if head.translate(None, _CONTROL) != head:
        return False
    for cut in range(4):
        try:
            head[: len(head) - cut].decode("utf-8")
        except UnicodeDecodeError:
            continue
        return True
    ascii_bytes = sum(c < 128 for c in head)
    return ascii_bytes * 10 >= len(head) * 8


def _is_tar(head: bytes) -> bool:
    """POSIX and GNU tar, by signature and header checksum (POSIX.1-1988, ustar interchange format)."""
    if head[257:262] != b"ustar" or len(head) < 512:
        return False
    field = head[148:156].strip(b" \0")
    if not field or len(field) > 7 or field.translate(None, b"01234567"):
        return False
    return int(field, 8) == sum(head[:148]) + 8 * 32 + sum(head[156:512])


def _is_zlib(head: bytes) -> bool:
    return (
        len(head) > 2
        and head[0] == 0x78
        and (head[0] << 8 | head[1]) % 31 == 0
        and not head[1] & 0x20
        and not is_text(head)
    )


def _is_mlxfn(head: bytes) -> bool:
    """An MLX version string behind its eight-byte length, as `mx.export_function` begins a file."""
    length = int.from_bytes(head[:8], "little")
    return 3 <= length <= 64 and len(head) >= 8 + length and _MLX_VERSION.match(head[8 : 8 + length]) is not None


def _format_of_zip(head: bytes) -> Format:
    """Tells the zips of PyTorch and NumPy by the names of the first members."""
    position = 0
    while head[position : position + 4] == b"PK\x03\x04" and position + 30 <= len(head):
        packed = int.from_bytes(head[position + 18 : position + 22], "little")
        name_length = int.from_bytes(head[position + 26 : position + 28], "little")
        extra_length = int.from_bytes(head[position + 28 : position + 30], "little")
        name = head[position + 30 : position + 30 + name_length]
        if name.endswith((b".pkl", b".pickle", b"/byteorder", b"/.format_version", b"/.storage_alignment")):
            return _TORCH
        if name.endswith(b".npy"):
            return _NPZ
        position += 30 + name_length + extra_length + packed
    return _ZIP
