"""What `ostiary serve` tells: one line for each model, the address, and the first key, once. Never of a request."""

from __future__ import annotations

import traceback
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ostiary.cli import ui
from ostiary.cli.notes import Notes
from ostiary.cli.run_text import render_opened, render_warnings
from ostiary.cli.supervisor import tell_supervisor
from ostiary.core.text import quote_untrusted

if TYPE_CHECKING:
    from ostiary.gateway.serving import Told
    from ostiary.library.arguments import OpenProgress
    from ostiary.library.opening import Opened


_MOST_NOTICES: Final = 20


class Output:
    """Of one server."""

    def __init__(self, *, is_debug: bool) -> None:
        self._is_debug: Final = is_debug
        self._notes: Final = Notes()
        self._progress: Final = ui.Progress("verifying", self._notes.draw)
        self._read_bytes = 0
        self._opened: Final[dict[Opened, None]] = {}
        self._notices: Final[dict[str, None]] = {}
        """Of those that were closed meanwhile."""

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)
        if error is not None:
            self._notes.end()

    def told(self) -> Told:
        from ostiary.gateway.serving import Told

        return Told(
            self._tell_opened,
            self._tell_closed,
            self._tell_waiting,
            self._tell_first_key,
            self._tell_listening,
            self._tell_grpc,
            self._tell_failure,
            self._tell_note,
        )

    def tell_progress(self, told: OpenProgress) -> None:
        if told.stage == "verifying":
            if told.done_bytes < self._read_bytes or not self._read_bytes:
                self._read_bytes = 0
                self._progress.start(told.total_bytes)
            self._progress.advance(told.done_bytes - self._read_bytes)
            self._read_bytes = told.done_bytes
        else:
            self._progress.clear()

    def _tell_grpc(self, address: str) -> None:
        self._notes.say(f"ostiary: gRPC at {address}")

    def tell_end(self) -> None:
        for opened in tuple(self._opened):
            self._keep_notices(opened)
        for notice in self._notices:
            self._notes.say(f"ostiary: {notice}")
        self._notes.say("ostiary: stopped")
        self._notes.end()

    def _tell_opened(self, name: str, opened: Opened) -> None:
        self._progress.clear()
        self._opened[opened] = None
        if opened.has_new_record:
            self._notes.say("ostiary: a new record was begun; 'ostiary record --help' says what it is for")
        for line in render_warnings(opened.verdict):
            self._notes.say(line)
        limits = opened.verdict.limits
        tokens = "" if opened.function is not None else f"{limits['tokens']:,} tokens and "
        bounds = f"{tokens}{limits['wall_seconds']:,} s a request"
        workers = len(opened.standings)
        shared = "" if workers == 1 else f" by {workers} processes"
        self._notes.say(f"{render_opened(opened.verdict)}, {bounds}; served as {quote_untrusted(name)}{shared}")

    def _tell_closed(self, name: str, opened: Opened) -> None:
        self._keep_notices(opened)
        self._opened.pop(opened, None)
        which = quote_untrusted(opened.verdict.correlation_id)
        self._notes.say(f"ostiary: let go of opening {which}, served as {quote_untrusted(name)}")

    def _keep_notices(self, opened: Opened) -> None:
        for notice in opened.notices:
            if len(self._notices) < _MOST_NOTICES:
                self._notices[notice] = None

    def _tell_waiting(self, name: str) -> None:
        self._notes.say(f"ostiary: {quote_untrusted(name)} is loaded when somebody asks it")

    def _tell_first_key(self, key: str) -> None:
        self._notes.say("ostiary: the first key, which is shown this once and kept as a hash only:")
        self._notes.say(f"  {key}")

    def _tell_listening(self, address: str, connections: int) -> None:
        """The address is the result of the command, for whoever waits for it."""
        self._notes.begin()
        self._notes.say(
            f"ostiary: up to {connections:,} connections; SIGTERM or Ctrl-C stops it when every request had its end"
        )
        tell_supervisor("READY=1")  # it does, though nobody could be told where
        ui.out(f"listening at {address}")

    def _tell_note(self, line: str) -> None:
        self._notes.say(f"ostiary: {line}")

    def _tell_failure(self, error: BaseException) -> None:
        """Where it happened; never its text, which could have parts of a request in it."""
        if self._is_debug:
            frames = "".join(traceback.format_tb(error.__traceback__)).rstrip()
            self._notes.say(f"ostiary: unforeseen {type(error).__name__} in a request:\n{frames}")
