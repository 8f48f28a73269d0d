"""Reads contract.json: bytes from anybody become a FunctionContract, or a refusal.

docs/formats/graph.md is the specification. A version that was once read is read for ever: each has its own reader.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from types import MappingProxyType
from typing import Final

from ostiary.core.findings import refuse
from ostiary.core.function_limits import (
    MAX_CONTRACT_BYTES,
    MAX_CONTRACT_NUMBERS,
    MAX_GRAPH_DIMS,
    MAX_GRAPH_INPUTS,
    MAX_GRAPH_OUTPUTS,
    MAX_GRAPH_RANK,
)
from ostiary.core.json_text import JsonValue, parse_json_object
from ostiary.core.limits import MAX_DIMENSION
from ostiary.core.terms import rules as shared
from ostiary.core.text import quote_untrusted
from ostiary.graph.fields import Fields
from ostiary.graph.function_contract import (
    CONTRACT_FORMAT,
    DTYPES,
    PLATFORM,
    ContractDim,
    FunctionContract,
    TensorInput,
    TensorOutput,
)
from ostiary.graph.hex_float import parse_hex_float
from ostiary.graph.parse_size import DIM_NAME, parse_size_text
from ostiary.graph.render_contract import render_contract
from ostiary.graph.rules import (
    CONTRACT_DUPLICATE_NAME,
    CONTRACT_MALFORMED,
    CONTRACT_OUT_OF_RANGE,
)
from ostiary.graph.sizes import Size, SizeError

_FIELDS: Final = Fields(CONTRACT_MALFORMED)
_TOP: Final = frozenset({"format", "version", "name", "platform", "dims", "inputs", "outputs"})
_DIM: Final = frozenset({"min", "max", "is_batch"})
_TENSOR: Final = frozenset({"name", "datatype", "shape", "dims"})
_RULES: Final = frozenset({"finite", "range", "allowed"})
INTEGER_ENDS: Final = {
    "UINT8": (0, (1 << 8) - 1),
    "UINT16": (0, (1 << 16) - 1),
    "UINT32": (0, (1 << 32) - 1),
    "UINT64": (0, (1 << 53) - 1),  # what JSON holds exactly
    "INT8": (-(1 << 7), (1 << 7) - 1),
    "INT16": (-(1 << 15), (1 << 15) - 1),
    "INT32": (-(1 << 31), (1 << 31) - 1),
    "INT64": (-(1 << 53) + 1, (1 << 53) - 1),
}


def parse_contract(data: bytes) -> FunctionContract:
    """The contract that `data` spells. Bytes of an older version are read as that version."""
    top = parse_json_object(data, max_bytes=MAX_CONTRACT_BYTES)
    if top.get("format") != CONTRACT_FORMAT:
        raise refuse(shared.CONTRACT_FORMAT, f"its field 'format' is not '{CONTRACT_FORMAT}'")
    version = _FIELDS.take_integer(top.get("version"), "its version")
    reader = READERS.get(version)
    if reader is None:
        known = ", ".join(map(str, sorted(READERS)))
        raise refuse(shared.CONTRACT_VERSION_UNKNOWN, f"version {version}, known are: {known}")
    contract = reader(top)
    if render_contract(contract) != data:
        raise refuse(CONTRACT_MALFORMED, "its bytes are not the canonical spelling of what they say")
    return contract


def _parse_version_1(top: dict[str, JsonValue]) -> FunctionContract:
    if top.get("platform") != PLATFORM:  # first: the fields of another one mean something else
        raise refuse(shared.CONTRACT_PLATFORM, f"its platform is not '{PLATFORM}'")
    top = _FIELDS.take_object(top, "the contract", _TOP)
    dims = _parse_dims(top["dims"])
    names = frozenset(item.name for item in dims)
    inputs = tuple(
        _parse_input(item, f"input {number}", names)
        for number, item in enumerate(_take_some(top["inputs"], "inputs", MAX_GRAPH_INPUTS))
    )
    outputs = tuple(
        _parse_output(item, f"output {number}", names)
        for number, item in enumerate(_take_some(top["outputs"], "outputs", MAX_GRAPH_OUTPUTS))
    )
    _check_names((item.name for item in inputs), "inputs")
    _check_names((item.name for item in outputs), "outputs")
    return FunctionContract(_FIELDS.take_name(top["name"], "the name"), dims, inputs, outputs, version=1)


READERS: Final[Mapping[int, Callable[[dict[str, JsonValue]], FunctionContract]]] = MappingProxyType(
    {1: _parse_version_1}
)
"""One for each version that there ever was."""


def _take_some(value: JsonValue, what: str, most: int) -> list[JsonValue]:
    items = _FIELDS.take_list(value, what)
    if len(items) > most:
        raise refuse(CONTRACT_OUT_OF_RANGE, f"{len(items)} {what}, more than {int(most)}")
    return items


def _check_names(names: Iterable[str], what: str) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise refuse(CONTRACT_DUPLICATE_NAME, f"two {what} are called '{quote_untrusted(name, 40)}'")
        seen.add(name)


def _parse_dims(value: JsonValue) -> tuple[ContractDim, ...]:
    if not isinstance(value, dict):
        raise refuse(CONTRACT_MALFORMED, "dims is not an object")
    if len(value) > MAX_GRAPH_DIMS:
        raise refuse(CONTRACT_OUT_OF_RANGE, f"{len(value)} dims, more than {int(MAX_GRAPH_DIMS)}")
    dims = []
    for name, item in value.items():
        if DIM_NAME.fullmatch(name) is None:
            raise refuse(CONTRACT_MALFORMED, f"a dim has no plain name: '{quote_untrusted(name, 40)}'")
        where = f"dim {name}"
        fields = _FIELDS.take_object(item, where, _DIM)
        low = _FIELDS.take_integer(fields["min"], f"min of {where}")
        high = None if fields["max"] is None else _FIELDS.take_integer(fields["max"], f"max of {where}")
        if not 1 <= low <= (MAX_DIMENSION if high is None else high) <= MAX_DIMENSION:
            raise refuse(CONTRACT_OUT_OF_RANGE, f"{where} has bounds that no size lies within")
        is_batch = _FIELDS.take_boolean(fields["is_batch"], f"is_batch of {where}")
        dims.append(ContractDim(name, low, high, is_batch))
    if sum(item.is_batch for item in dims) > 1:
        raise refuse(CONTRACT_MALFORMED, "more than one dim is the batch")
    return tuple(sorted(dims, key=lambda item: item.name))


def _parse_tensor(
    fields: dict[str, JsonValue], where: str, dims: frozenset[str]
) -> tuple[str, str, tuple[Size, ...]]:
    name = _FIELDS.take_name(fields["name"], f"the name of {where}")
    datatype = _FIELDS.take_text(fields["datatype"], f"the datatype of {where}")
    if datatype not in DTYPES:
        raise refuse(CONTRACT_MALFORMED, f"{where}: no datatype is called '{quote_untrusted(datatype, 40)}'")
    shape = _take_some(fields["shape"], f"axes of {where}", MAX_GRAPH_RANK)
    follows = _take_some(fields["dims"], f"dims of {where}", MAX_GRAPH_RANK)
    if len(shape) != len(follows):
        raise refuse(CONTRACT_MALFORMED, f"{where}: shape and dims have different numbers of entries")
    return name, datatype, tuple(_parse_size(*pair, where, dims) for pair in zip(shape, follows, strict=True))


def _parse_size(number: JsonValue, follows: JsonValue, where: str, dims: frozenset[str]) -> Size:
    size = _FIELDS.take_integer(number, f"{where}: a size")
    if follows is None:
        if not 0 <= size <= MAX_DIMENSION:
            raise refuse(CONTRACT_OUT_OF_RANGE, f"{where}: a size is {size}")
        return size
    text = _FIELDS.take_text(follows, f"{where}: a dim")
    if size != -1:
        raise refuse(CONTRACT_MALFORMED, f"{where}: a size that follows a dim is {size} and not -1")
    try:
        return parse_size_text(text, dims)
    except SizeError as error:
        raise refuse(CONTRACT_MALFORMED, f"{where}: {error}") from error


def _parse_input(value: JsonValue, where: str, dims: frozenset[str]) -> TensorInput:
    fields = _FIELDS.take_object(value, where, _TENSOR, _RULES)
    name, datatype, shape = _parse_tensor(fields, where, dims)
    is_finite = _parse_finite(fields, datatype, where)
    ends: tuple[float, float] | None = None
    if "range" in fields:
        numbers = _parse_numbers(fields["range"], datatype, f"{where}: range", 2)
        if len(numbers) != 2 or numbers[0] > numbers[1]:
            raise refuse(CONTRACT_OUT_OF_RANGE, f"{where}: range is no two numbers in order")
        ends = numbers[0], numbers[1]
    allowed: tuple[float, ...] = ()
    if "allowed" in fields:
        allowed = _parse_numbers(fields["allowed"], datatype, f"{where}: allowed", MAX_CONTRACT_NUMBERS)
        if not allowed or any(a >= b for a, b in pairwise(allowed)):
            raise refuse(CONTRACT_OUT_OF_RANGE, f"{where}: allowed has no numbers in ascending order")
    return TensorInput(name, datatype, shape, is_finite, ends, allowed)


def _parse_output(value: JsonValue, where: str, dims: frozenset[str]) -> TensorOutput:
    fields = _FIELDS.take_object(value, where, _TENSOR, frozenset({"finite"}))
    name, datatype, shape = _parse_tensor(fields, where, dims)
    return TensorOutput(name, datatype, shape, _parse_finite(fields, datatype, where))


def _parse_finite(fields: dict[str, JsonValue], datatype: str, where: str) -> bool:
    is_finite = "finite" in fields
    if is_finite and (fields["finite"] is not True or not DTYPES[datatype].is_float):
        raise refuse(CONTRACT_MALFORMED, f"{where}: finite is true, for floats, or not there")
    return is_finite


def _parse_numbers(value: JsonValue, datatype: str, where: str, most: int) -> tuple[float, ...]:
    return tuple(_parse_number(item, datatype, where) for item in _take_some(value, where, most))


def _parse_number(value: JsonValue, datatype: str, where: str) -> float:
    """An integer of an integer datatype, or a float of a float one."""
    if datatype in INTEGER_ENDS:
        number = _FIELDS.take_integer(value, f"{where}: an entry")
        low, high = INTEGER_ENDS[datatype]
        if not low <= number <= high:
            raise refuse(CONTRACT_OUT_OF_RANGE, f"{where}: {number} is no {datatype}")
        return number
    if datatype != "BOOL" and isinstance(value, dict) and value.keys() == {"f"} and isinstance(value["f"], str):
        real = parse_hex_float(value["f"])
        if real is not None and real - real == 0:
            return real
    raise refuse(CONTRACT_MALFORMED, f"{where}: an entry is no number that a {datatype} can be held against")
