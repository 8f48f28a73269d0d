"""Opens versions of models and closes them again, and tells the record of both. All of it waits: for threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from ostiary.admission import QueueBounds
from ostiary.core.text import quote_untrusted
from ostiary.errors import CELL_CLOSED, HOUSE_INTERNAL, Misuse, OstiaryError
from ostiary.gateway.served import ServedModel
from ostiary.library.opening import open_here
from ostiary.record.serving_events import ModelKept, ModelLoaded, ModelNotLoaded, ModelUnloaded

if TYPE_CHECKING:
    from ostiary.gateway.to_serve import ToServe
    from ostiary.library.opening import Opened
    from ostiary.record.events import Emit

TakeRoom: TypeAlias = Callable[[int], AbstractContextManager[None]]
Why: TypeAlias = Literal["start", "demand", "reload"]
_THREADS: Final = 16
"""Of each model, for what has to wait: a disk that takes an entry of the record, a worker that starts again."""


class Versions:
    """Of all models of one server. Any number of threads may use it."""

    def __init__(
        self,
        emit: Emit,
        correlation_id: str,
        *,
        on_opened: Callable[[str, Opened], None] = lambda *_: None,
        on_closed: Callable[[str, Opened], None] = lambda *_: None,
        on_note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """`correlation_id`: of the server."""
        self.queue = QueueBounds()
        """In front of each model that is opened from now on."""
        self._emit: Final = emit
        self._correlation_id: Final = correlation_id
        self._on_opened: Final = on_opened
        self._on_closed: Final = on_closed
        self._on_note: Final = on_note
        self._is_stopped: Final = threading.Event()

    def open(
        self, to_serve: ToServe, take_room: TakeRoom, why: Why, before: ServedModel | None = None
    ) -> ServedModel:
        """Raises the first room's no, which is in the record then."""
        tell = to_serve.options.on_progress if why == "start" else None

        options = replace(
            to_serve.options,
            take_room=take_room,
            check_wanted=self._check_wanted,
            starts_again=True,
            waits_for_release=why == "start",  # one of many does not keep the others from being served
            on_progress=tell,
        )
        if why != "start":
            options = replace(options, ask=None)  # nobody sits there any more
        opened = open_here(to_serve.path, options)
        try:
            self._emit(
                ModelLoaded(
                    correlation_id=self._correlation_id,
                    name=to_serve.name,
                    opened=opened.verdict.correlation_id,
                    root=opened.verdict.root,
                    why=why,
                    workers=options.workers,
                    memory_bytes=opened.memory_bytes,
                    replaces="" if before is None else before.verdict.correlation_id,
                )
            )
            self._on_opened(to_serve.name, opened)
        except BaseException:
            opened.close()
            raise
        threads = ThreadPoolExecutor(_THREADS, f"ostiary-{to_serve.name}")
        return ServedModel(to_serve.name, opened, int(time.time()), threads, self.queue)

    def close(self, model: ServedModel, why: str) -> None:
        """Raises what the record says."""
        try:
            model.opened.close()
        finally:
            model.threads.shutdown(wait=False)
            self._on_closed(model.name, model.opened)
        self._emit(
            ModelUnloaded(
                correlation_id=self._correlation_id,
                name=model.name,
                opened=model.verdict.correlation_id,
                why=why,
            )
        )

    def tell_kept(self, before: ServedModel, error: BaseException) -> None:
        self._emit(
            ModelKept(
                correlation_id=_correlate(error, self._correlation_id),
                name=before.name,
                opened=before.verdict.correlation_id,
                code=name_error(error),
            )
        )

    def tell_not_loaded(self, name: str, error: BaseException) -> None:
        message = error.message if isinstance(error, OstiaryError) else type(error).__name__
        self._on_note(f"{quote_untrusted(name, 80)} could not be loaded: {name_error(error)}: {message}")
        self._emit(
            ModelNotLoaded(
                correlation_id=_correlate(error, self._correlation_id), name=name, code=name_error(error)
            )
        )

    def _check_wanted(self) -> None:
        if self._is_stopped.is_set():
            raise Misuse(CELL_CLOSED, "the server was stopped")

    def stop(self) -> None:
        """What is being opened is given up as soon as may be."""
        self._is_stopped.set()


def name_error(error: BaseException) -> str:
    """Its code."""
    return error.code if isinstance(error, OstiaryError) else HOUSE_INTERNAL.name


def _correlate(error: BaseException, otherwise: str) -> str:
    """To what the rooms said of it."""
    found = error.correlation_id if isinstance(error, OstiaryError) else None
    return found or otherwise
