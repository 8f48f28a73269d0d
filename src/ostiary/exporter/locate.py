"""Finds the line of a function that an operation comes from, which MLX does not tell.

The function runs once more, with every array that it has in a name or returns written down as it appears. Then what
the first of them need, and more and more, is traced until the operation is in it: the last one came with the line.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final, TypeAlias

import mlx.core as mx

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.exporter.parts import nn
from ostiary.exporter.refusals import UnknownOperation
from ostiary.exporter.subject import Subject
from ostiary.exporter.trace import Trace

_MLX: Final = str(Path(nn.__file__).resolve().parents[1])
_OWN: Final = str(Path(__file__).resolve().parents[1])
_MOST_SEEN: Final = 20_000

Wanted: TypeAlias = Callable[[Trace], bool]
"""Whether the operation that is looked for is in a trace."""


@dataclass(frozen=True, slots=True)
class _Sight:
    """An array, and where it was first seen."""

    array: mx.array
    where: str


def locate_operation(subject: Subject, binding: Mapping[str, int], wanted: Wanted, name: str) -> str:
    """Such as `model.py line 12, in layers.3 (Upsample)`; "" where it does not show. `name` is MLX's."""
    return _Search(subject, binding, wanted, name).run()


def locate_error(error: BaseException) -> str:
    """The innermost line of the function's own code that an exception went through."""
    step: TracebackType | None = error.__traceback__
    found = ""
    while step is not None:
        if not _is_in(step.tb_frame, _MLX) and not _is_in(step.tb_frame, _OWN):
            found = _name_line(step.tb_frame, step.tb_lineno)
        step = step.tb_next
    return found


class _Search:
    """For one operation. Each look runs the function once more, which computes nothing."""

    def __init__(self, subject: Subject, binding: Mapping[str, int], wanted: Wanted, name: str) -> None:
        self._subject = subject
        self._modules = {id(module): title for title, module in subject.parts.modules}
        self._binding = binding
        self._wanted = wanted
        self._name = name
        self._sights: list[_Sight] = []

    def run(self) -> str:
        self._looks_among(_MOST_SEEN)
        low, high = 0, len(self._sights)
        if not high or not self._looks_among(high):
            return ""
        while low < high - 1:  # among the first `high`, and not among the first `low`
            middle = (low + high) // 2
            if self._looks_among(middle):
                high = middle
            else:
                low = middle
        self._looks_among(high)
        return self._sights[high - 1].where if len(self._sights) >= high else ""

    def _looks_among(self, count: int) -> bool:
        """Whether the first `count` arrays that are seen need the operation."""
        try:
            return self._wanted(self._trace(count))
        except UnknownOperation as error:
            return error.name == self._name
        except Exception:  # noqa: BLE001  what does not trace for another reason shows nothing
            return False

    def _trace(self, count: int) -> Trace:
        def watched(*given: mx.array) -> list[mx.array]:
            self._sights = []
            watch = _Watch(self._sights, self._modules, count)
            before = sys.gettrace()
            sys.settrace(watch.on_call)
            try:
                self._subject.compute(given)
            finally:
                sys.settrace(before)
            return [sight.array for sight in self._sights] or list(given)

        return self._subject.trace_other(watched, self._binding)


class _Watch:
    """Python calls it for each line."""

    def __init__(self, sights: list[_Sight], modules: Mapping[int, str], most: int) -> None:
        self._sights = sights
        self._modules = modules
        self._most = most
        self._known: set[int] = set()
        self._lines: dict[int, int] = {}

    def on_call(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        if frame.f_code.co_filename.startswith((_OWN, "<frozen")):
            return None
        return self._on_line

    def _on_line(self, frame: FrameType, event: str, argument: Any) -> Any:
        line = self._lines.get(id(frame), frame.f_lineno)
        self._lines[id(frame)] = frame.f_lineno
        for value in frame.f_locals.values():
            self._see(value, frame, line)
        if event == "return":
            self._see(argument, frame, frame.f_lineno)
            self._lines.pop(id(frame), None)
        return self._on_line

    def _see(self, value: Any, frame: FrameType, line: int) -> None:
        for array in _list_arrays(value):
            if id(array) not in self._known and len(self._sights) < self._most:
                self._known.add(id(array))
                self._sights.append(_Sight(array, _tell(frame, line, self._modules)))


def _list_arrays(value: Any) -> Iterator[mx.array]:
    if isinstance(value, mx.array):
        yield value
    elif isinstance(value, tuple | list):
        yield from (item for item in value if isinstance(item, mx.array))
    elif isinstance(value, Mapping) and not isinstance(value, nn.Module):
        yield from (item for item in value.values() if isinstance(item, mx.array))


def _tell(frame: FrameType, line: int, modules: Mapping[int, str]) -> str:
    own: FrameType | None = frame
    module = ""
    while own is not None and _is_in(own, _MLX):
        module = module or _name_module(own, modules)
        line = own.f_back.f_lineno if own.f_back is not None else line
        own = own.f_back
    if own is None or _is_in(own, _OWN):
        return module
    module = module or _name_module(own, modules)
    where = _name_line(own, line)
    return f"{where}, in {module}" if module else where


def _name_module(frame: FrameType, modules: Mapping[int, str]) -> str:
    """The module of MLX, or of the function's author, whose code a frame runs."""
    module = frame.f_locals.get("self")
    if not isinstance(module, nn.Module):
        return ""
    kind = type(module).__qualname__
    title = modules.get(id(module), "")
    return quote_untrusted(f"{title} ({kind})" if title else kind)


def _name_line(frame: FrameType, line: int) -> str:
    """The file by its name alone: where it lies is nobody's business."""
    return quote_untrusted(f"{Path(frame.f_code.co_filename).name} line {line}")


def _is_in(frame: FrameType, directory: str) -> bool:
    return str(Path(frame.f_code.co_filename).resolve()).startswith(directory)


def make_wanted(reference: Trace, operation: int) -> Wanted:
    """Finds operations like this one: of its name, arguments and types."""
    wanted = _describe(reference, operation)

    def is_there(traced: Trace) -> bool:
        return any(_describe(traced, number) == wanted for number in range(len(traced.operations)))

    return is_there


def _describe(traced: Trace, number: int) -> tuple[object, ...]:
    operation = traced.operations[number]
    types = [traced.types[value] for value in (*operation.inputs, *operation.outputs)]
    return operation.name, str(operation.arguments), str(types)
