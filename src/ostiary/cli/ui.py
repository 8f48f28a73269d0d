"""The only place that prints. Results go to stdout, everything about the work to stderr.

A result that cannot be written is a Fault (a full disk must not look like success); a reader that went away early,
as `head` does, is not.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, TextIO

from ostiary.core.findings import Severity
from ostiary.core.text import explain_os_error
from ostiary.errors import OUTPUT_UNWRITABLE, USAGE, Misuse, OutputUnwritable

_RESET: Final = "\x1b[0m"
_STYLES: Final = {
    "bold": "\x1b[1m",
    "dim": "\x1b[2m",
    "red": "\x1b[31m",
    "green": "\x1b[32m",
    "yellow": "\x1b[33m",
    "blue": "\x1b[34m",
}
_SEVERITY_STYLE: Final = {
    Severity.CRITICAL: "red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "blue",
    Severity.INFO: "dim",
}
_PROGRESS_AFTER_S: Final = 0.5
_PROGRESS_EVERY_S: Final = 0.1


def open_closed_streams() -> None:
    """Python has no stream for a descriptor that was closed before it began; whoever uses one expects it."""
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115  as long as it runs


def out(text: str) -> None:
    """A result, as one or more lines, to stdout."""
    _write(sys.stdout, f"{text}\n", "standard output")


def stream(text: str) -> bool:
    """A part of a result to stdout, as it is. False: whoever read it went away."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_stdout()
        return False
    except UnicodeEncodeError:  # a terminal that is older than UTF-8
        encoding = sys.stdout.encoding or "ascii"
        return stream(text.encode(encoding, "backslashreplace").decode(encoding))
    except OSError as error:
        _discard_stdout()
        raise _unwritable("standard output", error) from error
    return True


def read_input(most_bytes: int, what: str) -> str:
    """All of stdin, as UTF-8."""
    data = sys.stdin.buffer.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise Misuse(USAGE, f"the {what} on standard input has more than {most_bytes:,} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise Misuse(USAGE, f"the {what} on standard input is not UTF-8") from error


def note(text: str) -> None:
    """Something about the work, to stderr. Never fails: there is nobody left to tell."""
    draw(f"{text}\n")


def forget_notes() -> None:
    """At the end: what nobody took of them is no failure of the work, for which Python would take it."""
    try:
        sys.stderr.flush()
    except OSError:
        _discard(sys.stderr)


def draw(text: str) -> None:
    """As `note`, as it is."""
    with suppress(OSError, ValueError, AttributeError):  # the last: it was closed before Python began
        sys.stderr.write(text)
        sys.stderr.flush()


def write_directly(text: str) -> None:
    """As `draw`, and holding nothing of Python's meanwhile: a program can end while this waits for a reader."""
    with suppress(OSError, ValueError, AttributeError):
        rest = memoryview(text.encode(sys.stderr.encoding or "utf-8", "backslashreplace"))
        descriptor = sys.stderr.fileno()
        while rest:
            rest = rest[os.write(descriptor, rest) :]


def write_file(path: Path, text: str) -> None:
    """A result to a file: the whole of it under its name, or nothing."""
    write_bytes(path, [text.encode()])


def write_bytes(path: Path, parts: Iterable[bytes | memoryview]) -> None:
    """As `write_file`, of what is no text."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as file:
            for part in parts:
                file.write(part)
            sync_file(file)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _unwritable(str(path), error) from error


def sync_file(file: IO[Any]) -> None:
    """On the disk before it gets its name: a full disk must show now."""
    file.flush()
    os.fsync(file.fileno())


def _write(stream: TextIO, text: str, name: str) -> None:
    try:
        stream.write(text)
        stream.flush()
    except BrokenPipeError:
        _discard_stdout()
    except OSError as error:
        _discard_stdout()  # else Python tries again at exit, and fails again with a traceback
        raise _unwritable(name, error) from error


def _discard_stdout() -> None:
    _discard(sys.stdout)


def _discard(stream: TextIO) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, stream.fileno())
    os.close(null)


def _unwritable(name: str, error: OSError) -> OutputUnwritable:
    reason = explain_os_error(error)
    hint = "Make room on the disk, then try again." if error.errno == errno.ENOSPC else None
    return OutputUnwritable(OUTPUT_UNWRITABLE, f"{name} cannot be written: {reason}", hint=hint)


def is_attended() -> bool:
    """Whether somebody can be asked: a terminal to read from and one to ask on."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def ask_yes(question: str) -> bool:
    """Whether a person says yes, in full. Where there is nobody to ask, the answer is no."""
    if not is_attended():
        return False
    sys.stderr.write(f"{question} Type yes or no: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "yes"


def has_color(stream: TextIO) -> bool:
    """Colour only for a person: a terminal, no NO_COLOR, no dumb terminal."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb" and stream.isatty()


def has_color_on_stdout() -> bool:
    return has_color(sys.stdout)


def is_terminal() -> bool:
    """Whether results go to a terminal, which obeys what it is sent."""
    return sys.stdout.isatty()


def paint(text: str, style: str, *, enabled: bool) -> str:
    return f"{_STYLES[style]}{text}{_RESET}" if enabled else text


def paint_severity(severity: Severity, width: int, *, enabled: bool) -> str:
    return paint(f"{severity:<{width}}", _SEVERITY_STYLE[severity], enabled=enabled)


def measure_width() -> int:
    """Columns to wrap at: the terminal's, within what reads well."""
    return max(60, min(shutil.get_terminal_size((100, 24)).columns, 120))


def render_bytes(count: float) -> str:
    """Decimal units, as operating systems show file sizes."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def render_count(count: int) -> str:
    """12,352 or 596.0 M or 8.03 B."""
    if count < 1_000_000:
        return f"{count:,}"
    if count < 1_000_000_000:
        return f"{count / 1e6:.1f} M"
    return f"{count / 1e9:.2f} B"


class Progress:
    """A bar on stderr for work that turns out to take over half a second and has a person watching."""

    def __init__(self, label: str, draw: Callable[[str], None] = draw) -> None:
        """`draw`: writes it."""
        self._label: Final = label
        self._draw: Final = draw
        self._is_wanted: Final = sys.stderr is not None and sys.stderr.isatty()
        self._lock: Final = threading.Lock()
        self._started = time.monotonic()
        self._drawn = 0.0
        self._done = 0
        self._total = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.clear()

    def clear(self) -> None:
        """Takes the bar away: something else is to be said on its line."""
        with self._lock:
            if self._drawn:
                self._draw("\r\x1b[K")
                self._drawn = 0.0

    def say(self, what: str) -> None:
        """Something that takes a while and does not tell how far it is, until `clear`."""
        if self._is_wanted:
            with self._lock:
                self._drawn = time.monotonic()
                self._draw(f"\r\x1b[K{what}")

    def start(self, total_bytes: int) -> None:
        self._started = time.monotonic()
        self._total = total_bytes

    def advance(self, count: int) -> None:
        """May be called from any thread."""
        if not self._is_wanted:
            return
        with self._lock:
            self._done += count
            now = time.monotonic()
            elapsed = now - self._started
            if elapsed < _PROGRESS_AFTER_S or now - self._drawn < _PROGRESS_EVERY_S:
                return
            self._drawn = now
            self._draw(f"\r\x1b[K{render_progress(self._label, self._done, self._total, elapsed, measure_width())}")


def render_progress(label: str, done: int, total: int, elapsed_s: float, width: int) -> str:
    """One line: how far, how fast, how long still."""
    share = min(done / total, 1.0) if total else 1.0
    rate = done / elapsed_s if elapsed_s > 0 else 0.0
    left_s = (total - done) / rate if rate > 0 else 0.0
    text = (
        f"{share:4.0%}  {render_bytes(done)} of {render_bytes(total)}  {render_bytes(rate)}/s  {left_s:.0f} s left"
    )
    bar_width = min(30, width - len(label) - len(text) - 6)
    if bar_width < 8:
        return f"{label} {text}"
    filled = round(share * bar_width)
    return f"{label} [{'=' * filled}{' ' * (bar_width - filled)}] {text}"
