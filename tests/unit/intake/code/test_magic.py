"""Formats are told by their bytes; text and honest weights never are taken for one."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
import zipfile
import zlib

import pytest

from ostiary.core.tickets import FileKind
from ostiary.intake.code.magic import find_format, find_image, is_text


def tar_bytes() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("a.txt"), io.BytesIO(b""))
    return buffer.getvalue()


def zip_bytes(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names or ("a.txt",):
            archive.writestr(name, b"content")
    return buffer.getvalue()


DANGEROUS = {
    "zip": (zip_bytes(), FileKind.ARCHIVE),
    "empty zip": (b"PK\x05\x06" + bytes(18), FileKind.ARCHIVE),
    "torch": (zip_bytes("archive/data.pkl"), FileKind.PICKLE),
    "torch, other order": (zip_bytes("archive/.format_version", "archive/data.pkl"), FileKind.PICKLE),
    "npz": (zip_bytes("a.npy"), FileKind.NPZ),
    "npz with a pickle": (zip_bytes("a.txt", "a.pkl"), FileKind.PICKLE),
    "gzip": (gzip.compress(b"x"), FileKind.ARCHIVE),
    "bzip2": (bz2.compress(b"x"), FileKind.ARCHIVE),
    "xz": (lzma.compress(b"x"), FileKind.ARCHIVE),
    "zlib": (zlib.compress(b"x" * 100), FileKind.ARCHIVE),
    "zstd": (b"\x28\xb5\x2f\xfd\x24\0", FileKind.ARCHIVE),
    "lz4": (b"\x04\x22\x4d\x18\x64\x40", FileKind.ARCHIVE),
    "7z": (b"7z\xbc\xaf\x27\x1c\0\x04", FileKind.ARCHIVE),
    "rar": (b"Rar!\x1a\x07\x01\0", FileKind.ARCHIVE),
    "cab": (b"MSCF\0\0\0\0", FileKind.ARCHIVE),
    "tar": (tar_bytes(), FileKind.ARCHIVE),
    "elf": (b"\x7fELF\x02\x01\x01\0", FileKind.EXECUTABLE),
    "mach-o": (b"\xcf\xfa\xed\xfe\x0c\0\0\x01", FileKind.EXECUTABLE),
    "fat mach-o": (b"\xca\xfe\xba\xbe\0\0\0\x02", FileKind.EXECUTABLE),
    "class": (b"\xca\xfe\xba\xbe\0\0\0\x3d", FileKind.EXECUTABLE),
    "pe": (b"MZ\x90\0\x03\0\0\0", FileKind.EXECUTABLE),
    "wasm": (b"\0asm\x01\0\0\0", FileKind.EXECUTABLE),
    "metallib": (b"MTLB\x01\x80\x02\0", FileKind.EXECUTABLE),
    "bitcode": (b"BC\xc0\xde\x35\x14", FileKind.EXECUTABLE),
    "fatbin": (b"\x50\xed\x55\xba\x01\0\x10\0", FileKind.EXECUTABLE),
    "pyc": (b"\xa7\r\r\n" + bytes(12), FileKind.CODE),
    "lua": (b"\x1bLuaT\0", FileKind.CODE),
    "script": (b"#!/bin/sh\necho\n", FileKind.CODE),
    "script after a mark": (b"\xef\xbb\xbf#! /usr/bin/env python\n", FileKind.CODE),
    "gguf": (b"GGUF\x03\0\0\0", FileKind.GGUF),
    "gguf, swapped": (b"FUGG\0\0\0\x03", FileKind.GGUF),
    "npy": (b"\x93NUMPY\x01\0v\0", FileKind.NPY),
    "mlxfn": (b"\x06\0\0\0\0\0\0\x000.32.4\x01\0\0\0", FileKind.MLXFN),
    "mlxfn, development": (b"\x18\0\0\0\0\0\0\x000.33.0.dev20261101+abcd1\0\0", FileKind.MLXFN),
    "pickle": (b"\x80\x04\x95\0\0\0\0\0\0\0\0N.", FileKind.PICKLE),
    "hdf5": (b"\x89HDF\r\n\x1a\n", FileKind.UNKNOWN),
    "hdf5 behind a block": (bytes(512) + b"\x89HDF\r\n\x1a\n", FileKind.UNKNOWN),
    "tflite": (b"\x1c\0\0\0TFL3", FileKind.UNKNOWN),
    "ggml": (b"tjgg\x03\0\0\0", FileKind.UNKNOWN),
    "sqlite": (b"SQLite format 3\0\x10\0", FileKind.UNKNOWN),
}


@pytest.mark.parametrize("name", DANGEROUS)
def test_formats_are_told_by_their_bytes(name: str) -> None:
    data, kind = DANGEROUS[name]
    found = find_format(data[:4096], len(data))
    assert found is not None
    assert found.kind is kind


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"GGUF is a file format",
        b"MZ stands for Mark Zbikowski",
        b"MTLB and other letters",
        b"BZh is short for bzip",
        b"x^2 + y^2 = z^2",
        b"TFL3 is text too",
        b"PK is a pair of letters",
        b"#! is how scripts begin",
        b"# Model\n\n```python\nimport os\nos.system('ls')\n```\n",
        b"\xef\xbb\xbfA text with a mark",
        "Modèle de langue, 语言模型".encode(),
        b'{"model_type": "llama"}',
    ],
)
def test_text_is_no_format(text: bytes) -> None:
    assert find_format(text, len(text)) is None
    assert is_text(text)


@pytest.mark.parametrize("length", [640, 896, 1152, 0x5A4D, 0x088B1F, 0x9C78, 0x0178, 6])
def test_a_safetensors_length_is_never_taken_for_a_signature(length: int) -> None:
    header = json.dumps({"__metadata__": {"a": ""}}).encode()
    head = length.to_bytes(8, "little") + header
    found = find_format(head, length + 8)
    assert found is not None
    assert found.kind is FileKind.SAFETENSORS


def test_a_length_beyond_the_file_is_no_safetensors() -> None:
    assert find_format(b"\x40\0\0\0\0\0\0\0{}", 10) is None


def test_a_tar_with_a_wrong_checksum_is_none() -> None:
    data = bytearray(tar_bytes())
    data[0] ^= 1
    assert find_format(bytes(data[:4096]), len(data)) is None


@pytest.mark.parametrize("cut", range(1, 4))
def test_text_cut_inside_a_character_is_text(cut: int) -> None:
    assert is_text("語\U0001f600".encode()[:-cut])


@pytest.mark.parametrize("data", [b"\0", b"text\x1b[2J", b"\xff\xfe\x00\xd8", bytes(range(128, 256)), b"abc\x7f"])
def test_what_is_no_text(data: bytes) -> None:
    assert not is_text(data)


def test_older_texts_are_text() -> None:
    assert is_text("Lizenz für alle, die es mögen".encode("latin-1"))
    assert is_text("﻿UTF-16 text".encode("utf-16-le"))


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"GIF89a", b"RIFF\0\0\0\0WEBPVP8 ", b"%PDF-1.7\n"]
)
def test_pictures_are_known(data: bytes) -> None:
    assert find_image(data) is not None
    assert find_format(data, len(data)) is None
