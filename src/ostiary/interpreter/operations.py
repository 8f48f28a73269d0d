"""The allow-list: each operation that a graph may have, with the call to MLX that does it. There is no other."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ostiary.graph.call import Call
from ostiary.graph.values import TensorType
from ostiary.interpreter.elementwise import ELEMENTWISE
from ostiary.interpreter.factorising import FACTORISING
from ostiary.interpreter.fast import FAST
from ostiary.interpreter.indexing import INDEXING
from ostiary.interpreter.linear import LINEAR
from ostiary.interpreter.operation import Make, Run, make_nothing
from ostiary.interpreter.reducing import REDUCING
from ostiary.interpreter.shaping import SHAPING

OPERATIONS: Final[Mapping[str, Make]] = MappingProxyType(
    {**ELEMENTWISE, **SHAPING, **REDUCING, **INDEXING, **LINEAR, **FACTORISING, **FAST}
)
"""By the name of the primitive. A test holds the names against the table of primitives."""


def make_run(op: str, call: Call, outputs: tuple[TensorType, ...]) -> Run:
    """For one node. Where nothing comes out MLX is not asked: some operations on nothing end the process."""
    if all(0 in output.shape for output in outputs):
        return make_nothing(outputs)
    return OPERATIONS[op](call, outputs)
