"""Landlock: a process gives up rights to files, TCP ports, signals and abstract sockets, for good.

For the cell (which asks for the version) and the worker (which locks itself). The C library does not wrap it.
It binds the calling thread and what that starts later: use it while there is one thread only.
"""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Final

from ostiary._hazmat import kernel

# The same numbers on every architecture.
_SYS_CREATE_RULESET: Final = 444
_SYS_RESTRICT_SELF: Final = 446
_CREATE_RULESET_VERSION: Final = 1


class _RulesetAttributes(ctypes.Structure):
    _fields_ = (
        ("handled_access_fs", ctypes.c_uint64),
        ("handled_access_net", ctypes.c_uint64),
        ("scoped", ctypes.c_uint64),
    )


def read_version() -> int:
    """The ABI that the running kernel speaks; 0 for none."""
    if sys.platform != "linux":
        return 0
    try:
        return kernel.call(_SYS_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    except OSError:
        return 0


def deny_all(files: int, ports: int, scopes: int) -> None:
    """Give up these rights everywhere: no rule is added that would give one back.

    Older kernels know a shorter structure: it ends with its last field that is not zero.
    """
    attributes = _RulesetAttributes(files, ports, scopes)
    size = 24 if scopes else 16 if ports else 8
    ruleset = kernel.call(_SYS_CREATE_RULESET, attributes, size, 0)
    try:
        kernel.call(_SYS_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
