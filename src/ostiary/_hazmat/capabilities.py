"""Gives up every capability, and every way in which a program could give one back.

For the worker. Python wraps none of these calls.
"""

from __future__ import annotations

import errno
from typing import Final

from ostiary._hazmat import kernel

_PR_CAPBSET_DROP: Final = 24
_PR_SET_SECUREBITS: Final = 28
_PR_SET_NO_NEW_PRIVILEGES: Final = 38
_PR_GET_NO_NEW_PRIVILEGES: Final = 39
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4

_SYS_CAPSET: Final = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION_3: Final = 0x2008_0522

# Root has no powers of its own, changing the user drops capabilities, none becomes ambient; each locked.
_SECUREBITS: Final = 0b1110_1011

_CAPABILITIES_AT_MOST: Final = 64


def forbid_new_privileges() -> None:
    """From here on no program that is started gets more rights than this process has."""
    kernel.prctl(_PR_SET_NO_NEW_PRIVILEGES, 1)
    if kernel.prctl(_PR_GET_NO_NEW_PRIVILEGES) != 1:
        raise OSError(errno.EPERM, "no_new_privs did not hold")


_is_bounded = False
"""What `bound_for_children` did in this process or in the one that it was forked from."""


def bound_for_children() -> None:
    """The long part of `bound_capabilities`, once in a fork server, so that its workers find it done."""
    global _is_bounded  # noqa: PLW0603  it belongs to the process, like the set itself
    _is_bounded = _empty_bounding_set()


def bound_capabilities() -> None:
    """Empty the set that programs could get them from. Needs a capability itself: before `drop_capabilities`.

    A process that has none is told EPERM, and has nothing to lose.
    """
    if _is_bounded or _empty_bounding_set():
        kernel.prctl(_PR_SET_SECUREBITS, _SECUREBITS)


def _empty_bounding_set() -> bool:
    """Whether this process may."""
    try:
        for number in range(_CAPABILITIES_AT_MOST):
            kernel.prctl(_PR_CAPBSET_DROP, number)
    except OSError as error:
        if error.errno == errno.EPERM:
            return False
        if error.errno != errno.EINVAL:  # past the last one that this kernel knows
            raise
    return True


def drop_capabilities(machine: str) -> None:
    kernel.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = _CAPABILITY_VERSION_3.to_bytes(4, "little") + bytes(4)
    kernel.call(_SYS_CAPSET[machine], header, bytes(24))
