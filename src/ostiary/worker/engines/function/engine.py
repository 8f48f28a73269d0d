"""The function engine: takes a graph and its tensors, then calls, and runs those together that can be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import mlx.core as mx

from ostiary.core.frames import ErrorName, JsonObject, ReplyKind
from ostiary.core.function_files import GRAPH_FILE, TENSORS_FILE
from ostiary.core.json_text import JsonValue
from ostiary.core.terms.values import CONTRACT_FILE
from ostiary.errors import IntakeRefused
from ostiary.graph.agreement import find_disagreement
from ostiary.graph.function_contract import FunctionContract
from ostiary.graph.independence import BatchAxes, find_batch_axes
from ostiary.graph.parse_contract import parse_contract
from ostiary.graph.parse_graph import parse_graph
from ostiary.graph.values import Graph
from ostiary.interpreter.function import Budget, Function, load_tensors
from ostiary.interpreter.unfit import CallTooLarge, GraphUnfit, InputUnfit
from ostiary.networks.failures import explain_failure
from ostiary.worker.engines.contract import Call, CallUnfit, EngineLimits, EngineUsage, ModelUnfit, Reply
from ostiary.worker.engines.fast_cpu.arithmetic import Arithmetic
from ostiary.worker.engines.fast_cpu.threads import bound_threads, count_threads
from ostiary.worker.engines.function.group import count_rows, pick_group
from ostiary.worker.engines.function.infer_call import InferCall, parse_call
from ostiary.worker.engines.function.runs import Runs
from ostiary.worker.engines.function.settings import Settings
from ostiary.worker.engines.weights_file import WeightsFile

_LEAST_THREADS: Final = 6
"""One that works, four with which files are read, one on which MLX computes. With fewer it hangs, or aborts."""
_SHARE_OF_WAITING: Final = 8
"""One part in so many of the memory is for inputs of calls that wait."""
_BASE_BYTES: Final = 160 << 20
"""Interpreter and libraries."""


class FunctionEngine:
    """One function. Made before the wall goes up; see the engine contract for what is called when."""

    name = "function"

    def __init__(self, settings: Settings, limits: EngineLimits, arithmetic: Arithmetic, cores: int) -> None:
        self._settings: Final = settings
        self._limits: Final = limits
        self._arithmetic: Final = arithmetic
        self._cores: Final = cores
        self._graph: Graph | None = None
        self._contract: FunctionContract | None = None
        self._tensors: dict[str, mx.array] = {}
        self._runs: Runs | None = None
        self._axes: BatchAxes | None = None
        self._most_rows = 1
        self._waiting: list[InferCall] = []

    def read_contents(self, contents: Mapping[str, bytes]) -> None:
        if self._limits.threads < _LEAST_THREADS:
            raise ModelUnfit(ErrorName.LOAD_FAILED, f"the engine needs {_LEAST_THREADS} threads; it may have fewer")
        if GRAPH_FILE not in contents or CONTRACT_FILE not in contents:
            raise ModelUnfit(ErrorName.LOAD_FAILED, f"{GRAPH_FILE} or {CONTRACT_FILE} is missing")
        try:
            self._graph = parse_graph(contents[GRAPH_FILE])
            self._contract = parse_contract(contents[CONTRACT_FILE])
        except IntakeRefused as error:
            raise ModelUnfit(ErrorName.LOAD_FAILED, f"the function is refused: {error.message}") from error
        difference = find_disagreement(self._graph, self._contract)
        if difference is not None:
            raise ModelUnfit(ErrorName.LOAD_FAILED, difference)

    def read_weights(self, path: str, descriptor: int, size: int) -> None:
        if path != TENSORS_FILE:
            raise ModelUnfit(
                ErrorName.LOAD_FAILED, f"a function has its tensors in {TENSORS_FILE}, and no other file"
            )
        try:
            with WeightsFile(descriptor, size) as file:
                self._tensors = load_tensors(file)
        except GraphUnfit as error:
            raise ModelUnfit(error.name, str(error)) from error
        except Exception as error:
            raise _not_loaded(error) from error

    def finish_load(self) -> JsonObject:
        graph, contract = self._graph, self._contract
        if graph is None or contract is None:
            raise ModelUnfit(ErrorName.LOAD_FAILED, "no graph was sent")
        threads, reserved = self._choose_threads()
        weights = sum(array.nbytes for array in self._tensors.values())
        waiting = self._limits.memory_bytes // _SHARE_OF_WAITING
        free = self._limits.memory_bytes - _BASE_BYTES - reserved - weights - waiting
        try:
            function = Function(graph, self._tensors, Budget(max(free, 0), self._settings.work))
        except GraphUnfit as error:
            raise ModelUnfit(error.name, str(error)) from error
        except Exception as error:
            raise _not_loaded(error) from error
        self._tensors = {}
        self._runs = Runs(function)
        batch = next((item for item in contract.dims if item.is_batch), None)
        if batch is not None:
            self._axes = find_batch_axes(graph, batch.name)
            self._most_rows = min(self._settings.rows, batch.max or self._settings.rows)
        told: dict[str, JsonValue] = {
            "function": graph.name,
            "nodes": len(graph.nodes),
            "tensor_bytes": weights,
            "library": self._arithmetic.name,
            "threads": threads,
            "batch": None if batch is None else batch.name,
            "joins_calls": self._axes is not None and self._most_rows > 1,
        }
        return told

    def submit(self, call: Call) -> None:
        if self._graph is None or self._runs is None:
            raise CallUnfit("the function is not loaded")
        found = parse_call(call, self._graph)
        waiting = sum(item.bytes for item in self._waiting)
        if self._waiting and waiting + found.bytes > self._limits.memory_bytes // _SHARE_OF_WAITING:
            raise CallUnfit("the calls that wait already have as much memory as calls may have")
        self._waiting.append(found)

    def cancel(self, call_id: int) -> None:
        self._waiting = [call for call in self._waiting if call.id != call_id]

    def step(self) -> Sequence[Reply]:
        """One run, for one call or for several."""
        if self._runs is None or not self._waiting:
            return []
        group = pick_group(self._waiting, self._axes, self._most_rows)
        picked = {call.id for call in group}
        self._waiting = [call for call in self._waiting if call.id not in picked]
        try:
            answers = self._runs.run(group, self._axes)
        except CallTooLarge as error:
            if len(group) == 1 or self._axes is None:
                return [_fail(group[0].id, error)]
            rows = sum(count_rows(call, self._axes) for call in group)
            self._most_rows = max(1, rows // 2)  # from now on: there will not be more memory
            self._waiting = group + self._waiting
            return []
        except Exception as error:  # noqa: BLE001  one call is not to fail the others
            if len(group) > 1:  # whose fault it is shows when each is run by itself
                self._waiting = [replace(call, is_alone=True) for call in group] + self._waiting
                return []
            return [_fail(group[0].id, error)]
        return [
            Reply(call.id, ReplyKind.RESULT, body, tail) for call, (body, tail) in zip(group, answers, strict=True)
        ]

    @property
    def has_work(self) -> bool:
        return bool(self._waiting)

    def read_usage(self) -> EngineUsage:
        return EngineUsage(0, None if mx.default_device() == mx.cpu else mx.get_active_memory())

    def _choose_threads(self) -> tuple[int, int]:
        """For products, and the memory that they reserve."""
        library, limits = self._arithmetic, self._limits
        if library.library is None:
            return 1, 0
        threads = self._settings.threads or count_threads(
            self._cores, limits.threads, limits.memory_bytes, library.thread_bytes
        )
        threads = bound_threads(threads, limits.threads)
        library.library.set_threads(threads)
        return threads, threads * library.thread_bytes


def _fail(call_id: int, error: Exception) -> Reply:
    if isinstance(error, InputUnfit):
        return Reply.failed(call_id, ErrorName.CALL_REFUSED, str(error))
    if isinstance(error, GraphUnfit):
        return Reply.failed(call_id, ErrorName.ENGINE_FAILED, str(error))
    failure = explain_failure(error)
    return Reply.failed(call_id, failure.name, failure.sentence)


def _not_loaded(error: Exception) -> ModelUnfit:
    failure = explain_failure(error)
    name = failure.name if failure.name is ErrorName.OUT_OF_MEMORY else ErrorName.LOAD_FAILED
    return ModelUnfit(name, failure.sentence)
