"""Makes a graph of a function: traces it, writes the traces as one, and says where in the code it fails."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import mlx.core as mx

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import EXPORT_FUNCTION, EXPORT_OPERATION, EXPORT_SIZE, Code, ExportRefused
from ostiary.exporter.constants import is_same
from ostiary.exporter.locate import Wanted, locate_error, locate_operation, make_wanted
from ostiary.exporter.parts import Parts
from ostiary.exporter.refusals import CannotExpress, CannotFollow, CannotTrace, UnknownOperation
from ostiary.exporter.request import Sizes
from ostiary.exporter.still import SEEDS, is_unkeyed
from ostiary.exporter.trace import Trace
from ostiary.exporter.translate import Differs, Symbols, translate
from ostiary.exporter.trials import Subject, choose_bindings
from ostiary.exporter.whole import KEPT
from ostiary.exporter.writer import Written
from ostiary.graph.fields import TENSOR_NAME


@dataclass(frozen=True, slots=True)
class Names:
    title: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def make_graph(subject: Subject, sizes: Sizes, names: Names, *, whole: bool) -> Written:
    """`whole`: calls of fast kernels stay calls of them. Raises ExportRefused, or what the function raises."""
    example = dict(sizes.example)
    with _explained(subject, example, None):
        subject.trace_at(example, whole=whole)
        bindings = choose_bindings(subject, example, {item.name: item.max for item in sizes.dims})
        traces = [
            subject.trace_at(binding, SEEDS[number % len(SEEDS)], whole=whole)
            for number, binding in enumerate(bindings)
        ]
    first = traces[0]
    _refuse_unkeyed(subject, bindings[0], first)
    with _explained(subject, bindings[0], first):
        symbols = Symbols(sizes.dims, sizes.axes, tuple(bindings))
        writer, outputs = translate(traces, symbols, names.inputs, _name_constants(first, subject.parts))
        return writer.finish(names.title, list(zip(names.outputs, outputs, strict=True)))


@contextmanager
def _explained(subject: Subject, binding: Mapping[str, int], first: Trace | None) -> Iterator[None]:
    """Turns what cannot be into a refusal that names the line."""
    try:
        yield
    except UnknownOperation as error:
        where = locate_operation(subject, binding, _make_named(error.name), error.name)
        name = quote_untrusted(error.name)
        raise _refuse(EXPORT_OPERATION, f"graphs have no operation '{name}'", where, name) from error
    except CannotExpress as error:
        name, where = _find(subject, binding, first, error.operation)
        code = EXPORT_SIZE if isinstance(error, CannotFollow) else EXPORT_OPERATION
        clause = f"{name}: {error}" if name else str(error)
        raise _refuse(code, clause, where, name) from error
    except Differs as error:
        name, where = _find(subject, binding, first, error.operation)
        raise _refuse(EXPORT_SIZE, str(error), where, name) from error
    except CannotTrace as error:
        where = locate_error(error.__cause__ or error)
        raise _refuse(EXPORT_FUNCTION, f"the function cannot be traced: {error}", where, "") from error


def _refuse(code: Code, clause: str, where: str, operation: str) -> ExportRefused:
    return ExportRefused(code, f"{clause} ({where})" if where else clause, operation=operation, where=where)


def _find(
    subject: Subject, binding: Mapping[str, int], first: Trace | None, operation: int | None
) -> tuple[str, str]:
    """The operation's name and where it comes from."""
    if first is None or operation is None or operation >= len(first.operations):
        return "", ""
    name = first.operations[operation].name
    where = locate_operation(subject, binding, make_wanted(first, operation), name)
    return quote_untrusted(name.removeprefix(KEPT)), where


def _make_named(name: str) -> Wanted:
    return lambda traced: any(item.name.removeprefix(KEPT) == name for item in traced.operations)


def _refuse_unkeyed(subject: Subject, binding: Mapping[str, int], traced: Trace) -> None:
    def draws(other: Trace) -> bool:
        return any(is_unkeyed(constant) for constant in other.constants)

    if draws(traced):
        where = locate_operation(subject, binding, draws, "RandomBits")
        raise ExportRefused(
            EXPORT_FUNCTION,
            f"the function draws random numbers without a key{f' ({where})' if where else ''}",
            hint="Take a key as an input, and pass it on: mx.random.normal(..., key=key).",
            operation="RandomBits",
            where=where,
        )


def _name_constants(traced: Trace, parts: Parts) -> dict[int, str]:
    """The author's name of each constant that is an array of theirs, by its place."""
    names: dict[int, str] = {}
    by_place = {place: item.name for item in reversed(parts.arrays) if (place := _find_place(item.array))}
    for number, constant in enumerate(traced.constants):
        place = _find_place(constant)
        name = by_place.get(place) if place else None
        if name is None and constant.size > 1:
            name = next((item.name for item in parts.arrays if is_same(item.array, constant)), None)
        if name is not None:
            names[number] = name
    return _make_unique(names)


def _find_place(array: mx.array) -> int:
    """Where it lies in memory; 0 of an array that is not in one piece, or empty."""
    try:
        held: Any = array
        return ctypes.addressof(ctypes.c_char.from_buffer(memoryview(held)))
    except (TypeError, ValueError, BufferError, RuntimeError):
        return 0


def _make_unique(names: Mapping[int, str]) -> dict[int, str]:
    plain: dict[int, str] = {}
    for number, name in names.items():
        made = "".join(c if TENSOR_NAME.fullmatch(f"a{c}") else "_" for c in name)[:500] or "array"
        if not TENSOR_NAME.fullmatch(made):
            made = f"a{made}"
        if made in plain.values():
            made = f"{made}.{number}"
        plain[number] = made
    return plain
