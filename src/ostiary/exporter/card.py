"""The card of an exported model: who made it and when, from which code, with what, and what they say of it."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import platform
import sys
import types
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from typing import Any, Final, TypedDict

from ostiary._version import __version__
from ostiary.core.function_limits import MAX_CARD_BYTES, MAX_CARD_TEXT_CHARACTERS, MAX_CARD_VALUES
from ostiary.core.json_text import JsonValue, parse_json_object
from ostiary.core.text import is_invisible, quote_untrusted
from ostiary.errors import USAGE, IntakeRefused, Misuse

CARD_FORMAT: Final = "ostiary.card"
CARD_VERSION: Final = 1


class Card(TypedDict, total=False):
    """What nobody but its maker can say of a model."""

    who: str
    """Who answers for it."""
    description: str
    license: str
    data: Any
    """What it was trained on: a text, or whatever JSON can hold."""
    metrics: Mapping[str, Any]
    """How well it does, by the names of the measures."""
    code: Mapping[str, str]
    """Where its code is, such as a repository and a revision."""
    notes: Any


_KNOWN: Final = Card.__annotations__.keys()


def make_card(name: str, function: Callable[..., Any], card: Card | None, when: datetime | str | None) -> bytes:
    """The bytes of card.json; the same for the same function, words and releases. Raises Misuse."""
    given: Mapping[str, Any] = card or {}
    for key in given:
        if key not in _KNOWN:
            raise Misuse(
                USAGE,
                f"a card has no '{quote_untrusted(str(key))}'",
                hint=f"There are {', '.join(_KNOWN)}; put what else there is to say under notes.",
            )
    stated = {
        "format": CARD_FORMAT,
        "version": CARD_VERSION,
        "name": name,
        "when": _read_when(when),
        "made_from": _describe_code(function),
        "dependencies": _list_dependencies(function),
        **given,
    }
    try:
        text = json.dumps(stated, sort_keys=True, indent=2, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise Misuse(USAGE, "the card holds something that JSON cannot") from error
    data = text.encode("utf-8", "replace") + b"\n"
    _check_readable(data)
    return data


def _check_readable(data: bytes) -> None:
    """What intake would not let in is better said now."""
    try:
        waiting: list[JsonValue] = [parse_json_object(data, max_bytes=MAX_CARD_BYTES, max_values=MAX_CARD_VALUES)]
    except IntakeRefused as error:
        raise Misuse(USAGE, f"the card could not be read again: {error.message}") from error
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += [*value, *value.values()]
        elif isinstance(value, list):
            waiting += value
        elif isinstance(value, str) and not _is_fit(value):
            most = int(MAX_CARD_TEXT_CHARACTERS)
            raise Misuse(USAGE, f"a text of the card is longer than {most} characters, or not visible")


def _is_fit(text: str) -> bool:
    return len(text) <= MAX_CARD_TEXT_CHARACTERS and not any(
        is_invisible(character) and character not in "\n\t" for character in text
    )


def _read_when(when: datetime | str | None) -> str | None:
    """None where nobody says: the clock would make every export another model."""
    if isinstance(when, datetime):
        if when.tzinfo is None:  # not of the machine's zone: the same words are the same time everywhere
            when = when.replace(tzinfo=UTC)
        return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if when is not None:
        try:
            return _read_when(datetime.fromisoformat(when))
        except (TypeError, ValueError) as error:
            raise Misuse(USAGE, "`when` is no time such as 2026-01-31T12:00:00Z") from error
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return None
    try:
        return _read_when(datetime.fromtimestamp(int(epoch), tz=UTC))
    except (ValueError, OverflowError, OSError) as error:
        raise Misuse(USAGE, "SOURCE_DATE_EPOCH is no number of seconds") from error


def _describe_code(function: Callable[..., Any]) -> dict[str, str]:
    """Its name and the digest of its source, and nothing of where that lies."""
    plain = _unwrap(function)
    described = {"function": f"{getattr(plain, '__module__', '?')}.{getattr(plain, '__qualname__', '?')}"}
    try:
        source = inspect.getsource(plain)
    except (OSError, TypeError):
        return described
    return {**described, "source_sha256": hashlib.sha256(source.encode()).hexdigest()}


def _unwrap(function: Any) -> Any:
    """A function, or the class of an object that can be called."""
    while hasattr(function, "func"):
        function = function.func
    if isinstance(function, types.MethodType):
        function = function.__func__
    return function if isinstance(function, types.FunctionType | type) else type(function)


def _list_dependencies(function: Callable[..., Any]) -> dict[str, str]:
    """Releases of what the function's file imports, and of what traced it."""
    found = {"ostiary": __version__, "python": platform.python_version(), "mlx": _find_release("mlx")}
    plain = _unwrap(function)
    file = sys.modules.get(getattr(plain, "__module__", ""))
    for value in vars(file).values() if file is not None else ():
        top = getattr(value, "__name__" if isinstance(value, types.ModuleType) else "__module__", None)
        name = top.partition(".")[0] if isinstance(top, str) else ""
        if name and name not in sys.stdlib_module_names and name not in found:
            found[name] = _find_release(name)
    return {name: release for name, release in found.items() if release}


def _find_release(name: str) -> str:
    try:
        return metadata.version(name)
    except (metadata.PackageNotFoundError, ValueError):
        return ""
