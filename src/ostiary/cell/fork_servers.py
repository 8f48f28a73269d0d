"""The fork servers of this process: one for each program, started when the first worker is asked for.

Each has an engine in memory. Of those that have no workers the ones used last stay, the others end.
"""

from __future__ import annotations

import os
import threading
import time
from typing import Final

from ostiary.cell.fork_server import ForkServer, start_fork_server
from ostiary.cell.program import WorkerProgram
from ostiary.core.limits import MAX_IDLE_FORK_SERVERS

_ASKING_SECONDS: Final = 10.0


class _Slot:
    def __init__(self) -> None:
        self.lock: Final = threading.Lock()
        self.server: ForkServer | None = None
        self.found_at = 0.0

    @property
    def has_idle(self) -> bool:
        return self.server is not None and self.server.is_usable and not self.server.has_workers


class _Slots:
    """Replaced as a whole in a forked child, where any lock may be held by a thread that is not there."""

    def __init__(self) -> None:
        self.lock: Final = threading.Lock()
        self.by_program: Final[dict[WorkerProgram, _Slot]] = {}


_slots = [_Slots()]


def find_fork_server(program: WorkerProgram) -> ForkServer:
    """One that answers. Raises WorkerNotStarted, or Misuse(EXTRA_MISSING)."""
    slots = _slots[0]
    with slots.lock:
        slot = slots.by_program.setdefault(program, _Slot())
    is_new = False
    with slot.lock:
        if slot.server is None or not slot.server.is_usable:
            slot.server = start_fork_server(program)
            is_new = True
        slot.found_at = time.monotonic()
        server = slot.server
    if is_new:
        _end_idle(slots, slot)
    return server


def _end_idle(slots: _Slots, but: _Slot) -> None:
    """Not those that somebody found just now and may be about to ask for a worker."""
    with slots.lock:
        found = list(slots.by_program.values())
    idle = sorted((slot for slot in found if slot is not but and slot.has_idle), key=lambda slot: slot.found_at)
    before = time.monotonic() - _ASKING_SECONDS
    for slot in idle[: max(0, len(idle) + 1 - MAX_IDLE_FORK_SERVERS)]:
        if slot.server is not None and slot.found_at < before:
            slot.server.retire()


def close_fork_servers() -> None:
    """All, and the workers that came from them. They start again when asked for."""
    slots, _slots[0] = _slots[0], _Slots()
    for slot in list(slots.by_program.values()):
        if slot.server is not None:
            slot.server.close()


def _forget() -> None:
    _slots[0] = _Slots()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
