"""Makes a graph of a function: traces it, writes the traces as one, and says where in the code it fails."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import EXPORT_FUNCTION, EXPORT_OPERATION, EXPORT_SIZE, Code, ExportRefused
from ostiary.exporter.array_bytes import find_place, is_same
from ostiary.exporter.locate import Wanted, locate_error, locate_operation, make_wanted
from ostiary.exporter.parts import Parts
from ostiary.exporter.refusals import CannotExpress, CannotFollow, CannotTrace, UnknownOperation
from ostiary.exporter.request import Sizes
from ostiary.exporter.still import SEEDS, is_unkeyed
from ostiary.exporter.subject import Subject
from ostiary.exporter.trace import Trace
from ostiary.exporter.translate import Differs, Symbols, translate
from ostiary.exporter.trials import choose_bindings
from ostiary.exporter.untraced import UNTRACED
from ostiary.exporter.whole import KEPT
from ostiary.exporter.writer import Written
from ostiary.graph.fields import TENSOR_NAME


@dataclass(frozen=True, slots=True)
class Names:
    title: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


def make_graph(subject: Subject, sizes: Sizes, names: Names) -> Written:
    """Raises ExportRefused, or what the function raises."""
    example = dict(sizes.example)
    with explained(subject, [example]):
        subject.trace_at(example)
        bindings = choose_bindings(subject, example, sizes.dims)
        traces = [subject.trace_at(binding, SEEDS[number % len(SEEDS)]) for number, binding in enumerate(bindings)]
    _refuse_unkeyed(subject, bindings[0], traces[0])
    with explained(subject, bindings, traces):
        symbols = Symbols(sizes.dims, sizes.axes, tuple(bindings))
        writer, outputs = translate(traces, symbols, names.inputs, _name_constants(traces[0], subject.parts))
        return writer.finish(names.title, list(zip(names.outputs, outputs, strict=True)))


@contextmanager
def explained(
    subject: Subject, bindings: Sequence[Mapping[str, int]], traces: Sequence[Trace] = ()
) -> Iterator[None]:
    """Turns what cannot be into a refusal that names the line. `traces`, if any, were made at `bindings`."""
    try:
        yield
    except UnknownOperation as error:
        where = locate_operation(subject, bindings[0], _make_named(error.name), error.name)
        name = quote_untrusted(error.name)
        clause, hint = f"graphs have no operation '{name}'", UNTRACED.get(error.name)
        raise _refuse(EXPORT_OPERATION, clause, where, name, hint) from error
    except CannotExpress as error:
        name, where = _find(subject, bindings[0], traces[:1], error.operation)
        code = EXPORT_SIZE if isinstance(error, CannotFollow) else EXPORT_OPERATION
        clause = f"{name}: {error}" if name else str(error)
        raise _refuse(code, clause, where, name, _tell_multiples(bindings)) from error
    except Differs as error:
        name, where = _find(subject, bindings[error.shown], [traces[error.shown]], error.operation)
        raise _refuse(EXPORT_SIZE, _tell_difference(error, list(bindings[0])), where, name) from error
    except CannotTrace as error:
        where = locate_error(error.__cause__) if error.__cause__ is not None else ""
        raise _refuse(EXPORT_FUNCTION, f"the function cannot be traced: {error}", where, "") from error


def _tell_difference(error: Differs, dims: Sequence[str]) -> str:
    if not dims:
        return "the function does something else each time"
    if error.other <= len(dims) or len(dims) == 1:
        name = dims[min(error.other, len(dims)) - 1]
        return f"what the function does depends on how large '{name}' is: by a loop over it, or a choice"
    return "what the function does depends on the sizes of its dims: by a loop over one, or a choice"


def _tell_multiples(bindings: Sequence[Mapping[str, int]]) -> str | None:
    """What to do where the function takes only some sizes, which is why only those were tried."""
    for name in bindings[0]:
        step = math.gcd(*(binding[name] for binding in bindings))
        if step > 1 and len(bindings) > 1:
            return (
                f"The function takes no sizes of '{name}' but multiples of {step}, which a graph cannot say: "
                "leave the dim out, so that its size is fixed."
            )
    return None


def _refuse(code: Code, clause: str, where: str, operation: str, hint: str | None = None) -> ExportRefused:
    message = f"{clause} ({where})" if where else clause
    return ExportRefused(code, message, hint=hint, operation=operation, where=where)


def _find(
    subject: Subject, binding: Mapping[str, int], shown: Sequence[Trace], operation: int | None
) -> tuple[str, str]:
    """The operation's name and where it comes from."""
    if not shown or operation is None or not 0 <= operation < len(shown[0].operations):
        return "", ""
    name = shown[0].operations[operation].name
    where = locate_operation(subject, binding, make_wanted(shown[0], operation), name)
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
    by_place = {place: item.name for item in reversed(parts.arrays) if (place := find_place(item.array))}
    for number, constant in enumerate(traced.constants):
        place = find_place(constant)
        name = by_place.get(place) if place else None
        if name is None and constant.size > 1:
            name = next((item.name for item in parts.arrays if is_same(item.array, constant)), None)
        if name is not None:
            names[number] = name
    return _make_unique(names)


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
