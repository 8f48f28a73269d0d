"""The modules and arrays that a function is made of, each by the name that its author gave it."""

from __future__ import annotations

import functools
import importlib
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.exporter.refusals import CannotTrace

nn: Final[Any] = importlib.import_module("mlx.nn")  # whose classes have no types
_MAX_DEPTH: Final = 8
"""Of what refers to what, outside modules: nobody's function lies deeper."""


@dataclass(frozen=True, slots=True)
class Named:
    name: str
    array: mx.array


@dataclass(frozen=True, slots=True)
class Parts:
    modules: tuple[tuple[str, Any], ...]
    """Each before what it contains."""
    arrays: tuple[Named, ...]


def find_parts(function: Callable[..., Any]) -> Parts:
    """What `function` can reach by name: itself, what it is bound to, what it closes over and globals it uses."""
    finding = _Finding()
    finding.visit("", function, 0)
    return Parts(tuple(finding.modules), tuple(finding.arrays))


class _Finding:
    def __init__(self) -> None:
        self.modules: list[tuple[str, Any]] = []
        self.arrays: list[Named] = []
        self._seen: set[int] = set()
        self._held: list[object] = []  # so that no number is given to another object meanwhile

    def visit(self, name: str, value: Any, depth: int) -> None:
        if isinstance(value, _UNINTERESTING) or depth > _MAX_DEPTH or id(value) in self._seen:
            return
        self._seen.add(id(value))
        self._held.append(value)
        if isinstance(value, mx.array):
            self.arrays.append(Named(name, value))
        elif isinstance(value, nn.Module):
            self.modules.append((name, value))
            for key, item in _list_contents(value):
                self.visit(_below(name, key), item, 0)
        elif isinstance(value, Mapping):
            for key, item in value.items():
                self.visit(_below(name, str(key)), item, depth + 1)
        elif isinstance(value, tuple | list):
            for position, item in enumerate(value):
                self.visit(_below(name, str(position)), item, depth + 1)
        elif callable(value) and not isinstance(value, type):
            self._visit_callable(name, value, depth + 1)

    def _visit_callable(self, name: str, value: Any, depth: int) -> None:
        if isinstance(value, functools.partial):
            self.visit(name, value.func, depth)
            self.visit(_below(name, "arguments"), value.args, depth)
            self.visit(name, value.keywords, depth)
        elif isinstance(value, types.MethodType):
            self.visit(name, value.__self__, depth)
            self.visit(name, value.__func__, depth)
        elif isinstance(value, types.FunctionType):
            for key, item in _list_names(value):
                self.visit(_below(name, key), item, depth)
        elif not type(value).__module__.startswith("mlx."):
            for key, item in getattr(value, "__dict__", {}).items():
                self.visit(_below(name, key), item, depth)


_UNINTERESTING: Final = (str, bytes, int, float, complex, type(None), types.ModuleType)


def _list_contents(module: Any) -> Iterator[tuple[str, Any]]:
    """What a module holds, private arrays too, which are no parameters."""
    yield from module.items()
    for key, item in vars(module).items():
        if isinstance(item, mx.array | nn.Module | Mapping | tuple | list) or callable(item):
            yield key, item


def _list_names(function: types.FunctionType) -> Iterator[tuple[str, Any]]:
    """What a function refers to by a name of its own or of its file."""
    cells = zip(function.__code__.co_freevars, function.__closure__ or (), strict=True)
    for name, cell in cells:
        try:
            yield name, cell.cell_contents
        except ValueError:  # not assigned yet
            continue
    yield from (function.__kwdefaults__ or {}).items()
    yield from enumerate_names("default", function.__defaults__ or ())
    for name in _list_globals(function.__code__):
        if name in function.__globals__:
            yield name, function.__globals__[name]


def enumerate_names(name: str, values: tuple[Any, ...]) -> Iterator[tuple[str, Any]]:
    return ((f"{name}.{position}", value) for position, value in enumerate(values))


def _list_globals(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):  # a function within
            yield from _list_globals(constant)


def _below(name: str, key: str) -> str:
    return f"{name}.{key}" if name else key


@contextmanager
def held_still(parts: Parts) -> Iterator[None]:
    """Modules in inference, their arrays computed; afterwards everything is as it was. Raises CannotTrace.

    A module that changes itself while it is traced would keep arrays that have no values.
    """
    flags = [module.training for _, module in parts.modules]
    mx.eval([item.array for item in parts.arrays])
    for _, module in parts.modules:
        module.train(False)
    before = [dict(module) for _, module in parts.modules]
    try:
        yield
        for (name, module), contents in zip(parts.modules, before, strict=True):
            key = _find_change(module, contents)
            if key is not None:
                raise CannotTrace(
                    f"it changes '{_below(name, key)}' while it runs, and a graph keeps nothing between calls"
                )
    finally:
        for (_, module), contents in zip(parts.modules, before, strict=True):
            if _find_change(module, contents) is not None:
                module.clear()
                dict.update(module, contents)
        for (_, module), flag in zip(parts.modules, flags, strict=True):
            module.train(flag)  # each before what it contains, which then gets its own


def _find_change(module: Any, contents: Mapping[str, Any]) -> str | None:
    for key in sorted(module.keys() | contents.keys()):
        if key not in module or key not in contents or module[key] is not contents[key]:
            return str(key)
    return None
