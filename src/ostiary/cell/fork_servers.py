"""The fork servers of this process: one for each program, started when the first worker is asked for."""

from __future__ import annotations

import os
import threading
from typing import Final

from ostiary.cell.fork_server import ForkServer, start_fork_server
from ostiary.cell.program import WorkerProgram


class _Slot:
    def __init__(self) -> None:
        self.lock: Final = threading.Lock()
        self.server: ForkServer | None = None


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
    with slot.lock:
        if slot.server is None or not slot.server.is_usable:
            slot.server = start_fork_server(program)
        return slot.server


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
