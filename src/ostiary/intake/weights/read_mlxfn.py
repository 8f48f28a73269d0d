"""Exported MLX functions (`.mlxfn`), as mlx 0.32.4 writes them.

The format is refused by default (rules/formats.py): such a file is a program, and MLX runs it without checking it.
This reader walks all of it, so that what would be let in is known: every count against the bytes that are there,
every value against its uses, and only operations whose safety can be judged (mlxfn_operations.py).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import Final, TypeVar

from ostiary.core.findings import Rule, refuse
from ostiary.core.limits import (
    MAX_DIMENSION,
    MAX_MLXFN_BYTES,
    MAX_MLXFN_FUNCTIONS,
    MAX_MLXFN_LIST_ITEMS,
    MAX_MLXFN_STEPS,
    MAX_TENSOR_BYTES,
    MAX_TENSOR_DIMENSIONS,
    MAX_TENSOR_NAME_CHARACTERS,
)
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import IntakeRefused
from ostiary.intake.rules import tensors as tensor_rules
from ostiary.intake.rules import weights as rules
from ostiary.intake.weights.byte_cursor import ByteCursor
from ostiary.intake.weights.mlxfn_operations import DTYPES, OPERATIONS, Argument, ArrayType, find_misfit

_T = TypeVar("_T")
_VERSION: Final = re.compile(rb"[0-9]{1,4}(?:\.[0-9]{1,4}){1,3}(?:[.+\-][A-Za-z0-9]{1,40}){0,3}")
_MAX_VERSION_BYTES: Final = 64
_DTYPE_BYTES: Final = dict(DTYPES)
_KERNEL: Final = "CustomKernel"
_LOG_BASES: Final = 3
_DEVICES: Final = frozenset({0, 1})
_SHAPE_ENTRY_BYTES: Final = 4
_LENGTH_BYTES: Final = 8
_ID_BYTES: Final = 8
# Shape length, type and its size.
_MIN_ARRAY_BYTES: Final = 8 + 4 + 1
# Id and the two flags of an input.
_MIN_STEP_BYTES: Final = 8 + 2


@dataclass(frozen=True, slots=True)
class MlxFunction:
    """One traced signature."""

    keywords: tuple[str, ...]
    inputs: tuple[ArrayType, ...]
    outputs: tuple[ArrayType, ...]
    constants: int
    constant_bytes: int
    operations: tuple[tuple[str, int], ...]
    """Names and how often, in the order of names."""


@dataclass(frozen=True, slots=True)
class MlxfnFile:
    """What an exported function file holds."""

    mlx_version: str
    metadata: str
    functions: tuple[MlxFunction, ...]


@dataclass(slots=True)
class _File:
    """What functions of one file share."""

    cursor: ByteCursor
    constants: dict[int, ArrayType]
    steps_left: int = MAX_MLXFN_STEPS
    items_left: int = MAX_MLXFN_LIST_ITEMS


def parse_mlxfn(data: bytes) -> MlxfnFile:
    """The whole file: constants lie between the steps of the graph, so there is no header to read alone."""
    if len(data) > MAX_MLXFN_BYTES:
        raise refuse(rules.FN_TOO_LARGE, f"the file has {len(data)} bytes, more than {MAX_MLXFN_BYTES}")

    def refuse_short(needed: int, offset: int) -> IntakeRefused:
        detail = f"{needed} bytes are announced, {len(data) - offset} follow"
        return refuse(rules.FN_TRUNCATED, detail, offset=offset)

    cursor = ByteCursor(data, refuse_short)
    version_bytes = cursor.read_u64()
    cursor.require(version_bytes)
    version = cursor.read_bytes(min(version_bytes, _MAX_VERSION_BYTES + 1))
    if not _VERSION.fullmatch(version) or len(version) != version_bytes:
        raise refuse(rules.FN_VERSION, f"it begins with '{_show(version)}', not with a version of MLX", offset=0)
    count = cursor.read_i32()
    if count < 1:
        raise refuse(rules.FN_COUNT, f"the file declares {count} functions", offset=cursor.offset - 4)
    if count > MAX_MLXFN_FUNCTIONS:
        detail = f"the file declares {count} functions, more than {MAX_MLXFN_FUNCTIONS}"
        raise refuse(rules.FN_TOO_LARGE, detail, offset=cursor.offset - 4)
    if _read_flag(cursor):
        raise refuse(rules.FN_SHAPELESS, "the function takes arrays of any size", offset=cursor.offset - 1)
    metadata = _read_text(cursor)
    file = _File(cursor, {})
    functions = tuple(_read_function(file) for _ in range(count))
    if cursor.remaining:
        detail = f"{cursor.remaining} bytes follow the last function"
        raise refuse(rules.FN_TRAILING, detail, offset=cursor.offset)
    return MlxfnFile(version.decode("ascii"), metadata, functions)


def _read_function(file: _File) -> MlxFunction:
    cursor = file.cursor
    at = cursor.offset
    keywords = _read_list(file, _LENGTH_BYTES, lambda: _read_text(cursor, MAX_TENSOR_NAME_CHARACTERS))
    input_ids = _read_list(file, _ID_BYTES, cursor.read_u64)
    inputs = _read_list(file, _MIN_ARRAY_BYTES, lambda: _read_array(cursor))
    if len(input_ids) != len(inputs) or len(keywords) > len(inputs):
        detail = f"{len(inputs)} inputs, {len(input_ids)} ids and {len(keywords)} keywords"
        raise refuse(rules.FN_COUNT, detail, offset=at)
    if len(set(keywords)) != len(keywords):
        raise refuse(rules.FN_COUNT, "a keyword is there twice", offset=at)
    output_ids = _read_list(file, _ID_BYTES, cursor.read_u64)
    values = dict(zip(input_ids, inputs, strict=True))
    if len(values) != len(inputs):
        raise refuse(rules.FN_GRAPH, "two inputs have the same id", offset=at)
    steps = _read_count(cursor, _MIN_STEP_BYTES, rules.FN_TOO_LARGE, file.steps_left)
    file.steps_left -= steps
    operations: Counter[str] = Counter()
    constants = constant_bytes = 0
    for _ in range(steps):
        step_at = cursor.offset
        value_id = cursor.read_u64()
        if _read_flag(cursor):
            name, output = _read_operation(file, values)
            operations[name] += 1
            _define(values, value_id, output, step_at)
        elif _read_flag(cursor):
            array = file.constants.get(value_id)
            if array is None:
                array = _read_array(cursor)
                constants += 1
                constant_bytes += _count_bytes(array, step_at)
                cursor.skip(_count_bytes(array, step_at))
                file.constants[value_id] = array
            _define(values, value_id, array, step_at)
        elif value_id not in values:
            raise refuse(rules.FN_GRAPH, "a step names an input that is not there", offset=step_at)
    outputs = tuple(_look_up(values, output_id, at) for output_id in output_ids)
    counted = tuple(sorted(operations.items()))
    return MlxFunction(tuple(keywords), tuple(inputs), outputs, constants, constant_bytes, counted)


def _read_operation(file: _File, values: dict[int, ArrayType]) -> tuple[str, ArrayType]:
    cursor = file.cursor
    at = cursor.offset
    ids = _read_list(file, _ID_BYTES, cursor.read_u64)
    inputs = [_look_up(values, value_id, at) for value_id in ids]
    stream, device, device_index = cursor.read_i32(), cursor.read_i32(), cursor.read_i32()
    if stream < 0 or device not in _DEVICES or device_index < 0:
        raise refuse(rules.FN_OPERATION, "an operation runs on a device that does not exist", offset=at)
    name = _read_text(cursor, MAX_TENSOR_NAME_CHARACTERS)
    operation = OPERATIONS.get(name)
    if name == _KERNEL:
        raise refuse(rules.FN_KERNEL, "the function carries the source of a GPU program", offset=at)
    if operation is None:
        detail = f"the operation {quote_untrusted(name)} cannot be judged by looking"
        raise refuse(rules.FN_UNKNOWN_OPERATION, detail, offset=at)
    argument = _read_argument(cursor, operation.argument, at)
    siblings = cursor.read_u64()
    if siblings:
        raise refuse(rules.FN_OPERATION, f"{name} has {siblings} outputs besides its own", offset=at)
    output = _read_array(cursor)
    _count_bytes(output, at)
    misfit = find_misfit(name, inputs, output, argument)
    if misfit is not None:
        raise refuse(rules.FN_OPERATION, f"{name}: {misfit}", offset=at)
    return name, output


def _read_argument(cursor: ByteCursor, kind: Argument, at: int) -> tuple[int, ...] | str | None:
    if kind is Argument.FLAG:
        _read_flag(cursor)
    elif kind is Argument.LOG_BASE:
        base = cursor.read_i32()
        if not 0 <= base < _LOG_BASES:
            raise refuse(rules.FN_OPERATION, f"the logarithm has the unknown base {base}", offset=at)
    elif kind is Argument.SHAPE:
        return _read_shape(cursor, lowest=-1)
    elif kind is Argument.DTYPE:
        return _read_dtype(cursor)
    return None


def _define(values: dict[int, ArrayType], value_id: int, array: ArrayType, at: int) -> None:
    if value_id in values:
        raise refuse(rules.FN_GRAPH, "a step defines a value that is there already", offset=at)
    values[value_id] = array


def _look_up(values: dict[int, ArrayType], value_id: int, at: int) -> ArrayType:
    array = values.get(value_id)
    if array is None:
        raise refuse(rules.FN_GRAPH, "the graph uses a value that is not defined", offset=at)
    return array


def _read_array(cursor: ByteCursor) -> ArrayType:
    shape = _read_shape(cursor)
    return ArrayType(shape, _read_dtype(cursor))


def _read_shape(cursor: ByteCursor, lowest: int = 0) -> tuple[int, ...]:
    at = cursor.offset
    count = _read_count(cursor, _SHAPE_ENTRY_BYTES, tensor_rules.TOO_MANY_DIMENSIONS, MAX_TENSOR_DIMENSIONS)
    shape = tuple(cursor.read_i32() for _ in range(count))
    if any(not lowest <= size <= MAX_DIMENSION for size in shape):
        raise refuse(tensor_rules.TENSOR_SHAPE, "a shape has a negative size", offset=at)
    return shape


def _read_dtype(cursor: ByteCursor) -> str:
    at = cursor.offset
    number, said_bytes = cursor.read_i32(), cursor.read_u8()
    if not 0 <= number < len(DTYPES):
        raise refuse(rules.FN_DTYPE, f"{number} is no type of MLX", offset=at)
    name, true_bytes = DTYPES[number]
    if said_bytes != true_bytes:
        raise refuse(rules.FN_DTYPE, f"{name} is said to have {said_bytes} bytes, it has {true_bytes}", offset=at)
    return name


def _count_bytes(array: ArrayType, at: int) -> int:
    needed = strides = _DTYPE_BYTES[array.dtype]
    for size in array.shape:
        needed *= size
        strides *= max(size, 1)
    if strides > MAX_TENSOR_BYTES:
        raise refuse(tensor_rules.TENSOR_SIZE_OVERFLOW, "the size of an array overflows 64 bits", offset=at)
    return needed


def _read_flag(cursor: ByteCursor) -> bool:
    value = cursor.read_u8()
    if value > 1:
        raise refuse(rules.FN_COUNT, f"a truth value is {value}", offset=cursor.offset - 1)
    return bool(value)


def _read_text(cursor: ByteCursor, max_bytes: int | None = None) -> str:
    at = cursor.offset
    length = cursor.read_u64()
    cursor.require(length)
    if max_bytes is not None and length > max_bytes:
        raise refuse(rules.FN_TOO_LARGE, f"a name has {length} bytes, more than {max_bytes}", offset=at)
    raw = cursor.read_bytes(length)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise refuse(rules.FN_VERSION, f"a text is not UTF-8: '{_show(raw)}'", offset=at) from None


def _read_list(file: _File, min_item_bytes: int, read_item: Callable[[], _T]) -> list[_T]:
    count = _read_count(file.cursor, min_item_bytes, rules.FN_TOO_LARGE, file.items_left)
    file.items_left -= count
    return [read_item() for _ in range(count)]


def _read_count(cursor: ByteCursor, min_item_bytes: int, too_many: Rule, ceiling: int) -> int:
    """A count that the file has bytes for: past the end comes first, as MLX does not even look at that."""
    at = cursor.offset
    count = cursor.read_u64()
    cursor.require(count * min_item_bytes)
    if count > ceiling:
        raise refuse(too_many, f"{count} items are announced, more than {ceiling}", offset=at)
    return count


def _show(raw: bytes) -> str:
    return quote_untrusted(raw.decode("latin-1"))
