"""Puts up the wall around this very process, layer by layer, in the one order that works.

For the worker, between its fork and the first byte of a model. `LinuxWall` holds plain values only: it is compiled
elsewhere (cell/compile_linux.py), compared with a golden file, and sent to the process that applies it.
"""

from __future__ import annotations

import ctypes
import errno
import os
import resource
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from ostiary._hazmat import capabilities, kernel, landlock, namespaces, prctl, seccomp
from ostiary._hazmat.wall_error import WallNotAppliedError

_NULL_DEVICE: Final = "/dev/null"
_LINKS_OF_ONE_THREAD: Final = 3  # its own directory, "." and ".."
_SYS_CLOSE_RANGE: Final = 436
_LAST_DESCRIPTOR: Final = (1 << 32) - 1
_libc: Final = ctypes.CDLL(None)  # here, as to open it takes as long as a layer


class LinuxWall(NamedTuple):
    """What the kernel is told, as plain values. A layer that is left out is False, 0, empty or None."""

    machine: str
    clears_environment: bool
    closes_descriptors: bool
    namespaces: int
    """Flags of unshare(2)."""
    shared_namespaces: int
    """Those that a fork server may enter once for all its workers, with `namespaces.enter_for_children`."""
    resources: tuple[tuple[int, int, int], ...]
    """Resource, soft limit, hard limit."""
    landlock: tuple[int, int, int] | None
    """Rights to files and ports, and scopes, that are given up."""
    user: tuple[int, int] | None
    """User and group id."""
    drops_privileges: bool
    forbids_new_code: bool
    is_not_dumpable: bool
    filter_asking: bytes | None
    """Denied calls are told to a listener."""
    filter_killing: bytes | None
    """Denied calls end the process: for systems where no listener is to be had."""
    filter_own_process: tuple[int, ...]
    """Which instructions of these two compare with the process's own id, not known before."""
    filter_closing: bytes | None
    """Goes on top once the listener was handed over: nothing is sent along with a message any more."""


def apply(
    wall: LinuxWall,
    *,
    keep: Collection[int] = (),
    parent: int | None = None,
    hand_over: Callable[[int | None], None] | None = None,
) -> None:
    """Put up every layer of `wall`; when this returns, all of them stand. One thread only.

    `keep`: the descriptors that stay open beside 0, 1 and 2. `parent`: the process with which this one is to die.
    `hand_over` is called once with the descriptor on which denied calls are told (None where there is none), while
    sendmsg(2) is still allowed; the descriptor is closed after it. Without it, denied calls end the process.
    Raises WallNotAppliedError; the process must then end.
    """
    for layer, put_up in (
        ("threads", _require_one_thread),
        ("environment", lambda: _clear_environment() if wall.clears_environment else None),
        ("descriptors", lambda: _close_descriptors(keep) if wall.closes_descriptors else None),
        ("namespaces", lambda: _enter_namespaces(wall) if wall.namespaces else None),
        ("resources", lambda: _limit_resources(wall.resources)),
        ("privileges", lambda: _bound_privileges() if wall.drops_privileges else None),
        ("landlock", lambda: landlock.deny_all(*wall.landlock) if wall.landlock else None),
        ("user", lambda: _change_user(*wall.user) if wall.user else None),
        ("privileges", lambda: capabilities.drop_capabilities(wall.machine) if wall.drops_privileges else None),
        ("no-new-code", lambda: prctl.forbid_new_code() if wall.forbids_new_code else None),
        ("not-dumpable", lambda: prctl.set_dumpable(not wall.is_not_dumpable)),
        ("parent", lambda: prctl.die_with_parent(parent) if parent is not None else None),
        ("seccomp", lambda: _filter_calls(wall, hand_over)),
    ):
        try:
            put_up()
        except OSError as error:
            raise WallNotAppliedError(layer, error) from error


def _require_one_thread() -> None:
    """Landlock, namespaces and the user's id bind the calling thread only."""
    if os.stat("/proc/self/task").st_nlink != _LINKS_OF_ONE_THREAD:  # noqa: PTH116  Path would cost more than the call
        raise OSError(errno.EBUSY, "there is more than one thread")


def _clear_environment() -> None:
    """Also where the kernel wrote the variables when the program was started."""
    place = ctypes.c_void_p.in_dll(_libc, "environ").value
    while place is not None and (address := ctypes.c_void_p.from_address(place).value) is not None:
        ctypes.memset(address, 0, len(ctypes.string_at(address)))
        place += ctypes.sizeof(ctypes.c_void_p)
    os.environ.clear()


def _close_descriptors(keep: Collection[int]) -> None:
    null = os.open(_NULL_DEVICE, os.O_RDWR | os.O_CLOEXEC)
    for standard in range(3):
        os.dup2(null, standard, inheritable=True)
    low = 3
    for kept in sorted(kept for kept in keep if kept >= low):
        if kept > low:
            _close_range(low, kept - 1)
        low = kept + 1
    _close_range(low, _LAST_DESCRIPTOR)


def _close_range(first: int, last: int) -> None:
    try:
        kernel.call(_SYS_CLOSE_RANGE, first, last, 0)
    except OSError as error:
        if error.errno != errno.ENOSYS:  # Linux before 5.9
            raise
        with os.scandir("/proc/self/fd") as entries:
            present = [int(entry.name) for entry in entries]
        os.closerange(first, min(last, max(present)) + 1)


def _enter_namespaces(wall: LinuxWall) -> None:
    namespaces.enter(wall.namespaces, wall.machine, for_children=wall.shared_namespaces)


def _limit_resources(limits: Collection[tuple[int, int, int]]) -> None:
    for name, soft, hard in limits:
        try:
            resource.setrlimit(name, (soft, hard))
        except ValueError as error:  # how Python says that the hard limit is lower already
            if resource.getrlimit(name)[1] > hard:
                raise OSError(errno.EPERM, "a resource limit did not hold") from error


def _bound_privileges() -> None:
    capabilities.forbid_new_privileges()
    capabilities.bound_capabilities()


def _change_user(user: int, group: int) -> None:
    os.setgroups(())
    os.setresgid(group, group, group)
    os.setresuid(user, user, user)
    if os.getresuid() != (user,) * 3 or os.getresgid() != (group,) * 3 or os.getgroups():
        raise OSError(errno.EPERM, "the user's id did not hold")


def _filter_calls(wall: LinuxWall, hand_over: Callable[[int | None], None] | None) -> None:
    def prepare(program: bytes) -> bytes:
        return _write_own_process(program, wall.filter_own_process)

    listener = None
    if wall.filter_asking is not None and hand_over is not None:
        listener = seccomp.install_with_listener(prepare(wall.filter_asking), wall.machine)
    if listener is None and wall.filter_killing is not None:
        seccomp.install(prepare(wall.filter_killing), wall.machine)
    if hand_over is not None:
        hand_over(listener)
    if listener is not None:
        os.close(listener)
    if wall.filter_closing is not None:
        seccomp.install(wall.filter_closing, wall.machine)


def _write_own_process(program: bytes, instructions: Collection[int]) -> bytes:
    written = bytearray(program)
    for place in instructions:
        constant = place * seccomp.INSTRUCTION_BYTES + 4
        written[constant : constant + 4] = os.getpid().to_bytes(4, "little")
    return bytes(written)
