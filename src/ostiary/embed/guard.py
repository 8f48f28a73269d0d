"""Keeps what MLX raises from leaving as it is: mapped to our tree, recorded, its text left to the developer."""

from __future__ import annotations

import functools
import inspect
import secrets
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn, Self, TypeVar, cast

from ostiary import errors
from ostiary.core.text import quote_untrusted
from ostiary.embed.arguments import PathName
from ostiary.embed.checks import Check, Unfit
from ostiary.embed.failures import convert_failure, find_first, is_foreign, name_class
from ostiary.errors import USAGE, EmbedFailed, EmbedRefused, Misuse, OstiaryError
from ostiary.record.begin import open_log
from ostiary.record.embed_events import WorkFailed, WorkRefused
from ostiary.record.events import Emit, Event

Work = TypeVar("Work", bound=Callable[..., Any])
Checks = Check | Sequence[Check]
_UNNAMED: Final = "work"


def guard(
    name: str | None = None,
    *,
    check: Mapping[str, Checks] | None = None,
    emit: Emit | None = None,
    state: PathName | None = None,
) -> Guard:
    """For `with`, `async with`, and as a decorator of functions, coroutines and generators of both kinds.

    `name`: what the record calls the work; a decorated function's own name otherwise. `check`: argument of the
    decorated function to a check or several, before it is called. `emit`: where events go instead of the record
    in `state`, or in its usual place; it is opened when there is something to write.

    What MLX raises within is raised as EmbedFailed or EmbedOutOfMemory, `from` the exception. Errors of Ostiary and
    exceptions of the application's own classes pass.
    """
    if callable(name):
        raise Misuse(USAGE, "guard is called to decorate: @guard()")
    return Guard(name, dict(check or {}), emit, None if state is None else Path(state))


class Guard:
    """Use `guard`. Any number of threads and tasks may be within one at once."""

    def __init__(
        self, name: str | None, checks: Mapping[str, Checks], emit: Emit | None, state: Path | None
    ) -> None:
        self._name: Final = name
        self._checks: Final = checks
        self._emit: Final = emit
        self._state: Final = state

    def check(self, value: object, *checks: Check, field: str = "value") -> None:
        """Look at one value. Raises EmbedRefused."""
        self._check(field, value, checks, self._name or _UNNAMED)

    def __enter__(self) -> Self:
        if self._checks:
            raise Misuse(USAGE, "a check by name is for a decorated function: within `with`, call `check`")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        name = self._name or _UNNAMED
        if error is not None and is_foreign(error):
            self._fail(error, name)
        if isinstance(error, BaseExceptionGroup):
            self._fail_in_group(error, name)

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)

    def __call__(self, work: Work) -> Work:
        name = self._name or str(getattr(work, "__name__", _UNNAMED))
        signature = inspect.signature(work)
        for argument in self._checks:
            if argument not in signature.parameters:
                raise Misuse(USAGE, f"{quote_untrusted(name)} has no argument {quote_untrusted(argument)} to check")
        within = Guard(name, {}, self._emit, self._state)

        def look(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            if self._checks:
                given = signature.bind(*args, **kwargs)
                given.apply_defaults()
                for argument, checks in self._checks.items():
                    several = [checks] if callable(checks) else checks
                    self._check(argument, given.arguments[argument], several, name)

        return cast("Work", _wrap(work, within, look))

    def _check(self, field: str, value: object, checks: Sequence[Check], name: str) -> None:
        try:
            for check in checks:
                check(value)
        except Unfit as unfit:
            refusal = EmbedRefused(errors.EMBED_INPUT, f"{quote_untrusted(field)}: {unfit}", field=field)
            refusal.correlation_id = secrets.token_hex(8)
            self._tell(
                WorkRefused(
                    correlation_id=refusal.correlation_id,
                    name=quote_untrusted(name),
                    code=refusal.code,
                    field=quote_untrusted(field),
                ),
                refusal,
            )
            raise refusal from unfit
        except BaseException as error:
            if not is_foreign(error):
                raise
            self._fail(error, name)

    def _fail_in_group(self, group: BaseExceptionGroup[BaseException], name: str) -> None:
        """What a TaskGroup gathered: all that is MLX's becomes one error of ours, what else there is stays."""
        foreign, others = group.split(is_foreign)
        if foreign is None:
            return
        failed = self._convert(find_first(foreign), name)
        if others is None:
            raise failed from group
        raise others.derive([failed, *others.exceptions]) from group

    def _fail(self, error: BaseException, name: str) -> NoReturn:
        raise self._convert(error, name) from error

    def _convert(self, error: BaseException, name: str) -> EmbedFailed:
        failed = convert_failure(error)
        failed.correlation_id = secrets.token_hex(8)
        self._tell(
            WorkFailed(
                correlation_id=failed.correlation_id,
                name=quote_untrusted(name),
                code=failed.code,
                raised=name_class(error),
                detail=failed.message,
            ),
            failed,
        )
        return failed

    def _tell(self, event: Event, told: OstiaryError) -> None:
        """What happened has happened: where it cannot be recorded, the error says so and is raised all the same."""
        try:
            if self._emit is not None:
                self._emit(event)
            else:
                with open_log(self._state) as log:
                    log.emit(event)
        except OstiaryError as error:
            told.correlation_id = None
            told.add_note(f"It could not be recorded: {error}")


def _wrap(work: Callable[..., Any], within: Guard, look: Callable[[Any, Any], None]) -> Callable[..., Any]:
    if inspect.isasyncgenfunction(work):

        @functools.wraps(work)
        async def iterate(*args: Any, **kwargs: Any) -> AsyncIterator[Any]:
            look(args, kwargs)
            pieces = work(*args, **kwargs)
            try:
                with within:
                    async for piece in pieces:
                        yield piece
            finally:
                await pieces.aclose()

        return iterate
    if inspect.iscoroutinefunction(work):

        @functools.wraps(work)
        async def wait(*args: Any, **kwargs: Any) -> Any:
            look(args, kwargs)
            with within:
                return await work(*args, **kwargs)

        return wait
    if inspect.isgeneratorfunction(work):

        @functools.wraps(work)
        def generate(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
            look(args, kwargs)
            with within:
                return (yield from work(*args, **kwargs))

        return generate

    @functools.wraps(work)
    def call(*args: Any, **kwargs: Any) -> Any:
        look(args, kwargs)
        with within:
            made = work(*args, **kwargs)
        return _guard_iterator(made, within) if inspect.isgenerator(made) else made

    return call


def _guard_iterator(pieces: Iterator[Any], within: Guard) -> Iterator[Any]:
    """What a function returns instead of being a generator itself, as MLX-LM's do."""
    with within:
        yield from pieces
