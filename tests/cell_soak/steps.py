"""The steps that a cell goes through, each a place where something may be done to it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from ostiary.cell.fork_server import ForkServer
from ostiary.cell.loading import Loading
from ostiary.cell.process import CellProcess

STEPS: Final = (
    "fork",
    "watch",
    "content",
    "contents done",
    "first weights",
    "second weights",
    "finish",
    "tell",
    "ask",
    "answer",
    "close",
)
_SENT: Final = ("content", "contents done", "first weights", "second weights", "finish")


class Tripwire:
    """Does one thing when one step is reached, once. The cell's own methods are wrapped for as long as it lives."""

    def __init__(self) -> None:
        self._step = ""
        self._act: Callable[[], None] | None = None
        self._sent = 0
        self._undo: list[Callable[[], None]] = []
        self._wrap(ForkServer, "begin", lambda: self.reach("fork"))
        self._wrap(CellProcess, "start", lambda: self.reach("watch"))
        self._wrap(Loading, "_send", self._reach_next_send)
        self._wrap(CellProcess, "tell_started", lambda: self.reach("tell"))
        self._wrap(CellProcess, "submit", lambda: self.reach("ask"))
        self._wrap(CellProcess, "close", lambda: self.reach("close"))

    def set(self, step: str, act: Callable[[], None]) -> None:
        self._step, self._act, self._sent = step, act, 0

    def reach(self, step: str) -> None:
        if step == self._step and self._act is not None:
            act, self._act = self._act, None
            act()

    def remove(self) -> None:
        for undo in self._undo:
            undo()

    def _reach_next_send(self) -> None:
        if self._sent < len(_SENT):
            self.reach(_SENT[self._sent])
        self._sent += 1

    def _wrap(self, owner: type, name: str, before: Callable[[], None]) -> None:
        original = getattr(owner, name)

        def wrapped(*args: Any, **named: Any) -> Any:
            before()
            return original(*args, **named)

        setattr(owner, name, wrapped)
        self._undo.append(lambda: setattr(owner, name, original))
