"""What is known of a value in a template without rendering it: its kind, sometimes itself, and how large it gets.

Operations are carried out only where both sides are known and the result is small; otherwise sizes are added up,
and one that passes its ceiling refuses the template.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Final, TypeAlias

from ostiary.core.findings import refuse
from ostiary.core.limits import (
    MAX_TEMPLATE_GROWTH,
    MAX_TEMPLATE_NUMBER_BITS,
    MAX_TEMPLATE_OUTPUT,
    MAX_TEMPLATE_RANGE,
    MAX_TEMPLATE_WIDTH,
)
from ostiary.core.values import dataclass
from ostiary.intake.rules.template import TEMPLATE_UNBOUNDED_TEXT, TEMPLATE_UNBOUNDED_WORK

Number: TypeAlias = int | float
Value: TypeAlias = "str | int | float | bool | list[Value] | None"

SMALL: Final = 512
"""Characters or items up to which a value is kept, to see what it spells; each step may look at all of it."""


class Kind(Enum):
    TEXT = "text"
    LIST = "list"
    NUMBER = "number"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Estimate:
    """`size`: characters or items there are at least. `times`: how often what comes from outside stands in it."""

    kind: Kind = Kind.OTHER
    is_known: bool = False
    value: Value = None
    size: int = 0
    times: int = 1


UNKNOWN: Final = Estimate()


def estimate_of(value: Value) -> Estimate:
    """A value that is known."""
    match value:
        case str():
            return Estimate(Kind.TEXT, len(value) <= SMALL, value if len(value) <= SMALL else None, len(value), 0)
        case list():
            return Estimate(Kind.LIST, len(value) <= SMALL, value if len(value) <= SMALL else None, len(value), 0)
        case bool() | None:
            return Estimate(Kind.OTHER, True, value, 0, 0)
        case int() | float():
            check_number(value)
            return Estimate(Kind.NUMBER, True, value, 0, 0)


def text_of(estimate: Estimate) -> str | None:
    return estimate.value if estimate.is_known and isinstance(estimate.value, str) else None


def number_of(estimate: Estimate) -> Number | None:
    known = estimate.is_known and isinstance(estimate.value, int | float) and not isinstance(estimate.value, bool)
    return estimate.value if known and isinstance(estimate.value, int | float) else None


def check_number(value: Number) -> None:
    if isinstance(value, int) and value.bit_length() > MAX_TEMPLATE_NUMBER_BITS:
        raise refuse(TEMPLATE_UNBOUNDED_TEXT, f"a number of {value.bit_length()} bits")


def check_size(size: int, times: int = 0) -> None:
    if size > MAX_TEMPLATE_OUTPUT:
        raise refuse(TEMPLATE_UNBOUNDED_TEXT, f"a fixed text or list of {describe_size(size)}")
    if times > MAX_TEMPLATE_GROWTH:
        raise refuse(TEMPLATE_UNBOUNDED_TEXT, f"what it is given is repeated {describe_size(times)} times")


def describe_size(size: int) -> str:
    """Also numbers that would be slow to print."""
    return str(size) if size.bit_length() <= MAX_TEMPLATE_NUMBER_BITS else f"2**{size.bit_length() - 1}"


def grown(kind: Kind, parts: Sequence[Estimate]) -> Estimate:
    """Parts behind one another."""
    size, times = sum(part.size for part in parts), sum(part.times for part in parts)
    check_size(size, times)
    return Estimate(kind, False, None, size, times)


def join_texts(parts: Sequence[Estimate]) -> Estimate:
    """`a ~ b ~ c`: always a text."""
    if all(part.is_known and not isinstance(part.value, list) for part in parts):
        check_size(sum(part.size for part in parts))
        return estimate_of("".join(str(part.value) for part in parts))
    return grown(Kind.TEXT, parts)


def add(left: Estimate, right: Estimate) -> Estimate:
    if left.is_known and right.is_known:
        match left.value, right.value:
            case (str() as one, str() as other):
                return estimate_of(one + other)
            case (list() as first, list() as second):
                return estimate_of([*first, *second])
    if left.kind is Kind.NUMBER and right.kind is Kind.NUMBER:
        return calculate("+", left, right)
    for kind in (Kind.TEXT, Kind.LIST):
        if kind in (left.kind, right.kind):
            return grown(kind, (left, right))
    return grown(Kind.OTHER, (left, right)) if left.times + right.times > 1 else UNKNOWN


def multiply(left: Estimate, right: Estimate) -> Estimate:
    if right.kind in (Kind.TEXT, Kind.LIST):
        left, right = right, left
    if left.kind not in (Kind.TEXT, Kind.LIST):
        return calculate("*", left, right)
    count = number_of(right)
    if not isinstance(count, int) or count < 0:
        return Estimate(left.kind, times=left.times)
    size = max(left.size, 1) * count
    check_size(size, left.times * count)
    if left.is_known and size <= SMALL:
        match left.value:
            case str() as text:
                return estimate_of(text * count)
            case list() as items:
                return estimate_of(items * count)
    return Estimate(left.kind, False, None, size, left.times * count)


_ARITHMETIC: Final[Mapping[str, Callable[[Number, Number], Number]]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "//": lambda a, b: a // b,
    "%": lambda a, b: a % b,
}


def calculate(operator: str, left: Estimate, right: Estimate) -> Estimate:
    one, other = number_of(left), number_of(right)
    if one is None or other is None:
        return UNKNOWN
    try:
        return estimate_of(_ARITHMETIC[operator](one, other))
    except (ArithmeticError, ValueError):
        return UNKNOWN


def power(left: Estimate, right: Estimate) -> Estimate:
    base, exponent = number_of(left), number_of(right)
    if exponent is None:
        return UNKNOWN
    bits = base.bit_length() if isinstance(base, int) else 2
    if isinstance(exponent, int) and not isinstance(base, float) and bits > 1:
        check_power(bits, exponent)
    if base is None:
        return UNKNOWN
    try:
        result = base**exponent
    except (ArithmeticError, ValueError):
        return UNKNOWN
    return estimate_of(result) if isinstance(result, int | float) else UNKNOWN


def check_power(bits: int, exponent: int) -> None:
    if exponent > MAX_TEMPLATE_NUMBER_BITS or (bits - 1) * exponent > MAX_TEMPLATE_NUMBER_BITS:
        raise refuse(TEMPLATE_UNBOUNDED_TEXT, f"a power with the exponent {describe_size(exponent)}")


def estimate_range(arguments: Sequence[Estimate]) -> Estimate:
    """`range(...)`: how long it is, where its bounds are known."""
    bounds = [number_of(argument) for argument in arguments]
    if not 1 <= len(bounds) <= 3:
        return Estimate(Kind.LIST)
    whole = [bound for bound in bounds if isinstance(bound, int)]
    if len(whole) != len(bounds) or (len(whole) == 3 and whole[2] == 0):
        return Estimate(Kind.LIST)
    numbers = range(*whole)
    rounds = max(0, -((numbers.start - numbers.stop) // numbers.step))
    if rounds > MAX_TEMPLATE_RANGE:
        raise refuse(TEMPLATE_UNBOUNDED_WORK, f"a range of {describe_size(rounds)} numbers")
    return Estimate(Kind.LIST, False, None, rounds, 0)


_PERCENT: Final = re.compile(r"%(?:\([^()]*\))?[-+ #0]*(\*|\d+)?(?:\.(\*|\d+))?")
_FIELD: Final = re.compile(r"\{[^{}]*:[^{}]*?(\d{4,})")
_NESTED_FIELD: Final = re.compile(r"\{[^{}]*:[^{}]*\{")


def check_percent_format(pattern: str, arguments: Sequence[Estimate]) -> None:
    """`'%9s' % x`: widths that stand in the text, or come as arguments where it says '*'."""
    widths = [width for match in _PERCENT.finditer(pattern) for width in match.groups() if width]
    _check_widths([int(width[:20]) for width in widths if width.isdecimal()])
    if "*" in widths:
        _check_arguments(arguments)


def check_brace_format(pattern: str, arguments: Sequence[Estimate]) -> None:
    """`'{:>9}'.format(x)`, also with a width that is a field itself."""
    _check_widths([int(match[1][:20]) for match in _FIELD.finditer(pattern)])
    if _NESTED_FIELD.search(pattern):
        _check_arguments(arguments)


def check_width_arguments(arguments: Sequence[Estimate]) -> None:
    """Arguments of padding, indenting and the like."""
    _check_arguments(arguments)


def _check_arguments(arguments: Sequence[Estimate]) -> None:
    _check_widths([width for argument in arguments if (width := number_of(argument)) is not None])
    for argument in arguments:
        if argument.kind is Kind.TEXT:
            _check_widths([argument.size])


def _check_widths(widths: Sequence[Number]) -> None:
    for width in widths:
        if width > MAX_TEMPLATE_WIDTH:
            shown = describe_size(width) if isinstance(width, int) else str(width)
            raise refuse(TEMPLATE_UNBOUNDED_TEXT, f"a width or length of {shown}")
