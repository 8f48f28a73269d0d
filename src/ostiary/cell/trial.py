"""Puts a wall up for real, around a process that has no model and is ended at once. For `ostiary doctor`."""

from __future__ import annotations

import socket
import time
from typing import Final

from ostiary._hazmat.wall import render_wall
from ostiary.cell.compile_wall import compile_wall
from ostiary.cell.fork_server import ForkServer, not_started, start_fork_server
from ostiary.cell.limits import MIB, CellLimits
from ostiary.cell.probe import count_threads_of_user, read_facts
from ostiary.cell.profile import Layer, WallProfile, choose_profile
from ostiary.cell.program import WorkerProgram
from ostiary.core.frames import JsonObject
from ostiary.core.limits import MAX_LAST_WORDS_MS
from ostiary.core.text import explain_os_error

_LIMITS: Final = CellLimits(
    memory_bytes=256 * MIB,
    cpu_seconds=10,
    wall_seconds=10,
    load_seconds=10,
    threads=8,
    tokens=1,
    descriptors=32,
    restarts=0,
)


def try_wall() -> float:
    """Seconds from asking for a worker until its wall stood.

    Raises CellRefused where a layer is missing or could not be put up, WorkerNotStarted where there is no process.
    """
    profile = choose_profile(read_facts(), _LIMITS)
    server = start_fork_server(WorkerProgram("fake", shares_namespaces=Layer.NAMESPACES in profile.layers))
    try:
        return _time_wall(server, profile)
    finally:
        server.close()


def _time_wall(server: ForkServer, profile: WallProfile) -> float:
    has_own_count = not profile.layers.isdisjoint({Layer.USER, Layer.NAMESPACES})
    wall = compile_wall(profile, threads_of_user=0 if has_own_count else count_threads_of_user())
    limits: JsonObject = {"memory_bytes": _LIMITS.memory_bytes, "threads": 8, "tokens": 1, "calls": 1}
    try:
        ours, theirs = socket.socketpair()
    except OSError as error:
        raise not_started(explain_os_error(error)) from error
    with ours:
        began = time.monotonic()
        birth = server.begin(theirs, render_wall(wall), limits)
        seconds = time.monotonic() - began
        birth.kill()
        birth.wait(lambda birth: birth.is_over, MAX_LAST_WORDS_MS / 1000)
        server.end_birth(birth)
    return seconds
