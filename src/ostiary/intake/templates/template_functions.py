"""Filters and methods: what they give where that is known, and whether it stays small."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from ostiary.intake.templates.template_estimate import (
    SMALL,
    UNKNOWN,
    Estimate,
    Kind,
    Value,
    check_brace_format,
    check_percent_format,
    check_size,
    check_width_arguments,
    estimate_of,
    text_of,
)

_WIDE: Final = frozenset(
    "center ljust rjust zfill indent batch slice round expandtabs tojson pprint lipsum to_bytes wordwrap".split()
)
"""Their numbers and texts are widths, lengths or paddings."""
_TO_TEXT: Final = frozenset(
    "string lower upper capitalize title trim strip lstrip rstrip tojson escape e safe forceescape urlencode"
    " striptags truncate wordwrap urlize pprint filesizeformat casefold swapcase".split()
)
_TO_LIST: Final = frozenset({"list", "reverse", "sort", "map", "items", "copy"})
"""They give as many items as there were."""
_PLAIN: Final[Mapping[str, Callable[[str], Value]]] = {
    "string": str,
    "lower": str.lower,
    "upper": str.upper,
    "casefold": str.casefold,
    "swapcase": str.swapcase,
    "capitalize": str.capitalize,
    "title": str.title,
    "trim": str.strip,
    "strip": str.strip,
    "lstrip": str.lstrip,
    "rstrip": str.rstrip,
    "safe": str,
    "list": list,
    "reverse": lambda text: text[::-1],
    "first": lambda text: text[:1],
    "last": lambda text: text[-1:],
    "length": len,
    "count": len,
}


def estimate_method(
    name: str, base: Estimate, arguments: Sequence[Estimate], keywords: Mapping[str, Estimate]
) -> Estimate:
    """`base|name(...)` or `base.name(...)`."""
    given = [*arguments, *keywords.values()]
    if name in _WIDE:
        check_width_arguments(given)
    if name == "replace":
        return _replace(base, given)
    if name == "join":
        return _join(base, given)
    text = text_of(base)
    if text is not None and not given and name in _PLAIN:
        return estimate_of(_PLAIN[name](text))
    if base.is_known and isinstance(base.value, list) and not given:
        return _of_list(name, base.value, base)
    if name in _TO_TEXT:
        return Estimate(Kind.TEXT, False, None, base.size, base.times)
    if name in _TO_LIST:
        return Estimate(Kind.LIST, False, None, base.size, base.times)
    return UNKNOWN


def _of_list(name: str, items: list[Value], base: Estimate) -> Estimate:
    if name in ("first", "last") and items:
        return estimate_of(items[0 if name == "first" else -1])
    if name == "reverse":
        return estimate_of(items[::-1])
    return base if name == "list" else UNKNOWN


def _replace(base: Estimate, given: Sequence[Estimate]) -> Estimate:
    """What replaces may be longer than what is replaced, and the next filter may do it again."""
    if len(given) < 2:
        return Estimate(Kind.TEXT, False, None, 0, base.times)
    old, new = text_of(given[0]), text_of(given[1])
    check_width_arguments(given[1:2])
    if old is None or new is None:
        return Estimate(Kind.TEXT, False, None, 0, base.times)
    factor = max(1, -(-len(new) // len(old)) if old else len(new) + 1)
    text = text_of(base)
    if text is not None and len(text) * factor <= SMALL:
        return estimate_of(text.replace(old, new))
    check_size(0, base.times * factor)
    return Estimate(Kind.TEXT, False, None, 0, base.times * factor)


def _join(base: Estimate, given: Sequence[Estimate]) -> Estimate:
    """Both `list|join(separator)` and `separator.join(list)`."""
    parts, separator = (base, given[0] if given else estimate_of(""))
    if parts.kind is Kind.TEXT and separator.kind is Kind.LIST:
        parts, separator = separator, parts
    check_width_arguments([separator] if separator.kind is Kind.TEXT else ())
    glue = text_of(separator)
    if glue is not None and parts.is_known and isinstance(parts.value, list | str):
        items = list(parts.value)
        if all(isinstance(item, str | int) for item in items):
            check_size(len(glue) * len(items) + sum(len(str(item)) for item in items))
            return estimate_of(glue.join(str(item) for item in items))
    size = parts.size * max(separator.size, 1) if separator.kind is Kind.TEXT else parts.size
    check_size(size, parts.times)
    return Estimate(Kind.TEXT, False, None, size, parts.times)


def estimate_format(base: Estimate, arguments: Sequence[Estimate], *, is_percent: bool) -> Estimate:
    """`'%s' % x` and `'%s'|format(x)`, or `'{}'.format(x)`."""
    pattern = text_of(base)
    if pattern is None:
        return Estimate(Kind.TEXT, False, None, 0, max(1, sum(argument.times for argument in arguments)))
    if is_percent:
        check_percent_format(pattern, arguments)
    else:
        check_brace_format(pattern, arguments)
    known = [argument.value for argument in arguments]
    is_plain = all(argument.is_known and isinstance(argument.value, str | int) for argument in arguments)
    if is_percent and is_plain and pattern.count("%") * 10_000 <= 100_000:
        try:
            return estimate_of(pattern % tuple(known))
        except (TypeError, ValueError, OverflowError, KeyError):
            return UNKNOWN
    if not is_percent and is_plain and "{" in pattern and not any(mark in pattern for mark in ":!.["):
        try:
            return estimate_of(pattern.format(*known))
        except (IndexError, KeyError, ValueError):
            return UNKNOWN
    return Estimate(Kind.TEXT, False, None, 0, 1)
