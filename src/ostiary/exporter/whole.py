"""Keeps calls of MLX's fast kernels whole while a function is traced.

On a processor MLX traces what such a kernel falls back to: a dozen small operations, the kernel's name lost. So for
the time of a trace, and for the thread that traces, the names in MLX lead here: the call is written down, and what
it gives is tied to its arguments by one operation (`Depends`) that carries the number of the note.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import mlx.core as mx

from ostiary.core.values import dataclass
from ostiary.exporter.refusals import CannotExpress
from ostiary.exporter.trace import Operation, Trace

KEPT: Final = "kept:"
"""Before the name of an operation that is a call kept whole, with its note as arguments."""
_TIE: Final = "Depends"
_FIRST: Final = 0x0517_1A51_0000_0000
"""Numbers that no function holds by chance."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """A function of MLX to keep whole: where it is, and its parameters in order."""

    owner: Any
    attribute: str
    name: str
    """Ours."""
    parameters: tuple[str, ...]
    defaults: Mapping[str, object]
    """Where they are not None."""
    is_traced_by_mlx: bool
    """Whether MLX can tell what it computes where the call is not kept whole."""


@dataclass(frozen=True, slots=True)
class Note:
    """One call: what was given beside arrays, and which parameters were arrays, in order."""

    name: str
    plain: Mapping[str, object]
    arrays: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    """Of these arrays, and of what came out: as the call had them, not as something around it maps them."""


_FAST: Final = (
    Kernel(mx.fast, "rms_norm", "rms_norm", ("x", "weight", "eps"), {}, is_traced_by_mlx=True),
    Kernel(mx.fast, "layer_norm", "layer_norm", ("x", "weight", "bias", "eps"), {}, is_traced_by_mlx=True),
    Kernel(
        mx.fast,
        "rope",
        "rope",
        ("a", "dims", "traditional", "base", "scale", "offset", "freqs"),
        {},
        is_traced_by_mlx=True,
    ),
    Kernel(
        mx.fast,
        "scaled_dot_product_attention",
        "scaled_dot_product_attention",
        ("q", "k", "v", "scale", "mask", "sinks", "force_fused"),
        {"force_fused": False},
        is_traced_by_mlx=True,
    ),
    Kernel(
        mx,
        "dequantize",
        "dequantize",
        ("w", "scales", "biases", "group_size", "bits", "mode", "global_scale", "dtype"),
        {"mode": "affine"},
        is_traced_by_mlx=False,
    ),
)
_SILENT: Final = (  # MLX does not tell the arguments of these
    Kernel(mx, "bitwise_invert", "bitwise_invert", ("a",), {}, is_traced_by_mlx=False),
    Kernel(mx.array, "__invert__", "bitwise_invert", ("a",), {}, is_traced_by_mlx=False),
    *(
        Kernel(
            owner,
            "logcumsumexp",
            "logcumsumexp",
            ("a", "axis", "reverse", "inclusive"),
            {"reverse": False, "inclusive": True},
            is_traced_by_mlx=False,
        )
        for owner in (mx, mx.array)
    ),
)


@contextmanager
def keep_whole(*, fast: bool) -> Iterator[list[Note]]:
    """Notes of the calls of this thread, by their numbers. Without `fast`, only what cannot be told otherwise."""
    notes: list[Note] = []
    kernels = (*_SILENT, *_FAST) if fast else _SILENT
    thread = threading.get_ident()
    names: list[tuple[Any, str]] = [(kernel.owner, kernel.attribute) for kernel in kernels]
    originals = [getattr(owner, name) for owner, name in names]
    checkpoint = mx.checkpoint
    try:
        for kernel, original in zip(kernels, originals, strict=True):
            setattr(kernel.owner, kernel.attribute, _stand_in(kernel, original, notes, thread))
        setattr(mx, "checkpoint", _compute_plainly)  # noqa: B010  mypy: it is a function
        yield notes
    finally:
        setattr(mx, "checkpoint", checkpoint)  # noqa: B010
        for (owner, name), original in zip(names, originals, strict=True):
            setattr(owner, name, original)


def _compute_plainly(function: Callable[..., Any]) -> Callable[..., Any]:
    """`mx.checkpoint` saves memory in training, and MLX does not tell what is within it."""
    return function


def _stand_in(kernel: Kernel, original: Callable[..., Any], notes: list[Note], thread: int) -> Callable[..., Any]:
    def call(*positional: Any, **named: Any) -> Any:
        result = original(*positional, **named)
        given = _bind(kernel, positional, named)
        if threading.get_ident() != thread or given is None or not isinstance(result, mx.array):
            return result
        arrays = {name: value for name, value in given.items() if isinstance(value, mx.array)}
        if not arrays or (kernel.name == "bitwise_invert" and result.dtype == mx.bool_):
            return result
        plain = {name: value for name, value in given.items() if name not in arrays}
        shapes = tuple(tuple(value.shape) for value in (*arrays.values(), result))
        notes.append(Note(kernel.name, plain, tuple(arrays), shapes))
        number = mx.array(_FIRST + len(notes) - 1, dtype=mx.int64)
        stands = result if kernel.is_traced_by_mlx else mx.zeros(result.shape, result.dtype)
        return mx.depends([stands], [*arrays.values(), number])[0]

    return call


def _bind(kernel: Kernel, positional: tuple[Any, ...], named: Mapping[str, Any]) -> dict[str, Any] | None:
    """Each parameter's value, in their order; None where the call has something that is not known here."""
    given = dict(zip(kernel.parameters, positional, strict=False))
    given |= {name: value for name, value in named.items() if name != "stream"}
    if len(positional) > len(kernel.parameters) or not given.keys() <= set(kernel.parameters):
        return None
    return {name: given[name] if name in given else kernel.defaults.get(name) for name in kernel.parameters}


def put_back(trace: Trace, notes: Sequence[Note]) -> Trace:
    """`trace` with the calls that were kept in place of what MLX made of them, and nothing that no output needs."""
    operations = [_read_tie(trace, operation, notes) or operation for operation in trace.operations]
    needed = set(trace.outputs)
    live = []
    for operation in reversed(operations):
        if not needed.isdisjoint(operation.outputs):
            needed |= set(operation.inputs)
            live.append(operation)
    live.reverse()
    constants = [number for number in range(len(trace.constants)) if trace.inputs + number in needed]
    kept = [*range(trace.inputs), *(trace.inputs + number for number in constants)]
    kept += [value for operation in live for value in operation.outputs]
    place = {value: position for position, value in enumerate(kept)}
    return Trace(
        types=tuple(trace.types[value] for value in kept),
        inputs=trace.inputs,
        constants=tuple(trace.constants[number] for number in constants),
        operations=tuple(
            Operation(
                operation.name,
                operation.arguments,
                tuple(place[value] for value in operation.inputs),
                tuple(place[value] for value in operation.outputs),
            )
            for operation in live
        ),
        outputs=tuple(place[value] for value in trace.outputs),
    )


def _read_tie(trace: Trace, operation: Operation, notes: Sequence[Note]) -> Operation | None:
    """The call that an operation ties together; None of any other operation."""
    if operation.name != _TIE:
        return None
    constant = operation.inputs[-1] - trace.inputs
    if not 0 <= constant < len(trace.constants):
        return None
    array = trace.constants[constant]
    held: Any = array.item() if array.shape == () and array.dtype == mx.int64 else 0
    number = held - _FIRST
    if not 0 <= number < len(notes):
        return None
    note, inputs = notes[number], operation.inputs[1:-1]
    if tuple(trace.types[value][1] for value in (*inputs, *operation.outputs)) != note.shapes:
        raise CannotExpress("a fast kernel is mapped over an axis")
    return Operation(KEPT + note.name, (note.plain, note.arrays), inputs, operation.outputs)
