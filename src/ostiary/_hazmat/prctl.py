"""What a Linux process can say about itself. For the cell (which asks what the kernel knows) and the worker."""

from __future__ import annotations

import errno
import os
import signal
import sys
from typing import Final

from ostiary._hazmat import kernel

_PR_SET_PDEATHSIG: Final = 1
_PR_GET_DUMPABLE: Final = 3
_PR_SET_DUMPABLE: Final = 4
_PR_SET_MDWE: Final = 65
_PR_GET_MDWE: Final = 66
_MDWE_REFUSE_EXEC_GAIN: Final = 1


def has_no_new_code() -> bool:
    """Whether the kernel can forbid that memory becomes executable."""
    if sys.platform != "linux":
        return False
    try:
        kernel.prctl(_PR_GET_MDWE)
    except OSError:
        return False
    return True


def forbid_new_code() -> None:
    kernel.prctl(_PR_SET_MDWE, _MDWE_REFUSE_EXEC_GAIN)


def set_dumpable(is_dumpable: bool) -> None:
    """Whether this process leaves core files, and others of the same user may look into it."""
    kernel.prctl(_PR_SET_DUMPABLE, int(is_dumpable))
    if kernel.prctl(_PR_GET_DUMPABLE) != int(is_dumpable):
        raise OSError(errno.EPERM, "the dumpable flag did not hold")


def die_with_parent(parent: int) -> None:
    """End this process when the thread that started it ends. Changing the user undoes it, so that comes first."""
    kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        raise OSError(errno.ESRCH, "the parent is gone")
