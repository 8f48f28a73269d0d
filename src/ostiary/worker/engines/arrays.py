"""Plain MLX on the tensors of a model: loads them and evaluates small expressions. The least that MLX is used for.

Operations: `names`; `sum` of a tensor (`name`); `matmul` of two (`left`, `right`), or of float32 values in the tail
(`rows`, `columns`) with one (`right`). Results are float32 in the tail, with `shape`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from ostiary.core.json_text import JsonValue
from ostiary.worker.engines.contract import (
    Call,
    CallUnfit,
    EngineLimits,
    EngineUsage,
    ErrorName,
    JsonObject,
    MakeEngine,
    ModelUnfit,
    Reply,
    ReplyKind,
)
from ostiary.worker.engines.weights_file import WeightsFile

_MAX_ELEMENTS: Final = 1 << 24


def prepare_engine(_settings: JsonObject) -> MakeEngine:
    import mlx.core as mx  # noqa: PLC0415  the engine is an extra

    mx.disable_compile()  # on Linux it starts a compiler and loads what that wrote
    return lambda limits: ArraysEngine(limits, mx)


class ArraysEngine:
    name = "arrays"

    def __init__(self, limits: EngineLimits, mx: Any) -> None:
        self._limits: Final = limits
        self._mx: Final = mx
        self._tensors: Final[dict[str, Any]] = {}
        self._waiting: Final[dict[int, Call]] = {}

    def read_contents(self, contents: Mapping[str, bytes]) -> None:
        """Nothing in them concerns plain tensors."""

    def read_weights(self, path: str, descriptor: int, size: int) -> None:
        if not path.endswith(".safetensors"):
            raise ModelUnfit(ErrorName.LOAD_FAILED, "only safetensors files are loaded")
        with WeightsFile(descriptor, size) as file:
            tensors = self._mx.load(file, format="safetensors")
            self._mx.eval(list(tensors.values()))
        if not self._tensors.keys().isdisjoint(tensors):
            raise ModelUnfit(ErrorName.LOAD_FAILED, "a tensor stands in two files")
        self._tensors.update(tensors)

    def finish_load(self) -> JsonObject:
        total = sum(tensor.nbytes for tensor in self._tensors.values())
        return {"tensors": len(self._tensors), "bytes": total}

    def submit(self, call: Call) -> None:
        if call.operation not in {"names", "sum", "matmul"}:
            raise CallUnfit("there is no such operation")
        self._waiting[call.id] = call

    def cancel(self, call_id: int) -> None:
        self._waiting.pop(call_id, None)

    def step(self) -> Sequence[Reply]:
        call_id, call = next(iter(self._waiting.items()))
        del self._waiting[call_id]
        try:
            return [self._run(call)]
        except CallUnfit as error:
            return [Reply.failed(call_id, ErrorName.CALL_REFUSED, str(error))]

    @property
    def has_work(self) -> bool:
        return bool(self._waiting)

    def read_usage(self) -> EngineUsage:
        return EngineUsage(0, self._mx.get_active_memory())

    def _run(self, call: Call) -> Reply:
        if call.operation == "names":
            shapes: dict[str, JsonValue] = {name: list(found.shape) for name, found in self._tensors.items()}
            return Reply(call.id, ReplyKind.RESULT, {"shapes": shapes})
        if call.operation == "sum":
            return self._answer(call, self._find(call, "name").astype(self._mx.float32).sum())
        left = self._read_tail(call) if len(call.tail) else self._find(call, "left").astype(self._mx.float32)
        right = self._find(call, "right").astype(self._mx.float32)
        if left.ndim != 2 or right.ndim != 2 or left.shape[1] != right.shape[0]:
            raise CallUnfit("the two do not fit together")
        return self._answer(call, left @ right)

    def _find(self, call: Call, field: str) -> Any:
        found = self._tensors.get(str(call.body.get(field)))
        if found is None:
            raise CallUnfit(f"{field} names no tensor of the model")
        return found

    def _read_tail(self, call: Call) -> Any:
        shape = (call.body.get("rows"), call.body.get("columns"))
        sizes = [size for size in shape if isinstance(size, int) and 0 < size <= _MAX_ELEMENTS]
        if len(sizes) != 2 or math.prod(sizes) * 4 != len(call.tail):
            raise CallUnfit("rows and columns are not those of the values")
        return self._mx.array(memoryview(call.tail).cast("B").cast("f", sizes))

    def _answer(self, call: Call, result: Any) -> Reply:
        self._mx.eval(result)
        return Reply(call.id, ReplyKind.RESULT, {"shape": list(result.shape)}, bytes(memoryview(result).cast("B")))
