"""The system calls that computing needs, with the arguments that it needs. `compile_filter` makes a program of it.

Measured with MLX on the CPU, tokenizers, Jinja and Python 3.11 to 3.14 behind the wall (docs/cell.md). What is not
here is denied: told to the cell, which ends the process, or ended by the kernel where there is no cell to tell.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from typing import Final

from ostiary.core.values import dataclass

WORD: Final = (1 << 64) - 1
INT: Final = (1 << 32) - 1
"""For arguments of which the kernel looks at the lower half only."""

OWN_PROCESS: Final = -1
"""Stands for the process's own id, which is written into the filter when it is put up."""


@dataclass(frozen=True, slots=True)
class Check:
    """One argument: its bits under `mask` are one of `values`."""

    argument: int
    values: tuple[int, ...]
    mask: int = INT


@dataclass(frozen=True, slots=True)
class CallRule:
    """What happens to a call if every check holds: it is let through, or answered with an error."""

    call: str
    checks: tuple[Check, ...] = ()
    error: int | None = None


PLAIN: Final = (
    # what is open already: the channel, and the weights that come through it
    "read write pread64 lseek close fstat poll ppoll "
    # memory
    "munmap brk "
    # threads and signals of its own
    "exit exit_group gettid getpid sched_yield set_robust_list rseq restart_syscall "
    "rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack "
    # time, chance and what it used itself
    "gettimeofday time nanosleep getrandom getrusage"
)

PROT_EXEC: Final = 4
_MAP_TYPE: Final = 0x0F
_MAP_PRIVATE: Final = 0x02
_MAP_ANONYMOUS: Final = 0x20
_MAP_OTHERS: Final = 0x10_0000 | 0x2_0000 | 0x4000 | 0x10  # FIXED_NOREPLACE, STACK, NORESERVE, FIXED

_MADVISE: Final = (0, 1, 2, 3, 4, 8, 14, 15, 16, 17, 102, 103)

_FUTEX_PLAIN: Final = (0, 1, 3, 4, 5, 9, 10)  # wait, wake, requeue, wake-op and their bitset forms; no priorities
_FUTEX_FLAGS: Final = 128 | 256  # private, real time

# What pthread_create of the GNU C library asks for, exactly: a thread, never a process.
_CLONE_THREAD: Final = 0x003D_0F00

_MAY_MOVE: Final = 1
_DO_NOT_WAIT: Final = 0x40
_TO_SEND: Final = _DO_NOT_WAIT | 0x4000  # NOSIGNAL
_TO_RECEIVE: Final = _DO_NOT_WAIT | 0x4000_0000  # CMSG_CLOEXEC
_CLOCKS: Final = (0, 1, 2, 3, 4, 5, 6, 7, 11)
_CLOCKS_TO_WAIT_BY: Final = (0, 1, 7)
_PR_SET_NAME: Final = 15
_PR_SET_VMA: Final = 0x5356_4D41
_SET_MODE_FILTER: Final = 1
_FILTER_ALL_THREADS: Final = 1
_SIGABRT: Final = 6
_AT_EMPTY_PATH: Final = 0x1000
_TCGETS: Final = 0x5401
_FIONBIO: Final = 0x5421
_F_GETFD, _F_SETFD, _F_GETFL = 1, 2, 3

# Tried in their order; a call for which none holds is denied.
RULES: Final = (
    *(CallRule(call) for call in PLAIN.split()),
    CallRule("sendmsg"),  # see `CLOSED_LATER`
    CallRule("seccomp", (Check(0, (_SET_MODE_FILTER,)), Check(1, (_FILTER_ALL_THREADS,)))),  # see `CLOSED_LATER`
    # No address: on connected sockets only. No flag but whether to wait: data out of band had a hole in the kernel
    # that programs behind such a wall came out by.
    CallRule("sendto", (Check(3, (0,), INT & ~_TO_SEND), Check(4, (0,), WORD))),
    CallRule("recvfrom", (Check(3, (0,), INT & ~_TO_RECEIVE), Check(4, (0,), WORD))),
    CallRule("recvmsg", (Check(2, (0,), INT & ~_TO_RECEIVE),)),
    CallRule(
        "mmap",
        (Check(2, (0,), PROT_EXEC), Check(3, (_MAP_PRIVATE | _MAP_ANONYMOUS,), INT & ~_MAP_OTHERS)),
    ),
    CallRule("mremap", (Check(3, (0, _MAY_MOVE)),)),
    CallRule("mprotect", (Check(2, (0,), PROT_EXEC),)),
    CallRule("madvise", (Check(2, _MADVISE),)),
    CallRule("futex", (Check(1, _FUTEX_PLAIN, INT & ~_FUTEX_FLAGS),)),
    CallRule("clone", (Check(0, (_CLONE_THREAD,), WORD),)),
    CallRule("clone3", error=errno.ENOSYS),  # keeps its flags in memory; the C library then takes clone
    CallRule("tgkill", (Check(0, (OWN_PROCESS,)), Check(2, (_SIGABRT,)))),  # abort(3)
    CallRule("sched_getaffinity", (Check(0, (0, OWN_PROCESS)),)),
    CallRule("fcntl", (Check(1, (_F_GETFD, _F_SETFD, _F_GETFL)),)),
    CallRule("ioctl", (Check(1, (_FIONBIO,)),)),
    # Python asks of every file that it wraps whether it is a terminal.
    CallRule("ioctl", (Check(1, (_TCGETS,)),), error=errno.ENOTTY),
    # Clocks of the system and of its own: another number is the processor time of another process or thread.
    CallRule("clock_gettime", (Check(0, _CLOCKS),)),
    CallRule("clock_nanosleep", (Check(0, _CLOCKS_TO_WAIT_BY),)),
    CallRule("prctl", (Check(0, (_PR_SET_NAME,)),)),
    # The C library names pieces of memory for people who debug.
    CallRule("prctl", (Check(0, (_PR_SET_VMA,)),), error=errno.EINVAL),
    # Which memory is near: libraries ask, and go on without.
    CallRule("mbind", error=errno.ENOSYS),
    CallRule("get_mempolicy", error=errno.ENOSYS),
    CallRule("set_mempolicy", error=errno.ENOSYS),
    # How some C libraries ask about an open descriptor; the same call asks about any path.
    CallRule("newfstatat", (Check(3, (_AT_EMPTY_PATH,)),), error=errno.EACCES),
)

MEMORY_CALLS: Final = {"mmap": 1, "mremap": 2}
"""Calls that ask for memory, and the argument that says how much at once.

More than the limit can only fail, and MLX does not look whether it did. The cell is asked, answers that there is no
memory, and so knows what the segmentation fault that follows was.
"""

CLOSED_LATER: Final = ("sendmsg", "seccomp")
"""What handing over the listener takes: a second filter, put up right after it, ends the process for either."""


def is_let_through(call: str, arguments: Sequence[int]) -> bool:
    """What the list says of a call, as the filter reads it; of one that no check compares with the process's id."""
    for rule in RULES:
        if rule.call == call and all(
            arguments[check.argument] & check.mask in check.values for check in rule.checks
        ):
            return rule.error is None
    return False
