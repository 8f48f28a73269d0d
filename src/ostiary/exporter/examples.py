"""The arguments that a function is tried with, taken apart into named arrays, and put together again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

import mlx.core as mx

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import EXPORT_VALUE, USAGE, ExportRefused, Misuse
from ostiary.exporter.trace import name_dtype
from ostiary.graph.dtypes import Dtype

Examples: TypeAlias = Any
"""An array, several as a tuple or list, or a mapping from names of parameters to them; each may be nested."""

_DTYPES: Final = frozenset(Dtype)
_PLAIN: Final = (bool, int, float, complex, str, bytes, type(None), mx.Dtype)
_POSITIONAL: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where the array of that number goes."""

    number: int


@dataclass(frozen=True, slots=True)
class Arguments:
    names: tuple[str, ...]
    arrays: tuple[mx.array, ...]
    positional: tuple[Any, ...]
    """With slots where arrays were."""
    keywords: Mapping[str, Any]

    def call(self, function: Callable[..., Any], arrays: Sequence[mx.array]) -> Any:
        """What `function` gives for these arrays in the places of the examples."""
        positional = [_fill(value, arrays) for value in self.positional]
        keywords = {name: _fill(value, arrays) for name, value in self.keywords.items()}
        return function(*positional, **keywords)


def read_examples(function: Callable[..., Any], examples: Examples) -> Arguments:
    """Raises Misuse where they do not fit the function's parameters, ExportRefused where one is nothing known."""
    if isinstance(examples, Mapping):
        positional: tuple[Any, ...] = ()
        keywords = dict(examples)
    elif isinstance(examples, tuple | list):
        positional, keywords = tuple(examples), {}
    else:
        positional, keywords = (examples,), {}
    names = _name_arguments(function, positional, keywords)
    reading = _Reading()
    slots = tuple(reading.read(name, value) for name, value in zip(names, positional, strict=True))
    named = {name: reading.read(name, value) for name, value in keywords.items()}
    if not reading.arrays:
        raise Misuse(USAGE, "the examples hold no array: a function to export takes at least one")
    return Arguments(tuple(reading.names), tuple(reading.arrays), slots, named)


def _name_arguments(
    function: Callable[..., Any], positional: Sequence[Any], keywords: Mapping[str, Any]
) -> list[str]:
    for name in keywords:
        if not isinstance(name, str):
            raise Misuse(USAGE, "examples as a mapping go by the names of the function's parameters")
    try:
        signature = inspect.signature(function)
    except (TypeError, ValueError):  # a function of MLX itself tells no names
        return ["x"] if len(positional) == 1 else [f"x{position}" for position in range(len(positional))]
    try:
        signature.bind(*positional, **keywords)
    except TypeError as error:
        raise Misuse(
            USAGE,
            f"the examples do not fit the function's parameters {quote_untrusted(_list_parameters(signature))}",
            hint="Give a tuple for parameters in order, or a mapping from their names.",
        ) from error
    names = []
    for position in range(len(positional)):
        parameters = list(signature.parameters.values())
        if position < len(parameters) and parameters[position].kind in _POSITIONAL:
            names.append(parameters[position].name)
            continue
        several = next(item for item in parameters if item.kind is inspect.Parameter.VAR_POSITIONAL)
        first = sum(item.kind in _POSITIONAL for item in parameters)
        names.append(several.name if len(positional) == first + 1 else f"{several.name}.{position - first}")
    return names


def _list_parameters(signature: inspect.Signature) -> str:
    return f"({', '.join(signature.parameters)})"


class _Reading:
    def __init__(self) -> None:
        self.names: list[str] = []
        self.arrays: list[mx.array] = []

    def read(self, name: str, value: Any) -> Any:
        """`value` with slots for its arrays."""
        if isinstance(value, mx.array):
            return self._keep(name, value)
        if isinstance(value, _PLAIN):
            return value
        if isinstance(value, Mapping):
            return {key: self.read(f"{name}.{key}", item) for key, item in value.items()}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*(self.read(f"{name}.{key}", getattr(value, key)) for key in value._fields))
        if isinstance(value, tuple | list):
            return type(value)(self.read(f"{name}.{position}", item) for position, item in enumerate(value))
        if hasattr(value, "__array_interface__") or hasattr(value, "__dlpack__"):
            return self._keep(name, mx.array(value))
        raise ExportRefused(
            EXPORT_VALUE,
            f"the example for '{quote_untrusted(name)}' is of type {quote_untrusted(type(value).__name__)}, "
            "neither an array nor a plain value",
            hint="Give arrays; numbers, words and None stay as they are in the exported graph.",
        )

    def _keep(self, name: str, array: mx.array) -> _Slot:
        if name_dtype(array.dtype) not in _DTYPES:
            raise ExportRefused(
                EXPORT_VALUE,
                f"the example for '{quote_untrusted(name)}' is {name_dtype(array.dtype)}, which graphs do not have",
                hint="Take float32: x.astype(mx.float32).",
            )
        self.names.append(name)
        self.arrays.append(array)
        return _Slot(len(self.arrays) - 1)


def _fill(value: Any, arrays: Sequence[mx.array]) -> Any:
    if isinstance(value, _Slot):
        return arrays[value.number]
    if isinstance(value, Mapping):
        return {key: _fill(item, arrays) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_fill(item, arrays) for item in value))
    if isinstance(value, tuple | list):
        return type(value)(_fill(item, arrays) for item in value)
    return value


def flatten_results(result: Any) -> tuple[tuple[str, mx.array], ...]:
    """Each array of a function's result with its name in it: "" of an array alone. None is left out."""
    return tuple(_flatten("", result))


def _flatten(name: str, value: Any) -> Iterator[tuple[str, mx.array]]:
    below = f"{name}." if name else ""
    if isinstance(value, mx.array):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _flatten(f"{below}{key}", item)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for key in value._fields:
            yield from _flatten(f"{below}{key}", getattr(value, key))
    elif isinstance(value, tuple | list):
        for position, item in enumerate(value):
            yield from _flatten(f"{below}{position}", item)
    elif value is not None:
        where = f"its result '{quote_untrusted(name)}'" if name else "what it returns"
        raise ExportRefused(
            EXPORT_VALUE,
            f"{where} is of type {quote_untrusted(type(value).__name__)}, not an array",
            hint="Return arrays, alone or in tuples, lists and mappings.",
        )
