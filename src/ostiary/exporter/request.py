"""What somebody wants beside the function: which sizes vary, and what inputs and results are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from ostiary.core.limits import MAX_DIMENSION
from ostiary.core.text import quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import EXPORT_VALUE, USAGE, ExportRefused, Misuse
from ostiary.exporter.examples import Arguments
from ostiary.graph.fields import NAME
from ostiary.graph.parse_size import DIM_NAME
from ostiary.graph.values import Dim

AxisNames: TypeAlias = str | Mapping[int, str] | Sequence[str | None]
"""The dim of the first axis, or of each axis by its number, or of all axes in order with None for fixed ones."""
Dims: TypeAlias = str | Mapping[str, AxisNames]
"""The dim of every input's first axis, or the dims of each input by its name."""
Bounds: TypeAlias = Mapping[str, int | tuple[int, int | None]]
"""For each dim its greatest size, or its least and its greatest; None where there is no greatest."""

_ODD: Final = re.compile(r"[^A-Za-z0-9_.-]", re.ASCII)


@dataclass(frozen=True, slots=True)
class Sizes:
    """The dims of a function, and where they stand."""

    dims: tuple[Dim, ...]
    """By name."""
    axes: tuple[Mapping[int, str], ...]
    """For each input, the dims of its axes."""
    example: Mapping[str, int]
    """How large they are in the examples."""


def read_dims(dims: Dims | None, bounds: Bounds | None, arguments: Arguments) -> Sizes:
    """Raises Misuse."""
    asked: Mapping[str, AxisNames] = {}
    if isinstance(dims, str):
        places = zip(arguments.names, arguments.arrays, strict=True)
        asked = {name: {0: dims} for name, array in places if array.ndim}
    elif isinstance(dims, Mapping):
        asked = dims
    elif dims is not None:
        raise Misuse(USAGE, "dims is a name, or a mapping from the names of inputs")
    for name in asked:
        check_input(name, arguments, "dims")
    axes: list[dict[int, str]] = []
    example: dict[str, int] = {}
    for name, array in zip(arguments.names, arguments.arrays, strict=True):
        found = dict(_read_axes(name, asked[name], array.ndim)) if name in asked else {}
        axes.append(found)
        for axis, dim in found.items():
            if example.setdefault(dim, array.shape[axis]) != array.shape[axis]:
                raise Misuse(
                    USAGE,
                    f"dim '{dim}' is {example[dim]} and {array.shape[axis]} in the examples: it is one size "
                    "wherever it stands",
                )
    for dim in bounds or {}:
        if dim not in example:
            raise Misuse(USAGE, f"bounds has a dim '{quote_untrusted(str(dim))}' that no input has")
    found_dims = tuple(_read_bounds(name, example[name], bounds or {}) for name in sorted(example))
    return Sizes(found_dims, tuple(axes), {name: example[name] for name in sorted(example)})


def check_input(name: object, arguments: Arguments, what: str) -> None:
    """Raises Misuse where there is no input of that name."""
    if name not in arguments.names:
        known = quote_untrusted(", ".join(arguments.names))
        raise Misuse(USAGE, f"{what} names an input '{quote_untrusted(str(name))}'; there are: {known}")


def _read_axes(name: str, asked: AxisNames, rank: int) -> Iterable[tuple[int, str]]:
    if isinstance(asked, str):
        asked = {0: asked}
    pairs: Iterable[tuple[Any, Any]] = asked.items() if isinstance(asked, Mapping) else enumerate(asked)
    for axis, dim in pairs:
        if dim is None:
            continue
        if isinstance(axis, bool) or not isinstance(axis, int) or not -rank <= axis < rank:
            raise Misuse(
                USAGE,
                f"dims has an axis {quote_untrusted(str(axis))} of '{quote_untrusted(name)}', of {rank} axes",
            )
        if not isinstance(dim, str) or DIM_NAME.fullmatch(dim) is None:
            raise Misuse(
                USAGE,
                f"'{quote_untrusted(str(dim))}' is no name for a dim",
                hint="Take small letters, digits and '_', a letter first: batch, seq_len.",
            )
        yield axis % rank, dim


def _read_bounds(name: str, example: int, bounds: Bounds) -> Dim:
    given = bounds.get(name, (1, None))
    low, high = (1, given) if isinstance(given, int) else given
    if high is None:
        high = None if example <= MAX_DIMENSION else example
    if not 1 <= low <= (MAX_DIMENSION if high is None else high) <= MAX_DIMENSION:
        raise Misuse(USAGE, f"the bounds of dim '{name}' leave no size")
    if example < low or (high is not None and example > high):
        raise Misuse(USAGE, f"dim '{name}' is {example} in the examples, outside of its bounds")
    return Dim(name, low, high)


def name_inputs(arguments: Arguments) -> tuple[str, ...]:
    """As a contract may have them. Raises ExportRefused where two would be called the same."""
    return _make_plain(arguments.names, "input")


def name_outputs(found: Sequence[str], asked: str | Sequence[str] | None) -> tuple[str, ...]:
    """`found`: the name of each result in what the function returns, "" of an array alone. Raises Misuse."""
    if asked is None:
        return _make_plain([name or "output" for name in found], "output")
    names = (asked,) if isinstance(asked, str) else tuple(asked)
    if len(names) != len(found):
        raise Misuse(USAGE, f"outputs has {len(names)} names, and the function gives {len(found)} arrays")
    for name in names:
        if NAME.fullmatch(name) is None:
            raise Misuse(USAGE, f"'{quote_untrusted(name)}' is no name for an output")
    if len(set(names)) != len(names):
        raise Misuse(USAGE, "two outputs have one name")
    return names


def _make_plain(names: Sequence[str], kind: str) -> tuple[str, ...]:
    plain = []
    for name in names:
        made = _ODD.sub("_", name)
        plain.append(made if NAME.fullmatch(made) else f"{kind}.{made}"[:128])
    if len(set(plain)) != len(plain):
        raise ExportRefused(EXPORT_VALUE, f"two {kind}s would have the same name", hint="Give them plain names.")
    return tuple(plain)
