"""The safetensors header: https://github.com/huggingface/safetensors#format, read more strictly than MLX does.

A file is 8 bytes of header length, the header (JSON), then the tensors' bytes without holes. Only the header is
read here; the numbers in it are compared with the size of the file.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import Finding, refusal_of, refuse
from ostiary.core.limits import (
    MAX_DIMENSION,
    MAX_METADATA_ENTRIES,
    MAX_METADATA_KEY_CHARACTERS,
    MAX_METADATA_VALUE_CHARACTERS,
    MAX_SAFETENSORS_HEADER_BYTES,
    MAX_TENSOR_BYTES,
    MAX_TENSOR_DIMENSIONS,
    MAX_TENSORS_PER_FILE,
)
from ostiary.core.text import is_invisible, quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused
from ostiary.intake.read_json import JsonValue, parse_json_object
from ostiary.intake.rules import tensors as tensor_rules
from ostiary.intake.rules import weights as rules
from ostiary.intake.weights.tensor import Tensor
from ostiary.intake.weights.tensor_name import check_tensor_name, check_tensor_names

LENGTH_BYTES: Final = 8
METADATA_KEY: Final = "__metadata__"

# Bytes per element of what mlx 0.32.4 reads. The two F8 types arrive there as uint8.
MLX_DTYPE_BYTES: Final[Mapping[str, int]] = MappingProxyType(
    {
        "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E8M0": 1,
        "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
        "U32": 4, "I32": 4, "F32": 4,
        "U64": 8, "I64": 8, "C64": 8,
    }
)  # fmt: skip
RAW_BYTES_DTYPES: Final = frozenset({"F8_E4M3", "F8_E8M0"})
# In the format, not in MLX: load ends with an error there.
UNSUPPORTED_DTYPES: Final = frozenset({"F64", "F8_E5M2", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "F4", "F6_E2M3", "F6_E3M2"})

# Unrolled, so that it is linear.
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"')
_ENTRY_KEYS: Final = {"dtype", "shape", "data_offsets"}
_VISIBLE_CONTROLS: Final = frozenset("\t\n\r")


@dataclass(frozen=True, slots=True)
class SafetensorsHeader:
    """What a safetensors file declares, every number of it checked against the file's size."""

    tensors: tuple[Tensor, ...]
    """In the order of their bytes."""
    metadata: Mapping[str, str]
    data_start: int
    """Offset of the data section in the file; `Tensor.start` counts from there."""
    notes: tuple[Finding, ...]


def measure_safetensors_header(first_bytes: bytes, file_bytes: int) -> int:
    """How many bytes from the start of the file `parse_safetensors_header` needs."""
    if len(first_bytes) < LENGTH_BYTES or file_bytes < LENGTH_BYTES:
        held = min(len(first_bytes), max(file_bytes, 0))
        raise refuse(rules.ST_TRUNCATED, f"the file has {held} bytes; the header's length needs {LENGTH_BYTES}")
    header_bytes = int.from_bytes(first_bytes[:LENGTH_BYTES], "little")
    if header_bytes > file_bytes - LENGTH_BYTES:
        detail = f"the header is said to have {header_bytes} bytes, the file has {file_bytes}"
        raise refuse(rules.ST_TRUNCATED, detail, offset=0)
    if header_bytes > MAX_SAFETENSORS_HEADER_BYTES:
        detail = f"the header has {header_bytes} bytes, more than {MAX_SAFETENSORS_HEADER_BYTES}"
        raise refuse(rules.ST_HEADER_TOO_LARGE, detail, offset=0)
    return LENGTH_BYTES + header_bytes


def parse_safetensors_header(prefix: bytes, file_bytes: int) -> SafetensorsHeader:
    """The header in `prefix`, which holds at least `measure_safetensors_header` bytes of a file of `file_bytes`."""
    data_start = measure_safetensors_header(prefix, file_bytes)
    if len(prefix) < data_start:
        raise refuse(rules.ST_TRUNCATED, f"{len(prefix)} bytes of a header of {data_start} were read")
    header, text = _parse_header_text(bytes(prefix[LENGTH_BYTES:data_start]))
    notes: list[Finding] = []
    metadata = _parse_metadata(header.pop(METADATA_KEY, None), notes)
    if len(header) > MAX_TENSORS_PER_FILE:
        detail = f"the file declares {len(header)} tensors, more than {MAX_TENSORS_PER_FILE}"
        raise refuse(tensor_rules.TOO_MANY_TENSORS, detail)
    data_bytes = file_bytes - data_start
    tensors = [_parse_entry(name, entry, data_bytes) for name, entry in header.items()]
    # -0 reads as 0 here, but the reference reader takes no sign at all.
    if b"-" in text and b"-" in _STRING.sub(b"", text):
        raise refuse(tensor_rules.TENSOR_SHAPE, "the header has a negative number")
    check_tensor_names(header.keys())
    tensors.sort(key=lambda tensor: (tensor.start, tensor.end, tensor.name))
    _check_layout(tensors, data_bytes, data_start)
    notes.extend(_note_contents(tensors))
    return SafetensorsHeader(tuple(tensors), MappingProxyType(metadata), data_start, tuple(notes))


def _parse_header_text(text: bytes) -> tuple[dict[str, JsonValue], bytes]:
    if text[:1] != b"{":
        raise refuse(rules.ST_HEADER_START, "the header does not begin with '{'", offset=LENGTH_BYTES)
    # Only spaces pad: https://github.com/huggingface/safetensors#format
    trimmed = text.rstrip(b" ")
    if trimmed[-1:] != b"}":
        raise refuse(rules.ST_HEADER_END, "the header ends without '}'", offset=LENGTH_BYTES - 1 + len(trimmed))
    try:
        header = parse_json_object(trimmed, max_bytes=MAX_SAFETENSORS_HEADER_BYTES)
    except IntakeRefused as refused:
        first, *others = refused.findings
        offset = None if first.offset is None else first.offset + LENGTH_BYTES
        raise refusal_of(replace(first, offset=offset), *others) from refused
    return header, trimmed


def _parse_metadata(value: JsonValue, notes: list[Finding]) -> dict[str, str]:
    # MLX's own writer puts null where there is no metadata.
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise refuse(rules.ST_METADATA, "the metadata is not an object")
    if len(value) > MAX_METADATA_ENTRIES:
        detail = f"the metadata has {len(value)} entries, more than {MAX_METADATA_ENTRIES}"
        raise refuse(rules.ST_METADATA_TOO_LARGE, detail)
    metadata: dict[str, str] = {}
    for key, text in value.items():
        if not isinstance(text, str):
            raise refuse(rules.ST_METADATA, f"metadata '{quote_untrusted(key)}' is not text")
        if len(key) > MAX_METADATA_KEY_CHARACTERS or len(text) > MAX_METADATA_VALUE_CHARACTERS:
            detail = f"metadata '{quote_untrusted(key)}' has {len(key)} + {len(text)} characters"
            raise refuse(rules.ST_METADATA_TOO_LARGE, detail)
        metadata[key] = text
        if not notes and not (key.isprintable() and text.isprintable()) and _has_invisible(key, text):
            detail = f"metadata '{quote_untrusted(key)}' has characters that cannot be seen"
            notes.append(Finding(rules.ST_METADATA_INVISIBLE, detail))
    return metadata


def _has_invisible(key: str, text: str) -> bool:
    return any(is_invisible(c) for c in key) or any(is_invisible(c) for c in set(text) - _VISIBLE_CONTROLS)


def _parse_entry(name: str, entry: JsonValue, data_bytes: int) -> Tensor:
    check_tensor_name(name)
    shown = quote_untrusted(name)
    if not isinstance(entry, dict) or entry.keys() != _ENTRY_KEYS:
        raise refuse(rules.ST_ENTRY, f"tensor {shown} does not have exactly dtype, shape and data_offsets")
    dtype, item_bytes = _parse_dtype(entry["dtype"], shown)
    shape = _parse_shape(entry["shape"], shown)
    offsets = entry["data_offsets"]
    if not isinstance(offsets, list) or len(offsets) != 2:
        raise refuse(rules.ST_OFFSETS, f"tensor {shown} does not have two data offsets")
    start, end = offsets
    if type(start) is not int or type(end) is not int:
        raise refuse(rules.ST_OFFSETS, f"tensor {shown} has a data offset that is not a whole number")
    if not 0 <= start <= end:
        raise refuse(rules.ST_OFFSETS, f"tensor {shown} has data offsets {start} to {end}")
    needed = _needed_bytes(shape, item_bytes, shown)
    if end - start != needed:
        raise refuse(rules.ST_SIZE, f"tensor {shown} needs {needed} bytes, its offsets span {end - start}")
    if end > data_bytes:
        raise refuse(rules.ST_PAST_END, f"tensor {shown} ends at {end}, the data at {data_bytes}")
    return Tensor(name, dtype, shape, start, end)


def _parse_dtype(dtype: JsonValue, shown: str) -> tuple[str, int]:
    if not isinstance(dtype, str):
        raise refuse(rules.ST_DTYPE, f"tensor {shown} has a dtype that is not text")
    known = MLX_DTYPE_BYTES.get(dtype)
    if known is not None:
        return dtype, known
    if dtype in UNSUPPORTED_DTYPES:
        raise refuse(rules.ST_DTYPE_UNSUPPORTED, f"tensor {shown} has dtype {dtype}, which MLX does not read")
    raise refuse(rules.ST_DTYPE, f"tensor {shown} has the unknown dtype '{quote_untrusted(dtype)}'")


def _parse_shape(value: JsonValue, shown: str) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise refuse(tensor_rules.TENSOR_SHAPE, f"tensor {shown} has a shape that is not a list")
    if len(value) > MAX_TENSOR_DIMENSIONS:
        detail = f"tensor {shown} has {len(value)} dimensions, more than {MAX_TENSOR_DIMENSIONS}"
        raise refuse(tensor_rules.TOO_MANY_DIMENSIONS, detail)
    shape: list[int] = []
    for size in value:
        # bool is an int to Python, and true is not a size
        if type(size) is not int:
            raise refuse(tensor_rules.TENSOR_SHAPE, f"tensor {shown} has a size that is not a whole number")
        if not 0 <= size <= MAX_DIMENSION:
            raise refuse(
                tensor_rules.TENSOR_SHAPE, f"tensor {shown} has the size {size}, outside 0 to {MAX_DIMENSION}"
            )
        shape.append(size)
    return tuple(shape)


def _needed_bytes(shape: tuple[int, ...], item_bytes: int, shown: str) -> int:
    needed = strides = item_bytes
    for size in shape:
        needed *= size
        # Strides are computed from the other sizes even where one size is 0.
        strides *= max(size, 1)
        if strides > MAX_TENSOR_BYTES:
            raise refuse(tensor_rules.TENSOR_SIZE_OVERFLOW, f"the size of tensor {shown} overflows 64 bits")
    return needed


def _check_layout(tensors: list[Tensor], data_bytes: int, data_start: int) -> None:
    position = 0
    for tensor in tensors:
        if tensor.start < position:
            detail = f"tensor {quote_untrusted(tensor.name)} shares bytes with the one before it"
            raise refuse(rules.ST_OVERLAP, detail, offset=data_start + tensor.start)
        if tensor.start > position:
            detail = f"{tensor.start - position} bytes before tensor {quote_untrusted(tensor.name)} belong to none"
            raise refuse(rules.ST_GAP, detail, offset=data_start + position)
        position = tensor.end
    if position < data_bytes:
        detail = f"{data_bytes - position} bytes follow the last tensor"
        raise refuse(rules.ST_TRAILING, detail, offset=data_start + position)


def _note_contents(tensors: list[Tensor]) -> list[Finding]:
    if not tensors:
        return [Finding(rules.ST_EMPTY, "the file has no tensors")]
    raw = sum(1 for tensor in tensors if tensor.dtype in RAW_BYTES_DTYPES)
    return [Finding(rules.ST_RAW_BYTES, f"{raw} tensors of 8-bit floats")] if raw else []
