"""From a profile to what the Linux kernel is told. Pure: golden files hold the result on any system."""

from __future__ import annotations

from typing import Final

from ostiary._hazmat.wall_linux import LinuxWall
from ostiary.cell.compile_filter import (
    ASK_LISTENER,
    KILL_PROCESS,
    compile_closing_filter,
    compile_filter,
    pack_program,
)
from ostiary.cell.profile import Layer, SystemFacts, WallProfile
from ostiary.cell.syscalls import find_machine

# linux/landlock.h: rights to files by the version that brought them. Listed are all: none is kept.
_LANDLOCK_FILES: Final = ((1, (1 << 13) - 1), (2, 1 << 13), (3, 1 << 14), (5, 1 << 15))
_LANDLOCK_PORTS: Final = ((4, 0b11),)  # bind, connect
_LANDLOCK_SCOPES: Final = ((6, 0b11),)  # abstract sockets, signals

# sched.h
_MOUNT_NAMESPACE: Final = 0x0002_0000
_UTS_NAMESPACE: Final = 0x0400_0000
_IPC_NAMESPACE: Final = 0x0800_0000
_USER_NAMESPACE: Final = 0x1000_0000
_NETWORK_NAMESPACE: Final = 0x4000_0000

# asm-generic/resource.h, the same on x86-64 and aarch64.
_CPU, _FSIZE, _DATA, _STACK, _CORE, _NPROC, _NOFILE, _MEMLOCK = 0, 1, 2, 3, 4, 6, 7, 8
_AS, _LOCKS, _SIGPENDING, _MSGQUEUE, _NICE, _RTPRIO = 9, 10, 11, 12, 13, 14

_STACK_BYTES: Final = 8 << 20
_SIGNALS_PENDING: Final = 64
_NO_LIMIT: Final = -1


def compile_linux(profile: WallProfile, *, serial: int = 0, threads_of_user: int = 0) -> LinuxWall:
    """`serial` tells cells of one root apart: each gets a user id of its own.

    `threads_of_user`: how many threads the user has already. It counts where the cell has neither a user nor a user
    namespace of its own, as the kernel counts threads by user; then the limit is only as tight as that number.
    """
    facts, layers = profile.facts, profile.layers
    machine = find_machine(facts.machine)
    user = _choose_user(facts, serial) if Layer.USER in layers else None
    namespaces = _compile_namespaces(facts) if Layer.NAMESPACES in layers else 0
    is_counted_alone = user is not None or bool(namespaces & _USER_NAMESPACE)
    has_filter = Layer.SECCOMP in layers
    memory_bytes = profile.limits.memory_bytes
    killing = compile_filter(machine, KILL_PROCESS, memory_bytes)
    return LinuxWall(
        machine=machine.name,
        clears_environment=Layer.ENVIRONMENT in layers,
        closes_descriptors=Layer.DESCRIPTORS in layers,
        namespaces=namespaces,
        shared_namespaces=compile_shared_namespaces(profile),
        resources=_compile_resources(profile, 0 if is_counted_alone else threads_of_user)
        if Layer.RESOURCES in layers
        else (),
        landlock=_compile_landlock(facts.landlock_version) if Layer.LANDLOCK in layers else None,
        user=user,
        drops_privileges=Layer.PRIVILEGES in layers,
        forbids_new_code=Layer.NO_NEW_CODE in layers,
        is_not_dumpable=Layer.NOT_DUMPABLE in layers,
        filter_asking=pack_program(compile_filter(machine, ASK_LISTENER, memory_bytes))
        if has_filter and facts.has_listener
        else None,
        filter_killing=pack_program(killing) if has_filter else None,
        filter_own_process=tuple(place for place, step in enumerate(killing) if step.is_own_process),
        filter_closing=pack_program(compile_closing_filter(machine)) if has_filter else None,
    )


def compile_shared_namespaces(profile: WallProfile) -> int:
    """What a fork server enters once for all its cells: a network without interfaces needs no walls inside it."""
    if Layer.NAMESPACES not in profile.layers:
        return 0
    return _NETWORK_NAMESPACE | _for_users(profile.facts)


def _choose_user(facts: SystemFacts, serial: int) -> tuple[int, int]:
    first, last = facts.cell_users
    number = first + serial % (last - first + 1)
    return number, number


def _compile_namespaces(facts: SystemFacts) -> int:
    """Each cell's own. Who is not root needs a namespace of users first: it lets one make the others."""
    return _MOUNT_NAMESPACE | _UTS_NAMESPACE | _IPC_NAMESPACE | _for_users(facts)


def _for_users(facts: SystemFacts) -> int:
    return 0 if facts.user_id == 0 else _USER_NAMESPACE


def _compile_landlock(version: int) -> tuple[int, int, int]:
    def known(rights: tuple[tuple[int, int], ...]) -> int:
        return sum(bits for since, bits in rights if since <= version)

    return known(_LANDLOCK_FILES), known(_LANDLOCK_PORTS), known(_LANDLOCK_SCOPES)


def _compile_resources(profile: WallProfile, threads_of_user: int) -> tuple[tuple[int, int, int], ...]:
    """Soft and hard limit of each; what a cell needs nothing of is 0."""
    limits = profile.limits
    can_grant_time = profile.facts.can_grant_time or Layer.USER not in profile.layers
    threads = limits.threads + threads_of_user
    return (
        # For the first request; the cell grants more for each that follows (`_hazmat.rlimits`). The process itself
        # cannot: the filter lets no limit be set. Where the cell cannot either, the watchdog alone meters time.
        (_CPU, limits.cpu_seconds if can_grant_time else _NO_LIMIT, _NO_LIMIT),
        (_FSIZE, 0, 0),
        (_DATA, limits.memory_bytes, limits.memory_bytes),
        (_STACK, _STACK_BYTES, _STACK_BYTES),
        # Not 0: a core that is piped to a program ignores 0 and respects 1, and 1 byte is too little for a file.
        (_CORE, 1, 1),
        (_NPROC, threads, threads),
        (_NOFILE, limits.descriptors, limits.descriptors),
        (_MEMLOCK, 0, 0),
        (_AS, limits.address_bytes, limits.address_bytes),
        (_LOCKS, 0, 0),
        (_SIGPENDING, _SIGNALS_PENDING, _SIGNALS_PENDING),
        (_MSGQUEUE, 0, 0),
        (_NICE, 0, 0),
        (_RTPRIO, 0, 0),
    )
