"""Ways to other processes: to start one, to look into one, to hurt one."""

from __future__ import annotations

import ctypes
import os
import signal
import struct

from escape.attempt import DONE, LANDLOCK, NAMESPACES, PRIVILEGES, RESOURCES, SECCOMP, USER, World, attempt
from escape.calls import AT_FDCWD, MACHINE, call, pack, read_all

OTHERS = (SECCOMP, LANDLOCK)
ALIEN = (USER, PRIVILEGES)
"""A process of root's has capabilities: who has none, or is somebody else, may not look into it. Nor may anybody look
into a process of another namespace of users."""
_SIGCHLD = signal.SIGCHLD


def _make_tiny_program() -> bytes:
    """An ELF file of x86-64 that ends with status 99: mov edi, 99; mov eax, 60; syscall."""
    code = b"\xbf\x63\x00\x00\x00\xb8\x3c\x00\x00\x00\x0f\x05"
    start, size = 0x40_0000, 120 + len(code)
    header = struct.pack(
        "<16sHHIQQQI6H", b"\x7fELF\x02\x01\x01", 2, 62, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0
    )
    return header + struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, size, size, 4096) + code


TINY_PROGRAM = _make_tiny_program() if MACHINE == "x86_64" else b"#!/bin/sh\nexit 99\n"


def _child_wrote(pid: int, pipe: ctypes.Array[ctypes.c_char]) -> bytes:
    """In the child: write, and end. In the parent: what it wrote."""
    reading, writing = struct.unpack("ii", pipe.raw)
    if pid == 0:
        os.write(writing, DONE)
        os._exit(0)
    return read_all(reading)


def _pipe() -> ctypes.Array[ctypes.c_char]:
    both = pack("ii", 0, 0)
    call("pipe2", both, 0)
    return both


@attempt(SECCOMP, call="pipe2")
def fork_a_process(world: World) -> bytes:
    pipe = _pipe()
    return _child_wrote(call("clone", _SIGCHLD, 0, 0, 0, 0), pipe)


@attempt(SECCOMP, call="fork")
def fork_by_its_old_name(world: World) -> bytes:
    pid = call("fork")
    if pid == 0:
        os._exit(0)
    return DONE


@attempt(SECCOMP, call="clone")
def clone_a_process(world: World) -> bytes:
    pid = call("clone", _SIGCHLD, 0, 0, 0, 0)
    if pid == 0:
        os._exit(0)
    return DONE


@attempt(SECCOMP)
def clone_a_process_in_the_new_way(world: World) -> bytes:
    pid = call("clone3", pack("11Q", 0, 0, 0, 0, _SIGCHLD, 0, 0, 0, 0, 0, 0), 88)
    if pid == 0:
        os._exit(0)
    return DONE


@attempt(SECCOMP, call="clone")
def clone_a_process_that_one_waits_for(world: World) -> bytes:
    """CLONE_VFORK: the parent waits until the child is gone."""
    pid = call("clone", 0x0000_4000 | _SIGCHLD, 0, 0, 0, 0)  # CLONE_VFORK
    if pid == 0:
        os._exit(0)
    return DONE


@attempt(SECCOMP, root=[(RESOURCES, USER)], user=[RESOURCES], call="clone")
def start_more_processes_than_allowed(world: World) -> bytes:
    for _ in range(64):
        if call("clone", _SIGCHLD, 0, 0, 0, 0) == 0:
            call("nanosleep", pack("QQ", 0, 50_000_000), 0)
            os._exit(0)
    return DONE


@attempt(SECCOMP, LANDLOCK, NAMESPACES, call="execve")
def become_another_program(world: World) -> bytes:
    """The test sees its exit status."""
    arguments = (ctypes.c_char_p * 4)(b"sh", b"-c", b"exit 99", None)
    call("execve", b"/bin/sh", arguments, 0)
    return b""


@attempt(SECCOMP, LANDLOCK, NAMESPACES, call="openat")
def become_another_program_by_descriptor(world: World) -> bytes:
    program = call("openat", AT_FDCWD, b"/bin/sh", os.O_RDONLY, 0)
    arguments = (ctypes.c_char_p * 4)(b"sh", b"-c", b"exit 99", None)
    call("execveat", program, b"", arguments, 0, 0x1000)
    return b""


@attempt(SECCOMP, RESOURCES, call="memfd_create")
def become_a_program_made_in_memory(world: World) -> bytes:
    made = call("memfd_create", b"x", 0)
    call("write", made, TINY_PROGRAM, len(TINY_PROGRAM))
    arguments = (ctypes.c_char_p * 2)(b"x", None)
    call("execveat", made, b"", arguments, 0, 0x1000)
    return b""


@attempt(NAMESPACES, PRIVILEGES, call="execve", of="user", missing=[2])
def become_root_by_a_program_that_is_roots(world: World) -> bytes:
    """The test sees its exit status: the program ends with 99 where its effective user is root."""
    arguments = (ctypes.c_char_p * 2)(b"x", None)
    call("execve", (world.setuid_program or "/no such program").encode(), arguments, 0)
    return b""


@attempt(*OTHERS, root=ALIEN, user=[NAMESPACES], call="ptrace")
def trace_another_process(world: World) -> bytes:
    call("ptrace", 16, world.victim, 0, 0)  # PTRACE_ATTACH
    return DONE


@attempt(*OTHERS, root=ALIEN, user=[NAMESPACES], call="ptrace")
def seize_another_process(world: World) -> bytes:
    call("ptrace", 0x4206, world.victim, 0, 0)
    return DONE


@attempt(SECCOMP, call="ptrace")
def let_the_parent_trace_it(world: World) -> bytes:
    """PTRACE_TRACEME: from then on its signals stop it, which a parent has to notice."""
    call("ptrace", 0, 0, 0, 0)
    return DONE


def _vector(address: int, count: int) -> ctypes.Array[ctypes.c_char]:
    return pack("QQ", address, count)


@attempt(*OTHERS, root=ALIEN, user=[NAMESPACES], call="process_vm_readv")
def read_from_another_process(world: World) -> bytes:
    buffer = ctypes.create_string_buffer(len(world.secret))
    mine = _vector(ctypes.addressof(buffer), len(world.secret))
    call("process_vm_readv", world.victim, mine, 1, _vector(world.victim_address, len(world.secret)), 1, 0)
    return buffer.raw


@attempt(*OTHERS, root=ALIEN, user=[NAMESPACES], call="process_vm_writev")
def write_into_another_process(world: World) -> bytes:
    buffer = ctypes.create_string_buffer(b"X", 1)
    mine = _vector(ctypes.addressof(buffer), 1)
    call("process_vm_writev", world.victim, mine, 1, _vector(world.victim_address, 1), 1, 0)
    return DONE


@attempt(SECCOMP, call="pidfd_open")
def hold_on_to_another_process(world: World) -> bytes:
    call("pidfd_open", world.victim, 0)
    return DONE


@attempt(*OTHERS, root=ALIEN, user=[NAMESPACES], call="pidfd_open")
def take_a_descriptor_from_another_process(world: World) -> bytes:
    held = call("pidfd_open", world.victim, 0)
    return read_all(call("pidfd_getfd", held, world.inherited, 0))


@attempt(*OTHERS, root=[USER], call="pidfd_open")
def signal_another_process_by_descriptor(world: World) -> bytes:
    held = call("pidfd_open", world.victim, 0)
    call("pidfd_send_signal", held, signal.SIGUSR1, 0, 0)
    return DONE


@attempt(*OTHERS, root=[USER], call="kill")
def kill_another_process(world: World) -> bytes:
    call("kill", world.victim, signal.SIGKILL)
    return DONE


@attempt(*OTHERS, root=[USER], call="kill")
def kill_the_parent(world: World) -> bytes:
    """With the signal that only asks whether one may."""
    call("kill", world.parent, 0)
    return DONE


@attempt(*OTHERS, root=[USER], call="tkill")
def kill_another_thread(world: World) -> bytes:
    call("tkill", world.victim, signal.SIGUSR1)
    return DONE


@attempt(*OTHERS, root=[USER], call="tgkill")
def kill_a_thread_of_another_process(world: World) -> bytes:
    call("tgkill", world.victim, world.victim, signal.SIGABRT)
    return DONE


@attempt(*OTHERS, root=[USER], call="rt_sigqueueinfo")
def queue_a_signal_to_another_process(world: World) -> bytes:
    info = pack("iii116s", signal.SIGUSR1, 0, -1, b"")
    call("rt_sigqueueinfo", world.victim, signal.SIGUSR1, info)
    return DONE


@attempt(*OTHERS, root=[USER], call="rt_tgsigqueueinfo")
def queue_a_signal_to_a_thread_of_another_process(world: World) -> bytes:
    info = pack("iii116s", signal.SIGUSR1, 0, -1, b"")
    call("rt_tgsigqueueinfo", world.victim, world.victim, signal.SIGUSR1, info)
    return DONE


@attempt(SECCOMP, call="fcntl")
def let_a_descriptor_signal_another_process(world: World) -> bytes:
    """F_SETOWN: whoever writes to the channel sends a signal to the owner."""
    call("fcntl", world.kept, 8, world.victim)
    return DONE


@attempt(*OTHERS, root=ALIEN, user=[NAMESPACES], call="kcmp")
def compare_oneself_with_another_process(world: World) -> bytes:
    call("kcmp", world.victim, world.victim, 1, 0, 0)
    return DONE


@attempt(*OTHERS, root=ALIEN, user=[NAMESPACES], call="get_robust_list")
def find_out_where_another_process_keeps_its_memory(world: World) -> bytes:
    call("get_robust_list", world.victim, pack("Q", 0), pack("Q", 0))
    return DONE


@attempt(SECCOMP, root=[USER], call="prlimit64")
def limit_another_process(world: World) -> bytes:
    call("prlimit64", world.victim, 7, pack("QQ", 3, 3), 0)
    return DONE


@attempt(SECCOMP, root=ALIEN, call="setpriority")
def slow_another_process_down(world: World) -> bytes:
    call("setpriority", 0, world.victim, 19)
    return DONE


@attempt(SECCOMP, root=ALIEN, call="sched_setaffinity")
def bind_another_process_to_a_processor(world: World) -> bytes:
    call("sched_setaffinity", world.victim, 8, pack("Q", 1))
    return DONE


@attempt(SECCOMP, root=ALIEN, call="ioprio_set")
def let_another_process_wait_for_its_disk(world: World) -> bytes:
    call("ioprio_set", 1, world.victim, 3 << 13)
    return DONE


@attempt(SECCOMP, call="sched_getaffinity")
def ask_where_another_process_runs(world: World) -> bytes:
    call("sched_getaffinity", world.victim, 8, pack("Q", 0))
    return DONE


@attempt(SECCOMP, call="clock_gettime")
def read_the_processor_time_of_another_process(world: World) -> bytes:
    """Its clock has its id in its number; nobody is asked for a right."""
    call("clock_gettime", ~world.victim << 3 | 2, pack("QQ", 0, 0))
    return DONE


@attempt(*OTHERS, root=ALIEN, user=[NAMESPACES], call="move_pages")
def ask_where_another_process_has_its_memory(world: World) -> bytes:
    status = pack("i", -1)
    call("move_pages", world.victim, 1, pack("Q", world.victim_address & ~4095), 0, status, 0)
    return DONE


@attempt(SECCOMP, USER, PRIVILEGES, call="pidfd_open", of="root")
def advise_about_the_memory_of_another_process(world: World) -> bytes:
    held = call("pidfd_open", world.victim, 0)
    call("process_madvise", held, _vector(world.victim_address & ~4095, 4096), 1, 20, 0)  # MADV_COLD
    return DONE


@attempt(SECCOMP, call="getppid")
def ask_who_the_parent_is(world: World) -> bytes:
    return DONE if call("getppid") == world.parent else b""


@attempt(SECCOMP, call="prctl")
def outlive_the_parent(world: World) -> bytes:
    call("prctl", 1, 0, 0, 0, 0)  # PR_SET_PDEATHSIG
    return DONE


@attempt(SECCOMP, call="prctl")
def adopt_the_children_of_others(world: World) -> bytes:
    call("prctl", 36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    return DONE
