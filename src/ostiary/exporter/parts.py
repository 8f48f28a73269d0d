"""The modules and arrays that a function is made of, each by the name that its author gave it."""

from __future__ import annotations

import functools
import gc
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
_MOST_ITEMS: Final = 10_000


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
        if issubclass(type(value), Mapping | tuple | list) and len(value) > _MOST_ITEMS:
            return  # data, and no layers
        self._seen.add(id(value))
        self._held.append(value)
        if type(value).__module__ == "mlx.core" and type(value).__name__.endswith("gc_func"):
            for item in gc.get_referents(value):  # what mx.compile wraps; it has the wrapped one's class, if asked
                if callable(item) and not isinstance(item, type):
                    self.visit(name, item, depth)
        elif isinstance(value, mx.array):
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
    mx.eval([item.array for item in parts.arrays])
    first = [_Snapshot(name, module) for name, module in parts.modules]
    try:
        for _, module in parts.modules:
            module.train(False)  # which some take as the time to pack their weights
        mx.eval([module.parameters() for _, module in parts.modules])
        still = [_Snapshot(name, module) for name, module in parts.modules]
        yield
        for snapshot in still:
            key = snapshot.find_change()
            if key is not None:
                raise CannotTrace(f"it changes '{key}' while it runs, and a graph keeps nothing between calls")
    finally:
        for snapshot in first:
            snapshot.put_back()


class _Snapshot:
    """What one module held, and what its own lists and mappings did."""

    def __init__(self, name: str, module: Any) -> None:
        self._name = name
        self._module = module
        self._contents = dict(module)
        self._attributes = dict(vars(module))
        self._lists = [(key, value, list(value)) for key, value in module.items() if isinstance(value, list)]
        self._mappings = [(key, value, dict(value)) for key, value in module.items() if type(value) is dict]

    def find_change(self) -> str | None:
        now = self._module
        for key in sorted(now.keys() | self._contents.keys(), key=str):
            if key not in now or key not in self._contents or now[key] is not self._contents[key]:
                return _below(self._name, str(key))
        for key, value, copy in self._lists:
            if len(value) != len(copy) or any(one is not other for one, other in zip(value, copy, strict=True)):
                return _below(self._name, str(key))
        for key, mapping, held in self._mappings:
            if mapping.keys() != held.keys() or any(mapping[item] is not held[item] for item in held):
                return _below(self._name, str(key))
        return None

    def put_back(self) -> None:
        if self.find_change() is not None:
            self._module.clear()
            dict.update(self._module, self._contents)
            for _, value, copy in self._lists:
                value[:] = copy
            for _, mapping, held in self._mappings:
                mapping.clear()
                mapping.update(held)
        attributes = vars(self._module)
        for key in attributes.keys() - self._attributes.keys():
            del attributes[key]
        attributes.update(self._attributes)
