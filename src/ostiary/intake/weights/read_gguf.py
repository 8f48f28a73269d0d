"""GGUF headers: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3.

The format is refused by default (rules/formats.py); this reader describes what would be let in. It never needs
the tensors' bytes, and walks the header once.
"""

from __future__ import annotations

import re
from typing import Final

from ostiary.core.findings import Finding, refuse
from ostiary.core.limits import (
    MAX_DIMENSION,
    MAX_GGUF_ALIGNMENT_BYTES,
    MAX_GGUF_ARRAY_STRINGS,
    MAX_GGUF_DIMENSIONS,
    MAX_GGUF_HEADER_BYTES,
    MAX_GGUF_KEY_BYTES,
    MAX_GGUF_METADATA_ENTRIES,
    MAX_TENSOR_BYTES,
    MAX_TENSOR_NAME_CHARACTERS,
    MAX_TENSORS_PER_FILE,
)
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused
from ostiary.intake.rules import tensors as tensor_rules
from ostiary.intake.rules import weights as rules
from ostiary.intake.weights.byte_cursor import ByteCursor
from ostiary.intake.weights.gguf_types import TENSOR_TYPES, UNPACKED_BY_MLX, VALUE_BYTES, ValueType
from ostiary.intake.weights.tensor import Tensor
from ostiary.intake.weights.tensor_name import check_tensor_name, check_tensor_names

MAGIC: Final = b"GGUF"
_VERSIONS: Final = frozenset({2, 3})
_KEY: Final = re.compile(rb"[A-Za-z0-9_\-]+(?:[./: ][A-Za-z0-9_\-]+)*")
_ALIGNMENT_KEY: Final = "general.alignment"
_DEFAULT_ALIGNMENT: Final = 32
# The least that one entry can take: key length and one byte of key, type, one byte; name, dimensions, type, offset.
_MIN_ENTRY_BYTES: Final = 8 + 1 + 4 + 1
_MIN_TENSOR_BYTES: Final = 8 + 1 + 4 + 4 + 8
_WEIGHT_SUFFIX_CHARACTERS: Final = len(".weight")


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file declares, every number of it checked against the file's size."""

    version: int
    architecture: str | None
    alignment: int
    metadata_keys: tuple[str, ...]
    chat_template: str | None
    """The template text, which is a program."""
    tensors: tuple[Tensor, ...]
    """In the order of their bytes; shapes as MLX would show them, outermost size first."""
    data_start: int
    notes: tuple[Finding, ...]


@dataclass(slots=True)
class _Metadata:
    keys: dict[str, None]
    texts: dict[str, str]
    alignment: int = _DEFAULT_ALIGNMENT
    array_strings: int = 0


def parse_gguf(prefix: bytes, file_bytes: int) -> GgufHeader:
    """The header in `prefix`: the first MAX_GGUF_HEADER_BYTES of a file of `file_bytes`, or all of it."""
    data = bytes(prefix[: min(len(prefix), MAX_GGUF_HEADER_BYTES)])
    is_whole = len(data) >= file_bytes

    def refuse_short(needed: int, offset: int) -> IntakeRefused:
        if is_whole or needed > file_bytes - offset:
            detail = f"{needed} bytes are announced, {max(file_bytes - offset, 0)} follow"
            return refuse(rules.GGUF_TRUNCATED, detail, offset=offset)
        detail = f"the header is longer than {len(data)} bytes"
        return refuse(rules.GGUF_HEADER_TOO_LARGE, detail, offset=offset)

    if data[:4] != MAGIC:
        raise refuse(rules.GGUF_MAGIC, "the file does not begin with 'GGUF'", offset=0)
    cursor = ByteCursor(data, refuse_short)
    cursor.skip(len(MAGIC))
    version = cursor.read_u32()
    if version not in _VERSIONS:
        raise refuse(rules.GGUF_VERSION, f"the file says it is version {version}", offset=4)
    tensor_count = cursor.read_u64()
    entry_count = cursor.read_u64()
    if tensor_count > MAX_TENSORS_PER_FILE:
        detail = f"the file declares {tensor_count} tensors, more than {MAX_TENSORS_PER_FILE}"
        raise refuse(tensor_rules.TOO_MANY_TENSORS, detail, offset=8)
    if entry_count > MAX_GGUF_METADATA_ENTRIES:
        detail = f"the header declares {entry_count} metadata entries, more than {MAX_GGUF_METADATA_ENTRIES}"
        raise refuse(rules.GGUF_HEADER_TOO_LARGE, detail, offset=16)
    cursor.require(entry_count * _MIN_ENTRY_BYTES + tensor_count * _MIN_TENSOR_BYTES)
    metadata = _Metadata({}, {})
    for _ in range(entry_count):
        _read_entry(cursor, metadata)
    tensors = [_read_tensor(cursor, metadata.alignment) for _ in range(tensor_count)]
    _check_names(tensors)
    data_start = _align(cursor.offset, metadata.alignment)
    tensors.sort(key=lambda tensor: (tensor.start, tensor.end, tensor.name))
    _check_padding(data, cursor.offset, data_start, "the header")
    data_end = _check_layout(tensors, data_start, metadata.alignment, file_bytes)
    # Some writers pad the end once more than the tensors need.
    padded_end = _align(data_end, metadata.alignment) + _DEFAULT_ALIGNMENT
    if file_bytes > padded_end:
        detail = f"{file_bytes - data_end} bytes follow the last tensor"
        raise refuse(rules.GGUF_TRAILING, detail, offset=data_end)
    _check_padding(data, data_end, padded_end, "the last tensor")
    template = metadata.texts.get("tokenizer.chat_template")
    notes = [] if template is None else [Finding(rules.GGUF_TEMPLATE, f"a template of {len(template)} characters")]
    return GgufHeader(
        version,
        metadata.texts.get("general.architecture"),
        metadata.alignment,
        tuple(metadata.keys),
        template,
        tuple(tensors),
        data_start,
        tuple(notes),
    )


def _align(offset: int, alignment: int) -> int:
    return -(-offset // alignment) * alignment


def _read_entry(cursor: ByteCursor, metadata: _Metadata) -> None:
    at = cursor.offset
    key_bytes = cursor.read_u64()
    cursor.require(key_bytes)
    if not 0 < key_bytes <= MAX_GGUF_KEY_BYTES:
        raise refuse(rules.GGUF_KEY, f"a metadata key has {key_bytes} bytes", offset=at)
    raw = cursor.read_bytes(key_bytes)
    if not _KEY.fullmatch(raw):
        raise refuse(rules.GGUF_KEY, f"the metadata key '{_show(raw)}' is not plain text", offset=at)
    key = raw.decode("ascii")
    if key in metadata.keys:
        raise refuse(rules.GGUF_DUPLICATE, f"the metadata key {key} is there twice", offset=at)
    metadata.keys[key] = None
    kind = cursor.read_u32()
    if key == _ALIGNMENT_KEY:
        metadata.alignment = _read_alignment(cursor, kind)
    elif kind == ValueType.STRING:
        metadata.texts[key] = _read_text(cursor, key)
    elif kind == ValueType.ARRAY:
        _skip_array(cursor, key, metadata)
    else:
        _skip_scalars(cursor, kind, 1, key)


def _read_alignment(cursor: ByteCursor, kind: int) -> int:
    at = cursor.offset
    if kind != ValueType.UINT32:
        raise refuse(rules.GGUF_ALIGNMENT, f"the alignment is of value type {kind}, not a 32-bit number", offset=at)
    alignment = cursor.read_u32()
    if alignment & (alignment - 1) or not 8 <= alignment <= MAX_GGUF_ALIGNMENT_BYTES:
        raise refuse(rules.GGUF_ALIGNMENT, f"the alignment is {alignment}", offset=at)
    return alignment


def _read_text(cursor: ByteCursor, key: str) -> str:
    at = cursor.offset
    raw = cursor.read_bytes(cursor.read_u64())
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise refuse(rules.GGUF_VALUE, f"the value of {key} is not UTF-8", offset=at) from None


def _skip_array(cursor: ByteCursor, key: str, metadata: _Metadata) -> None:
    at = cursor.offset
    kind = cursor.read_u32()
    count = cursor.read_u64()
    if kind == ValueType.ARRAY:
        raise refuse(rules.GGUF_VALUE, f"{key} is an array of arrays", offset=at)
    if kind == ValueType.FLOAT64:
        raise refuse(rules.GGUF_FLOAT64_ARRAY, f"{key} is an array of 64-bit floats", offset=at)
    if kind != ValueType.STRING:
        _skip_scalars(cursor, kind, count, key)
        return
    # Each string takes at least its length field, so this bounds the loop before it begins.
    cursor.require(count * 8)
    metadata.array_strings += count
    if metadata.array_strings > MAX_GGUF_ARRAY_STRINGS:
        detail = f"the metadata has more than {MAX_GGUF_ARRAY_STRINGS} strings"
        raise refuse(rules.GGUF_HEADER_TOO_LARGE, detail, offset=at)
    cursor.skip_strings(count)


def _skip_scalars(cursor: ByteCursor, kind: int, count: int, key: str) -> None:
    width = VALUE_BYTES.get(kind)
    if width is None:
        raise refuse(rules.GGUF_VALUE, f"{key} is of the unknown value type {kind}", offset=cursor.offset)
    if kind == ValueType.BOOL:
        if cursor.read_bytes(count).strip(b"\x00\x01"):
            raise refuse(
                rules.GGUF_VALUE, f"{key} is a truth value other than 0 and 1", offset=cursor.offset - count
            )
        return
    cursor.skip(count * width)


def _read_tensor(cursor: ByteCursor, alignment: int) -> Tensor:
    at = cursor.offset
    name_bytes = cursor.read_u64()
    cursor.require(name_bytes)
    if name_bytes > 4 * MAX_TENSOR_NAME_CHARACTERS:
        raise refuse(tensor_rules.NAME_TOO_LONG, f"a tensor name has {name_bytes} bytes", offset=at)
    raw = cursor.read_bytes(name_bytes)
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise refuse(
            tensor_rules.NAME_INVISIBLE, f"tensor name that is not UTF-8: '{_show(raw)}'", offset=at
        ) from None
    check_tensor_name(name)
    shown = quote_untrusted(name)
    dimensions = cursor.read_u32()
    if dimensions > MAX_GGUF_DIMENSIONS:
        detail = f"tensor {shown} has {dimensions} dimensions, more than {MAX_GGUF_DIMENSIONS}"
        raise refuse(tensor_rules.TOO_MANY_DIMENSIONS, detail, offset=at)
    sizes = [cursor.read_u64() for _ in range(dimensions)]
    kind = cursor.read_u32()
    offset = cursor.read_u64()
    elements = 1
    for size in sizes:
        if size > MAX_DIMENSION:
            detail = f"tensor {shown} has the size {size}, more than {MAX_DIMENSION}"
            raise refuse(tensor_rules.TENSOR_SHAPE, detail, offset=at)
        elements *= max(size, 1)
    layout = TENSOR_TYPES.get(kind)
    if layout is None:
        raise refuse(rules.GGUF_TYPE, f"tensor {shown} is of the unknown type {kind}", offset=at)
    row = sizes[0] if sizes else 1
    if row % layout.block_elements:
        detail = f"tensor {shown} has rows of {row}, its type {layout.name} packs {layout.block_elements} together"
        raise refuse(rules.GGUF_BLOCKS, detail, offset=at)
    bytes_if_filled = elements // layout.block_elements * layout.block_bytes
    if bytes_if_filled > MAX_TENSOR_BYTES:
        raise refuse(tensor_rules.TENSOR_SIZE_OVERFLOW, f"the size of tensor {shown} overflows 64 bits", offset=at)
    if offset % alignment:
        detail = f"tensor {shown} begins at {offset}, not a multiple of {alignment}"
        raise refuse(rules.GGUF_LAYOUT, detail, offset=at)
    needed = 0 if 0 in sizes else bytes_if_filled
    return Tensor(name, layout.name, tuple(reversed(sizes)), offset, offset + needed)


def _check_names(tensors: list[Tensor]) -> None:
    names: set[str] = set()
    for tensor in tensors:
        if tensor.name in names:
            raise refuse(rules.GGUF_DUPLICATE, f"tensor {quote_untrusted(tensor.name)} is there twice")
        names.add(tensor.name)
    check_tensor_names(names)
    derived: set[str] = set()
    for tensor in tensors:
        if tensor.dtype not in UNPACKED_BY_MLX:
            continue
        # MLX cuts seven characters off, whatever they are; a shorter name stays whole.
        name = tensor.name
        stem = name[:-_WEIGHT_SUFFIX_CHARACTERS] if len(name) >= _WEIGHT_SUFFIX_CHARACTERS else name
        for made_up in (f"{stem}.scales", f"{stem}.biases"):
            if made_up in names or made_up in derived:
                detail = f"MLX would make a second {quote_untrusted(made_up)} from {quote_untrusted(name)}"
                raise refuse(rules.GGUF_DERIVED_NAME, detail)
            derived.add(made_up)


def _check_layout(tensors: list[Tensor], data_start: int, alignment: int, file_bytes: int) -> int:
    """Where the last tensor ends in the file."""
    position = 0
    for tensor in tensors:
        shown = quote_untrusted(tensor.name)
        if data_start + tensor.end > file_bytes:
            detail = f"tensor {shown} ends at {data_start + tensor.end}, the file at {file_bytes}"
            raise refuse(rules.GGUF_LAYOUT, detail)
        if tensor.start < position:
            raise refuse(rules.GGUF_OVERLAP, f"tensor {shown} shares bytes with the one before it")
        if tensor.start > _align(position, alignment):
            detail = f"{tensor.start - position} bytes before tensor {shown} belong to none"
            raise refuse(rules.GGUF_LAYOUT, detail)
        position = tensor.end
    return data_start + position


def _check_padding(data: bytes, start: int, end: int, after: str) -> None:
    if data[start:end].strip(b"\0"):
        raise refuse(rules.GGUF_TRAILING, f"the padding after {after} is not empty", offset=start)


def _show(raw: bytes) -> str:
    return quote_untrusted(raw.decode("latin-1"))
