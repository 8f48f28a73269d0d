"""How the model goes into a worker: the small files, then one weights file after the other, each to its end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from ostiary.cell.answers import parse_error
from ostiary.cell.fork_server import not_started
from ostiary.cell.interrupts import Condition
from ostiary.cell.pump import Pump
from ostiary.core.frames import (
    Frame,
    FrameMalformed,
    FromWorker,
    JsonObject,
    Tail,
    ToWorker,
    encode_frame,
)
from ostiary.core.text import explain_os_error
from ostiary.core.tickets import SealedModel, SealedWeights
from ostiary.errors import OstiaryError

_MARGIN_SECONDS: Final = 5.0


class Loading:
    """One worker's. The starting thread sends and waits, the pump's thread takes what the worker says."""

    def __init__(self, engine: str, seconds: float) -> None:
        self._engine: Final = engine
        self._changed: Final = Condition()
        self._left = seconds
        self._until: float | None = None
        self._sent = 0
        self._taken = 0
        self._is_all_sent = False
        self._facts: JsonObject | None = None
        self._refusal: OstiaryError | None = None
        self._is_broken = False

    def is_overdue(self, now: float) -> bool:
        """Whether the worker has kept us waiting for longer than it may. Our own reading does not count."""
        until = self._until
        return until is not None and now > until

    def extend(self, seconds: float) -> None:
        if self._until is not None:
            self._until += seconds

    @property
    def is_done(self) -> bool:
        return self._facts is not None

    def run(self, sealed: SealedModel, pump: Pump) -> JsonObject | None:
        """What the engine says of the model; None where the worker ended. Raises what the engine refuses it with,
        and whatever the vault says.
        """
        with self._waiting():
            for path, data in sorted(sealed.contents.items()):
                self._send(pump, ToWorker.CONTENT, {"path": path}, data)
            self._send(pump, ToWorker.CONTENTS_DONE)
        opened = sealed.open_weights()
        try:
            for weights in opened:
                if self._is_broken:
                    weights.close()
                    return None
                self._pass_on(weights, pump)
        finally:
            if hasattr(opened, "close"):
                opened.close()  # a generator may hold files that are ahead
        with self._waiting():
            self._is_all_sent = True
            self._send(pump, ToWorker.FINISH)
            self._wait(lambda: self._facts is not None)
        return self._facts

    def stop(self) -> None:
        """The worker ended."""
        with self._changed:
            self._is_broken = True
            self._changed.notify_all()

    def take(self, frame: Frame, body: JsonObject) -> None:
        """Raises FrameMalformed where this does not belong here."""
        with self._changed:
            if self._facts is not None or self._refusal is not None:
                raise FrameMalformed("a frame at the wrong time")
            if frame.kind == FromWorker.TAKEN and self._taken < self._sent:
                self._taken += 1
            elif frame.kind == FromWorker.READY and self._is_all_sent:
                facts = body.get("facts")
                if body.get("engine") != self._engine or not isinstance(facts, dict):
                    raise FrameMalformed("what it says of the model is not a description")
                self._facts = facts
            elif frame.kind == FromWorker.ERROR:
                self._refusal = parse_error(body, is_loading=True)
            else:
                raise FrameMalformed("a frame at the wrong time")
            self._changed.notify_all()

    def _pass_on(self, weights: SealedWeights, pump: Pump) -> None:
        try:
            with self._waiting():
                body: JsonObject = {"path": weights.entry.path, "size": weights.entry.size}
                self._sent += 1
                self._send(pump, ToWorker.WEIGHTS, body, descriptors=(_duplicate(weights.descriptor),))
                self._wait(lambda: self._taken == self._sent)
            if not self._is_broken:
                weights.finish()
        finally:
            weights.close()

    @contextmanager
    def _waiting(self) -> Iterator[None]:
        """Time runs only inside."""
        self._until = time.monotonic() + self._left
        try:
            yield
        finally:
            self._left = max(0.0, self._until - time.monotonic())
            self._until = None

    def _send(
        self,
        pump: Pump,
        kind: int,
        body: JsonObject | None = None,
        tail: Tail = b"",
        *,
        descriptors: Sequence[int] = (),
    ) -> None:
        until = time.monotonic() + self._left + _MARGIN_SECONDS  # who is overdue is ended before
        if not pump.send(encode_frame(kind, 0, body, tail), descriptors=descriptors, until=until):
            self._wait(lambda: False)

    def _wait(self, is_there: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: is_there() or self._is_broken or self._refusal is not None)
            if self._refusal is not None:
                raise self._refusal


def _duplicate(descriptor: int) -> int:
    try:
        return os.dup(descriptor)
    except OSError as error:
        raise not_started(explain_os_error(error)) from error
