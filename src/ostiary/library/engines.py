"""Which engines run models that are opened here: for texts, for functions, or what a test put in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ostiary.core.frames import JsonObject
from ostiary.core.requests import ParsedRequest
from ostiary.core.values import dataclass

LANGUAGE: Final = "language"
FUNCTION: Final = "function"
ARITHMETIC: Final = ("fast", "plain")


def _look_away(_request: ParsedRequest) -> None:
    pass


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """An engine by its name, with its settings."""

    name: str
    settings: JsonObject
    observe: Callable[[ParsedRequest], None] = _look_away
    """Told of each request, for tests."""


_instead: Final[list[EngineChoice]] = []


def choose_engine(
    adapter: str | None = None, context_tokens: int | None = None, arithmetic: str | None = None
) -> EngineChoice:
    """With what the language engine is to be told."""
    if _instead:
        return _instead[-1]
    settings = {"adapter": adapter, "context_tokens": context_tokens, "arithmetic": arithmetic}
    return EngineChoice(LANGUAGE, {name: value for name, value in settings.items() if value is not None})


def choose_function_engine(arithmetic: str | None = None) -> EngineChoice:
    """With what the function engine is to be told."""
    if _instead:
        return _instead[-1]
    return EngineChoice(FUNCTION, {} if arithmetic is None else {"arithmetic": arithmetic})


@contextmanager
def use_instead(choice: EngineChoice) -> Iterator[None]:
    """For every model that is opened meanwhile, in this whole process."""
    _instead.append(choice)
    try:
        yield
    finally:
        _instead.remove(choice)
