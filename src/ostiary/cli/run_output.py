"""What `ostiary run` tells while it works: the answer on one side, how it comes about on the other."""

from __future__ import annotations

import json
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

from ostiary.cli import ui
from ostiary.cli.run_function import (
    Computed,
    describe_computed,
    render_computed,
    render_outputs,
    render_written,
    to_line,
)
from ostiary.cli.run_text import (
    describe_answer,
    describe_cancelled,
    describe_error,
    describe_opened,
    describe_piece,
    render_advice,
    render_cost,
    render_hold,
    render_opened,
    render_warnings,
)
from ostiary.cli.terminal_text import TerminalText
from ostiary.errors import OstiaryError

if TYPE_CHECKING:
    from ostiary.core.requests import Piece
    from ostiary.library.arguments import OpenProgress
    from ostiary.library.model import Stream
    from ostiary.library.opening import Opened

_WORTH_SAYING_BYTES: Final = 100_000_000
"""Less is loaded before anybody has read that it is."""


class Output:
    """Of one run."""

    def __init__(self, *, is_json: bool, is_quiet: bool, is_chat: bool) -> None:
        self._is_json: Final = is_json
        self._is_chat: Final = is_chat
        self._is_quiet: Final = is_quiet or is_json
        self._terminal: Final = TerminalText() if ui.is_terminal() and not is_json else None
        self._progress: Final = ui.Progress("verifying")
        self._read_bytes = 0
        self._is_line_open = False

    def __enter__(self) -> Self:
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, trace)

    def tell_progress(self, told: OpenProgress) -> None:
        if self._is_quiet:
            return
        if told.stage == "verifying":
            if not self._read_bytes:
                self._progress.start(told.total_bytes)
            self._progress.advance(max(0, told.done_bytes - self._read_bytes))
            self._read_bytes = told.done_bytes
        elif told.stage == "loading" and told.total_bytes > _WORTH_SAYING_BYTES:
            self._progress.say(f"loading {ui.render_bytes(told.total_bytes)} behind the wall ...")
        else:
            self._progress.clear()

    def tell_opened(self, opened: Opened) -> None:
        self._progress.clear()
        if opened.has_new_record and not self._is_quiet:
            ui.note("ostiary: a new record was begun; 'ostiary record --help' says what it is for")
        for line in render_warnings(opened.verdict):
            ui.note(line)
        if self._is_json:
            ui.out(_line(describe_opened(opened.verdict)))
        if not self._is_quiet:
            ui.note(render_opened(opened.verdict))

    def show(self, stream: Stream) -> None:
        """Every piece as it comes. Stops asking where whoever read it went away."""
        for piece in stream:
            if not self._show_piece(piece):
                return

    def show_computed(self, computed: Computed) -> None:
        """The outputs of a function that no file was named for."""
        if not self._is_json:
            for text in render_outputs(computed):
                ui.out(text)

    def tell_end(self, opened: Opened, stream: Stream | None, computed: Computed | None = None) -> None:
        """Whatever it was that ended it. The model is closed by now."""
        self._end_line()
        for notice in opened.notices:
            ui.note(f"ostiary: {notice}")
        peak = None if opened.ended is None else opened.ended.peak_bytes
        if computed is not None:
            self._tell_computed(opened, computed, peak)
        if stream is None:
            return
        if self._is_json:
            if stream.is_finished:
                ui.out(_line(describe_answer(stream.result, peak)))
            elif stream.is_cancelled:
                ui.out(_line(describe_cancelled(stream)))
        if self._is_quiet:
            return
        ui.note(render_cost(stream))
        ui.note(render_hold(opened, peak))
        advice = render_advice(opened.claimed_facts, is_chat=self._is_chat)
        if advice:
            ui.note(advice)

    def _tell_computed(self, opened: Opened, computed: Computed, peak: int | None) -> None:
        if self._is_json:
            ui.out(to_line(describe_computed(computed, peak)))
        if self._is_quiet:
            return
        for line in (*render_written(computed), render_computed(computed), render_hold(opened, peak)):
            ui.note(line)

    def tell_error(self, error: OstiaryError) -> None:
        self._end_line()
        if self._is_json:
            ui.out(_line(describe_error(error)))
            error.is_told = True

    def _show_piece(self, piece: Piece) -> bool:
        """False: nobody reads it any more."""
        if self._is_json:
            return ui.stream(f"{_line(describe_piece(piece))}\n")
        if self._terminal is None:
            return ui.stream(piece.text)
        shown = self._terminal.feed(piece.written)  # for people: thoughts with their marks
        if shown:
            self._is_line_open = not shown.endswith("\n")
        return ui.stream(shown)

    def _end_line(self) -> None:
        """On a terminal, what follows stands on a line of its own."""
        if self._terminal is None:
            return
        self._write_rest(self._terminal.finish())

    def _write_rest(self, rest: str) -> None:
        if self._is_line_open or rest:
            self._is_line_open = False
            ui.stream(f"{rest}\n")


def _line(value: object) -> str:
    """ASCII alone: whatever the model says, a terminal that shows it has nothing to obey."""
    return json.dumps(value, separators=(",", ":"))
