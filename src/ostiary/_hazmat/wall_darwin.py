"""Puts up the wall around this very process on macOS. For the worker.

Never run: written from public documentation and reports, tested as far as pure code goes. docs/cell.md says so too.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from ostiary._hazmat.wall_error import WallNotAppliedError

_NULL_DEVICE: Final = "/dev/null"
_PT_DENY_ATTACH: Final = 31
_MOST_DESCRIPTORS: Final = 1 << 16


class DarwinWall(NamedTuple):
    """What the system is told, as plain values. A layer that is left out is False, empty or None."""

    clears_environment: bool
    closes_descriptors: bool
    resources: tuple[tuple[int, int, int], ...]
    """Resource, soft limit, hard limit."""
    is_not_dumpable: bool
    seatbelt: str | None
    """The profile's text."""
    parameters: tuple[tuple[str, str], ...]
    """What the profile calls `(param "...")`: paths, which must not stand in its text."""


def apply(wall: DarwinWall, *, keep: Collection[int] = ()) -> None:
    """Put up every layer of `wall`; when this returns, all of them stand. Raises WallNotAppliedError."""
    steps: tuple[tuple[str, Callable[[], None]], ...] = (
        ("environment", lambda: os.environ.clear() if wall.clears_environment else None),
        ("descriptors", lambda: _close_descriptors(keep) if wall.closes_descriptors else None),
        ("resources", lambda: _limit_resources(wall.resources)),
        ("not-dumpable", lambda: _deny_debuggers() if wall.is_not_dumpable else None),
        ("seatbelt", lambda: _enter_sandbox(wall.seatbelt, wall.parameters) if wall.seatbelt else None),
    )
    for layer, put_up in steps:
        try:
            put_up()
        except OSError as error:
            raise WallNotAppliedError(layer, error) from error


def _close_descriptors(keep: Collection[int]) -> None:
    null = os.open(_NULL_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    for standard in range(3):
        os.dup2(null, standard, inheritable=True)
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = 3
    for kept in sorted(kept for kept in keep if kept >= low):
        os.closerange(low, kept)
        low = kept + 1
    os.closerange(low, soft if 0 < soft < _MOST_DESCRIPTORS else _MOST_DESCRIPTORS)


def _limit_resources(limits: Collection[tuple[int, int, int]]) -> None:
    for name, soft, hard in limits:
        try:
            resource.setrlimit(name, (soft, hard))
        except ValueError as error:
            raise OSError(errno.EPERM, "a resource limit did not hold") from error


def _deny_debuggers() -> None:
    if ctypes.CDLL(None, use_errno=True).ptrace(_PT_DENY_ATTACH, 0, None, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _enter_sandbox(profile: str, parameters: Collection[tuple[str, str]]) -> None:
    """The call that sandbox-exec(1) makes too. It takes names and values in turn, and a null pointer at the end."""
    library = ctypes.CDLL("/usr/lib/libSystem.B.dylib", use_errno=True)
    words = [word.encode() for pair in parameters for word in pair]
    array = (ctypes.c_char_p * (len(words) + 1))(*words, None)
    message = ctypes.c_char_p()
    library.sandbox_init_with_parameters.argtypes = (
        ctypes.c_char_p,
        ctypes.c_uint64,
        ctypes.c_void_p,
        ctypes.POINTER(ctypes.c_char_p),
    )
    if library.sandbox_init_with_parameters(profile.encode(), 0, array, ctypes.byref(message)) != 0:
        raise OSError(errno.EPERM, "the profile was not taken")
