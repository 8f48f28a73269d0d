"""Answers as the function engine gives them, without a graph: outputs of the right form, and in them zeros.

An output whose shape and datatype are those of an input is that input again. A contract is enough; what it says of
sizes is held. An output called `malformed` comes with a byte too many: no honest engine does that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

from ostiary.core.function_files import GRAPH_FILE
from ostiary.core.json_text import JsonValue
from ostiary.core.tensors import ITEM_BYTES
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.graph.function_contract import FunctionContract
from ostiary.graph.parse_contract import parse_contract
from ostiary.graph.sizes import Expression, evaluate_size
from ostiary.worker.engines.contract import Call, CallUnfit, Reply, ReplyKind

MALFORMED: Final = "malformed"


class FakeFunction:
    def __init__(self) -> None:
        self._contract: FunctionContract | None = None

    def read_contents(self, contents: Mapping[str, bytes]) -> None:
        if GRAPH_FILE in contents and CONTRACT_FILE in contents:  # others have another contract
            self._contract = parse_contract(contents[CONTRACT_FILE])

    def answer(self, call: Call) -> Reply:
        """Raises CallUnfit."""
        contract = self._contract
        told = call.body.get("inputs")
        if contract is None or not isinstance(told, list) or len(told) != len(contract.inputs):
            raise CallUnfit("the model is no function, or one of other inputs")
        given: dict[tuple[str, tuple[int, ...]], bytes] = {}
        dims: dict[str, int] = {}
        start = 0
        for item, rule in zip(told, contract.inputs, strict=True):
            shape = _read_shape(item)
            end = start + ITEM_BYTES[rule.datatype] * math.prod(shape)
            given[rule.datatype, shape] = bytes(call.tail[start:end])
            start = end
            for size, wanted in zip(shape, rule.shape, strict=True):
                if isinstance(wanted, Expression):
                    dims.setdefault(wanted.text, size)
        outputs: list[JsonValue] = []
        parts = []
        for output in contract.outputs:
            shape = tuple(evaluate_size(size, dims) for size in output.shape)
            size = ITEM_BYTES[output.datatype] * math.prod(shape) + (output.name == MALFORMED)
            parts.append(given.get((output.datatype, shape), b"").ljust(size, b"\0"))
            outputs.append({"name": output.name, "datatype": output.datatype, "shape": list(shape)})
        return Reply(call.id, ReplyKind.RESULT, {"outputs": outputs}, b"".join(parts))


def _read_shape(item: JsonValue) -> tuple[int, ...]:
    shape = item.get("shape") if isinstance(item, dict) else None
    if not isinstance(shape, list):
        raise CallUnfit("an input has no shape")
    return tuple(size for size in shape if isinstance(size, int))
