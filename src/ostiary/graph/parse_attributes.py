"""Reads attributes of a node and sizes: each attribute of the row once, in its own type and range."""

from __future__ import annotations

from typing import Final

from ostiary.core.findings import refuse
from ostiary.core.function_limits import MAX_GRAPH_SIZES, MAX_GRAPH_SPLITS
from ostiary.core.json_text import JsonValue
from ostiary.core.text import quote_untrusted
from ostiary.graph.attributes import Attribute, AttributeKind
from ostiary.graph.dtypes import Dtype
from ostiary.graph.fields import MAX_SAFE_INTEGER
from ostiary.graph.hex_float import parse_hex_float
from ostiary.graph.parse_size import parse_size_text
from ostiary.graph.primitive import Primitive
from ostiary.graph.rules import GRAPH_ATTRIBUTE, GRAPH_MALFORMED, GRAPH_TOO_LARGE
from ostiary.graph.scope import Scope
from ostiary.graph.sizes import Size, SizeError
from ostiary.graph.values import AttributeValue

_DTYPES: Final = {item.value: item for item in Dtype}


class ReadAttributes:
    """A reader for one graph; it remembers sizes, which are few and repeat often."""

    def __init__(self, dims: frozenset[str], scope: Scope) -> None:
        self._dims = dims
        self._scope = scope
        self._sizes: dict[str, Size] = {}
        self._reach: dict[str, int] = {}

    def parse(self, value: JsonValue, row: Primitive, where: str) -> dict[str, AttributeValue]:
        if not isinstance(value, dict):
            raise refuse(GRAPH_MALFORMED, f"{where}: attrs is not an object")
        if len(value) != len(row.attributes) or any(item.name not in value for item in row.attributes):
            self._refuse_names(value, row, where)
        return {item.name: self._parse_one(value[item.name], item, where) for item in row.attributes}

    def parse_size(self, value: JsonValue, where: str, lowest: int = 0) -> Size:
        if isinstance(value, int) and not isinstance(value, bool):
            if not lowest <= value <= MAX_SAFE_INTEGER:
                raise refuse(GRAPH_ATTRIBUTE, f"{where}: a size is {value}")
            return value
        if not isinstance(value, str):
            raise refuse(GRAPH_MALFORMED, f"{where}: a size is neither a whole number nor a string")
        size = self._sizes.get(value)
        if size is None:
            if len(self._sizes) >= MAX_GRAPH_SIZES:
                raise refuse(
                    GRAPH_TOO_LARGE, f"{where}: more than {int(MAX_GRAPH_SIZES)} different sizes follow dims"
                )
            try:
                size = parse_size_text(value, self._dims)
            except SizeError as error:
                raise refuse(GRAPH_MALFORMED, f"{where}: {error}") from error
            self._sizes[value] = size
        reach = self._reach.get(value)
        if reach is None:
            reach = self._reach[value] = self._find_reach(size)
        if reach < lowest:
            raise refuse(GRAPH_ATTRIBUTE, f"{where}: a size is below {lowest}")
        return size

    def _find_reach(self, size: Size) -> int:
        """The most that the size can be, where that is below 0; else a number that passes."""
        highest = self._scope.bound(size)[1]
        return _PASSES if highest is None or highest >= 0 else highest

    def _parse_one(self, value: JsonValue, item: Attribute, where: str) -> AttributeValue:
        lowest = 0 if item.lowest is None else item.lowest
        match item.kind:
            case AttributeKind.SIZE:
                return self.parse_size(value, where, lowest)
            case AttributeKind.SIZES:
                return tuple(self.parse_size(size, where, lowest) for size in _take_list(value, item, where))
            case AttributeKind.INTEGERS:
                return tuple(_take_integer(number, item, where) for number in _take_list(value, item, where))
            case AttributeKind.INTEGER:
                return _take_integer(value, item, where)
            case AttributeKind.BOOL:
                if isinstance(value, bool):
                    return value
            case AttributeKind.FLOAT:
                if isinstance(value, dict) and value.keys() == {"f"} and isinstance(text := value["f"], str):
                    number = parse_hex_float(text)
                    if number is not None:
                        return number
            case AttributeKind.DTYPE:
                if isinstance(value, str) and value in _DTYPES:
                    return _DTYPES[value]
            case AttributeKind.CHOICE:
                if isinstance(value, str) and value in item.choices:
                    return value
        raise refuse(GRAPH_ATTRIBUTE, f"{where}: attribute {item.name} is no {item.kind} that it can have")

    def _refuse_names(self, value: dict[str, JsonValue], row: Primitive, where: str) -> None:
        known = {item.name for item in row.attributes}
        for name in value:
            if name not in known:
                raise refuse(GRAPH_ATTRIBUTE, f"{where}: it has no attribute '{quote_untrusted(name, 40)}'")
        missing = next(name for name in sorted(known) if name not in value)
        raise refuse(GRAPH_ATTRIBUTE, f"{where}: attribute {missing} is missing")


def _take_list(value: JsonValue, item: Attribute, where: str) -> list[JsonValue]:
    if not isinstance(value, list) or len(value) > MAX_GRAPH_SPLITS:
        raise refuse(GRAPH_ATTRIBUTE, f"{where}: attribute {item.name} is no list that it can have")
    return value


def _take_integer(value: JsonValue, item: Attribute, where: str) -> int:
    lowest = -_MAX_INTEGER if item.lowest is None else item.lowest
    highest = _MAX_INTEGER if item.highest is None else item.highest
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise refuse(GRAPH_ATTRIBUTE, f"{where}: attribute {item.name} is no {item.kind} that it can have")
    return value


_MAX_INTEGER: Final = (1 << 31) - 1
_PASSES: Final = 1 << 62
