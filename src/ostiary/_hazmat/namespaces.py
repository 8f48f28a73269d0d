"""Namespaces: a network without interfaces, a file system without files, IPC and a host name of one's own.

For the cell (which tries what the system lets this user have) and the worker (which goes in). Python wraps few of
the calls. There is no PID namespace: its first process takes no SIGABRT and no SIGXCPU, so that nobody could tell
why a worker ended (docs/adr/0031-the-wall.md).
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

from ostiary._hazmat import kernel
from ostiary._hazmat.prctl import set_dumpable

MOUNT: Final = 0x0002_0000
UTS: Final = 0x0400_0000
IPC: Final = 0x0800_0000
USER: Final = 0x1000_0000
NETWORK: Final = 0x4000_0000

NAMES: Final = {"mount": MOUNT, "uts": UTS, "ipc": IPC, "user": USER, "network": NETWORK}

_SYS_UNSHARE: Final = {"x86_64": 272, "aarch64": 97}

_MS_RDONLY: Final = 1
_MS_NOSUID: Final = 2
_MS_NODEV: Final = 4
_MS_NOEXEC: Final = 8
_MS_RECURSIVE: Final = 0x4000
_MS_PRIVATE: Final = 0x4_0000

_TRIAL_SECONDS: Final = 10
_TRIAL: Final = """
import sys
sys.path[:0] = [sys.argv[1]]
from ostiary._hazmat import namespaces
namespaces.enter(int(sys.argv[2]), sys.argv[3])
"""

_libc: Final = ctypes.CDLL(None, use_errno=True)


_entered_before = 0
"""What `enter_for_children` did in this process or in the one that it was forked from."""


def enter_for_children(flags: int, machine: str) -> None:
    """The same as `enter`, once in a fork server, so that its workers find it done: a network takes the longest to
    make, and longer still while others are taken down.
    """
    global _entered_before  # noqa: PLW0603  it belongs to the process, like the namespaces themselves
    enter(flags, machine)
    _entered_before |= flags


def enter(flags: int, machine: str, *, for_children: int = 0) -> None:
    """Leave the namespaces that `flags` names for new, empty ones. One thread only.

    `for_children` are left as well, unless that was done before the fork.
    """
    flags |= for_children & ~_entered_before
    user, group = os.geteuid(), os.getegid()
    kernel.call(_SYS_UNSHARE[machine], flags)
    if flags & USER:
        _map_own_ids(user, group)
    if flags & MOUNT:
        _empty_file_system()


def can_enter(flags: int, machine: str) -> bool:
    """Whether the system lets this user have them. A process of its own tries: nothing else would tell."""
    if not sys.executable:
        return False
    source = str(Path(__file__).parents[2])
    try:
        trial = subprocess.run(  # noqa: S603  nothing in it comes from outside
            (sys.executable, "-I", "-S", "-c", _TRIAL, source, str(flags), machine),
            env={},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=_TRIAL_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return trial.returncode == 0


def _map_own_ids(user: int, group: int) -> None:
    set_dumpable(True)  # else the files belong to root; the wall takes it back
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def _empty_file_system() -> None:
    """The root becomes an empty directory that nobody can write to.

    Taking the old tree away as well would cost ten times as much. What is left of it has no name and no descriptor,
    and going back takes a capability that the next layer drops.
    """
    _mount(None, b"/", None, _MS_RECURSIVE | _MS_PRIVATE, None)
    flags = _MS_RDONLY | _MS_NOSUID | _MS_NODEV | _MS_NOEXEC
    _mount(b"nothing", b"/proc", b"tmpfs", flags, b"size=4k,nr_inodes=1,mode=0555")  # every system has /proc
    os.chroot("/proc")
    os.chdir("/")


def _mount(source: bytes | None, target: bytes, kind: bytes | None, flags: int, options: bytes | None) -> None:
    if _libc.mount(source, target, kind, ctypes.c_ulong(flags), options) != 0:
        raise _last_error()


def _last_error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
