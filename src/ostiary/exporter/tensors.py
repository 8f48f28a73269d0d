"""Writes tensors as one safetensors file, the same bytes each time.

Wide element types come first, then names in order, so that each tensor is aligned to its element and none leaves a
hole; the header is filled up with spaces until the first tensor lies on a whole cache line.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import mlx.core as mx

from ostiary.exporter.array_bytes import read_bytes

_ALIGNMENT: Final = 64
_DTYPES: Final = {
    "bool": "BOOL",
    "uint8": "U8",
    "uint16": "U16",
    "uint32": "U32",
    "uint64": "U64",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "complex64": "C64",
}


def write_tensors(path: Path, tensors: Mapping[str, mx.array]) -> None:
    """`tensors` by their names, into a new file."""
    ordered = sorted(tensors.items(), key=lambda item: (-item[1].itemsize, item[0]))
    header: dict[str, object] = {}
    end = 0
    for name, array in ordered:
        begin, end = end, end + array.nbytes
        word = _DTYPES[str(array.dtype).rpartition(".")[2]]
        header[name] = {"dtype": word, "shape": list(array.shape), "data_offsets": [begin, end]}
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-(len(text) + 8) % _ALIGNMENT)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little"))
        file.write(text)
        for _, array in ordered:
            file.write(read_bytes(array))
        file.flush()
        os.fsync(file.fileno())
