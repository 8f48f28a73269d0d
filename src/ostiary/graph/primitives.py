"""The table of all primitives: what version 1 of the format can say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.graph import (
    table_elementwise,
    table_index,
    table_linear,
    table_packed,
    table_reduce,
    table_shape,
)
from ostiary.graph.primitive import Primitive

_TABLES: Final = (table_elementwise, table_shape, table_reduce, table_index, table_linear, table_packed)

PRIMITIVES: Final[Mapping[str, Primitive]] = MappingProxyType(
    {row.name: row for table in _TABLES for row in table.ROWS}
)
