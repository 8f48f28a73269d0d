"""Models that ended their processes too often, kept across restarts of everything: one small file for each model.

What cannot be kept is not forgotten: a model whose end could not be written down does not start again from this
process until it could.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import stat
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from ostiary.cell.ending import COUNTED, Cause
from ostiary.cell.quarantine_file import NOTHING_ENDED, End, Ends, EndsUnreadable, parse_ends, render_ends
from ostiary.cell.restart import WINDOW_SECONDS, has_ended_too_often
from ostiary.core.limits import MAX_ENDS_BYTES, MAX_KEPT_ENDS
from ostiary.core.text import explain_os_error, quote_untrusted
from ostiary.core.values import dataclass
from ostiary.errors import (
    CELL_QUARANTINED,
    OUTPUT_UNWRITABLE,
    USAGE,
    CellRefused,
    Misuse,
    OutputUnwritable,
)
from ostiary.record.durable import replace_file, sync_directory
from ostiary.record.events import Emit, ModelQuarantined, ModelReleased
from ostiary.record.place import prepare_state_directory

QUARANTINE_DIRECTORY: Final = "quarantine"
_LOCK_FILE: Final = "lock"
_LOCK_SECONDS: Final = 1.0  # whoever has it writes one small file
_LOCK_PAUSE_SECONDS: Final = 0.005
_NAME: Final = re.compile(r"([0-9a-f]{64})\.json", re.ASCII)


@dataclass(frozen=True, slots=True)
class KeptModel:
    """What is kept of one model. `ends` is None where its file cannot be read: then it does not start either."""

    root: str
    ends: Ends | None

    @property
    def is_quarantined(self) -> bool:
        return self.ends is None or self.ends.quarantined_at is not None


@dataclass(frozen=True, slots=True)
class _Unwritten:
    """Ends that are not on the disk yet, with what is needed to decide about them once they are."""

    name: str
    ends: tuple[End, ...]
    restarts: int
    correlation_id: str
    reason: str = ""


class Quarantine:
    """All that is kept in one state directory. Any number of processes and threads may use it at once."""

    def __init__(self, state: Path, emit: Emit, clock: Callable[[], float] = time.time) -> None:
        self._state = state
        self._directory = state / QUARANTINE_DIRECTORY
        self._emit = emit
        self._clock = clock
        self._unwritten: dict[str, _Unwritten] = {}
        self._in_use = threading.Lock()

    def check(self, root: str) -> tuple[float, ...]:
        """When its processes ended within the window, for `restart.next_delay_seconds`. To be asked before a start.

        Refuses a model that is quarantined, whose file cannot be read, or whose last end could not be written.
        Raises what the record says where it has yet to hear of the quarantine.
        """
        with self._in_use:
            unwritten = self._unwritten.get(root)
            if unwritten is not None and not self._write_down(root, unwritten):
                raise CellRefused(
                    CELL_QUARANTINED,
                    f"the model's last end cannot be written down: {self._unwritten[root].reason}",
                    hint="Make the state directory writable again; then it starts.",
                )
        ends = self.read(root).ends
        if ends is None:
            raise CellRefused(
                CELL_QUARANTINED,
                "what is kept of the model's ends cannot be read",
                hint="Find out who wrote there; then `ostiary quarantine release` begins anew.",
            )
        if ends.quarantined_at is not None:
            if ends.untold is not None:
                self._tell_late(root)
            causes = ", ".join(f"{count} x {cause}" for cause, count in ends.count_causes().items())
            raise CellRefused(CELL_QUARANTINED, f"the model's processes ended too often: {causes}")
        now = self._clock()
        return tuple(float(end.at) for end in ends.ends if now - end.at < WINDOW_SECONDS)

    def note_end(self, root: str, name: str, cause: Cause, restarts: int, correlation_id: str) -> None:
        """Keeps one end; where it is the one too many, the model is quarantined and the record told (by the next
        `check` or `release` of any process, where it will not listen now: that is what is raised here).

        `restarts`: how many the model's limits allow. A full disk is no reason to fail here: `check` will.
        """
        if cause not in COUNTED:
            return
        end = End(int(self._clock()), cause)
        with self._in_use:
            earlier = self._unwritten.get(root)
            ends = (end,) if earlier is None else (*earlier.ends[1 - MAX_KEPT_ENDS :], end)
            self._write_down(root, _Unwritten(quote_untrusted(name), ends, restarts, correlation_id))

    def read(self, root: str) -> KeptModel:
        try:
            return KeptModel(root, parse_ends(self._read_file(root)))
        except FileNotFoundError:
            return KeptModel(root, NOTHING_ENDED)
        except (OSError, EndsUnreadable):
            return KeptModel(root, None)

    def read_all(self) -> tuple[KeptModel, ...]:
        """Every model of which something is kept, by its root."""
        try:
            names = sorted(entry.name for entry in self._directory.iterdir())
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise CellRefused(
                CELL_QUARANTINED, f"the quarantine cannot be read: {explain_os_error(error)}"
            ) from error
        found = (_NAME.fullmatch(name) for name in names)
        return tuple(self.read(match[1]) for match in found if match)

    def release(self, root: str, correlation_id: str) -> None:
        """Forgets how its processes ended. In the record before it is so."""
        try:
            with self._in_use, self._lock():
                kept = self.read(root)
                if not kept.is_quarantined:
                    raise Misuse(USAGE, "the model is not in quarantine", hint="Run 'ostiary quarantine list'.")
                if kept.ends is not None:
                    self._tell(root, kept.ends)
                self._emit(ModelReleased(correlation_id=correlation_id, root=root))
                self._path(root).unlink(missing_ok=True)
                sync_directory(self._directory)
                self._unwritten.pop(root, None)
        except OSError as error:
            raise OutputUnwritable(
                OUTPUT_UNWRITABLE, f"the quarantine cannot be changed: {explain_os_error(error)}"
            ) from error

    def _write_down(self, root: str, unwritten: _Unwritten) -> bool:
        """Whether these ends are on the disk now, or need not be as the model is refused anyway."""
        self._unwritten[root] = unwritten
        try:
            with self._lock():
                before = self.read(root).ends
                if before is None:
                    del self._unwritten[root]
                    return True
                after = _add_ends(before, unwritten, int(self._clock()))
                replace_file(self._path(root), render_ends(after), mode=0o600)
                del self._unwritten[root]
                self._tell(root, after)
        except OSError as error:
            self._unwritten[root] = _Unwritten(
                unwritten.name,
                unwritten.ends,
                unwritten.restarts,
                unwritten.correlation_id,
                explain_os_error(error),
            )
            return False
        return True

    def _tell(self, root: str, ends: Ends) -> None:
        """The record, of a quarantine that it has not heard of. Under the lock. Raises what the record says."""
        if ends.untold is None:
            return
        self._emit(ModelQuarantined(correlation_id=ends.untold, root=root, ends=ends.count_causes()))
        with suppress(OSError):  # then it is told twice, which is better than never
            replace_file(self._path(root), render_ends(replace(ends, untold=None)), mode=0o600)

    def _tell_late(self, root: str) -> None:
        """What the record would not take when it happened."""
        with suppress(OSError), self._in_use, self._lock():
            ends = self.read(root).ends
            if ends is not None:
                self._tell(root, ends)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """One process at a time. Raises OSError where another one keeps it: a stopped one would, for ever."""
        prepare_state_directory(self._directory)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(self._directory / _LOCK_FILE, flags, 0o600)
        try:
            _take_lock(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _path(self, root: str) -> Path:
        return self._directory / f"{root}.json"

    def _read_file(self, root: str) -> bytes:
        descriptor = os.open(self._path(root), os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            found = os.fstat(descriptor)
            if not stat.S_ISREG(found.st_mode) or found.st_uid not in (os.geteuid(), 0) or found.st_mode & 0o022:
                raise EndsUnreadable
            with os.fdopen(os.dup(descriptor), "rb") as file:
                return file.read(MAX_ENDS_BYTES + 1)
        finally:
            os.close(descriptor)


def _take_lock(descriptor: int) -> None:
    until = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY)) from error
        time.sleep(_LOCK_PAUSE_SECONDS)


def _add_ends(before: Ends, unwritten: _Unwritten, now: int) -> Ends:
    """Those of before that count still, and these. Once quarantined, it stays: only a person releases."""
    kept = before.ends if before.quarantined_at is not None else _recent(before.ends, now)
    ends = (*kept, *unwritten.ends)[-MAX_KEPT_ENDS:]
    since, untold = before.quarantined_at, before.untold
    if since is None and has_ended_too_often([end.at for end in ends], now, unwritten.restarts):
        since, untold = now, quote_untrusted(unwritten.correlation_id)
    return Ends(unwritten.name, ends, since, untold)


def _recent(ends: Sequence[End], now: int) -> tuple[End, ...]:
    return tuple(end for end in ends if now - end.at < WINDOW_SECONDS)
