"""Ways to run code of one's own, and to outgrow the limits."""

from __future__ import annotations

import ctypes
import os
import threading
import time

from escape.attempt import (
    DONE,
    LANDLOCK,
    NAMESPACES,
    NO_NEW_CODE,
    NOT_DUMPABLE,
    PRIVILEGES,
    RESOURCES,
    SECCOMP,
    USER,
    World,
    attempt,
)
from escape.calls import MACHINE, call, pack, raw

READ, WRITE, EXECUTE = 1, 2, 4
SHARED, PRIVATE, ANONYMOUS = 0x01, 0x02, 0x20
NO_FILE = -1
PAGE = 4096
PIECE = 64 << 20
MANY = 1 << 30
"""More than the limit that these tests run with, less than any machine has."""

# A function that returns 42.
_CODE = {"x86_64": b"\xb8\x2a\x00\x00\x00\xc3", "aarch64": b"\x40\x05\x80\x52\xc0\x03\x5f\xd6"}
CODE = _CODE[MACHINE]


def _run(address: int) -> bytes:
    return DONE if ctypes.CFUNCTYPE(ctypes.c_int)(address)() == 42 else b""


def _map(count: int, protection: int, flags: int, descriptor: int = NO_FILE) -> int:
    return call("mmap", 0, count, protection, flags, descriptor, 0)


@attempt(SECCOMP, NO_NEW_CODE, call="mmap")
def run_code_from_writable_memory(world: World) -> bytes:
    address = _map(PAGE, READ | WRITE | EXECUTE, PRIVATE | ANONYMOUS)
    ctypes.memmove(address, CODE, len(CODE))
    return _run(address)


@attempt(SECCOMP, NO_NEW_CODE, call="mprotect")
def make_written_memory_executable(world: World) -> bytes:
    address = _map(PAGE, READ | WRITE, PRIVATE | ANONYMOUS)
    ctypes.memmove(address, CODE, len(CODE))
    call("mprotect", address, PAGE, READ | EXECUTE)
    return _run(address)


@attempt(SECCOMP, NO_NEW_CODE, call="pkey_mprotect")
def make_written_memory_executable_with_a_key(world: World) -> bytes:
    address = _map(PAGE, READ | WRITE, PRIVATE | ANONYMOUS)
    ctypes.memmove(address, CODE, len(CODE))
    call("pkey_mprotect", address, PAGE, READ | EXECUTE, -1)
    return _run(address)


@attempt(SECCOMP, NO_NEW_CODE, call="mprotect")
def make_the_stack_executable(world: World) -> bytes:
    here = ctypes.create_string_buffer(CODE, len(CODE))
    page = ctypes.addressof(here) & ~(PAGE - 1)
    call("mprotect", page, 2 * PAGE, READ | WRITE | EXECUTE)
    return _run(ctypes.addressof(here))


@attempt(SECCOMP, RESOURCES, call="memfd_create")
def run_code_from_a_file_in_memory(world: World) -> bytes:
    """Written by one mapping and run by another: the kernel's rule about new code sees neither change."""
    made = call("memfd_create", b"x", 0)
    call("ftruncate", made, PAGE)
    ctypes.memmove(_map(PAGE, READ | WRITE, SHARED, made), CODE, len(CODE))
    return _run(_map(PAGE, READ | EXECUTE, SHARED, made))


@attempt(SECCOMP, call="shmget")
def run_code_from_shared_memory(world: World) -> bytes:
    """System V memory, attached twice: once to write and once to run."""
    made = call("shmget", 0, PAGE, 0o1700)
    ctypes.memmove(call("shmat", made, 0, 0), CODE, len(CODE))
    address = call("shmat", made, 0, 0o100000 | 0o10000)  # to run, not to write
    call("shmctl", made, 0, 0)
    return _run(address)


@attempt(SECCOMP, LANDLOCK, NAMESPACES, RESOURCES, call="openat")
def run_code_from_a_file(world: World) -> bytes:
    made = call("openat", -100, f"{world.directory}/code".encode(), os.O_RDWR | os.O_CREAT, 0o700)
    call("write", made, CODE.ljust(PAGE, b"\0"), PAGE)
    return _run(_map(PAGE, READ | EXECUTE, PRIVATE, made))


@attempt(SECCOMP, NO_NEW_CODE, call="personality")
def make_all_new_memory_executable(world: World) -> bytes:
    """READ_IMPLIES_EXEC: from then on nobody has to ask for executable memory."""
    call("personality", 0x0040_0000)
    address = _map(PAGE, READ | WRITE, PRIVATE | ANONYMOUS)
    ctypes.memmove(address, CODE, len(CODE))
    return _run(address)


@attempt(SECCOMP, call="personality")
def make_addresses_predictable(world: World) -> bytes:
    call("personality", 0x0004_0000)
    return DONE


@attempt(SECCOMP, call="mmap")
def map_a_file_that_is_open(world: World) -> bytes:
    """Weights are read, not mapped: what is mapped could change, and takes no memory that is counted."""
    _map(PAGE, READ, SHARED, world.weights)
    return DONE


@attempt(RESOURCES, SECCOMP)
def take_more_memory_than_allowed_at_once(world: World) -> bytes:
    """The cell is asked, and says that there is none: what goes on without looking, ends by its own fault."""
    address = _map(MANY, READ | WRITE, PRIVATE | ANONYMOUS)
    ctypes.memset(address, 1, PAGE)
    return DONE


@attempt(RESOURCES)
def take_more_memory_than_allowed_piece_by_piece(world: World) -> bytes:
    for _ in range(MANY // PIECE):
        ctypes.memset(_map(PIECE, READ | WRITE, PRIVATE | ANONYMOUS), 1, PAGE)
    return DONE


@attempt(RESOURCES)
def take_more_memory_where_the_heap_is(world: World) -> bytes:
    """By brk(2), as the C library does."""
    start = call("brk", 0)
    if call("brk", start + MANY) < start + MANY:
        raise MemoryError
    return DONE


@attempt(RESOURCES)
def make_reserved_memory_writable(world: World) -> bytes:
    for _ in range(MANY // PIECE):
        call("mprotect", _map(PIECE, 0, PRIVATE | ANONYMOUS | 0x4000), PIECE, READ | WRITE)
    return DONE


@attempt(SECCOMP, call="mmap")
def take_memory_that_is_not_counted(world: World) -> bytes:
    """Shared memory is no data to the kernel; only the number of addresses bounds it."""
    address = _map(PIECE, READ | WRITE, SHARED | ANONYMOUS)
    ctypes.memset(address, 1, PAGE)
    return DONE


@attempt(RESOURCES, SECCOMP)
def take_more_addresses_than_allowed(world: World) -> bytes:
    _map(1 << 40, READ, SHARED | ANONYMOUS | 0x4000)
    return DONE


@attempt(SECCOMP, RESOURCES, call="memfd_create")
def keep_memory_in_a_file(world: World) -> bytes:
    made = call("memfd_create", b"x", 0)
    call("fallocate", made, 0, 0, 1 << 20)
    return DONE


@attempt(SECCOMP, call="memfd_secret", missing=[38])
def keep_memory_that_nobody_can_look_into(world: World) -> bytes:
    call("memfd_secret", 0)
    return DONE


@attempt(SECCOMP, root=[(RESOURCES, PRIVILEGES), (RESOURCES, USER)], user=[RESOURCES], call="mlock")
def keep_memory_from_being_swapped(world: World) -> bytes:
    call("mlock", _map(PAGE, READ | WRITE, PRIVATE | ANONYMOUS), PAGE)
    return DONE


@attempt(SECCOMP, call="mincore")
def find_out_which_files_others_read(world: World) -> bytes:
    """Which pages of a shared library are in memory tells what other processes do."""
    address = ctypes.cast(ctypes.pythonapi.Py_GetVersion, ctypes.c_void_p).value or 0
    call("mincore", address & ~(PAGE - 1), PAGE, ctypes.create_string_buffer(1))
    return DONE


@attempt(SECCOMP, call="mmap")
def rearrange_the_pages_of_a_mapping(world: World) -> bytes:
    address = _map(2 * PAGE, READ | WRITE, SHARED | ANONYMOUS)
    call("remap_file_pages", address, PAGE, 0, 1, 0)
    return DONE


@attempt(RESOURCES, of="user")
def use_more_processor_time_than_allowed(world: World) -> bytes:
    """More than these tests allow; the clock counts only what this thread used.

    For a cell of root's the watchdog meters time, and the kernel only where root may raise its limit.
    """
    while time.thread_time() < 1.6:
        pass
    return DONE


@attempt(SECCOMP, call="prlimit64")
def allow_oneself_more_processor_time(world: World) -> bytes:
    call("prlimit64", 0, 0, pack("QQ", 1000, (1 << 64) - 1), 0)
    return DONE


@attempt(root=[(RESOURCES, USER)], user=[RESOURCES])
def start_more_threads_than_allowed(world: World) -> bytes:
    stay = threading.Event()
    threading.stack_size(1 << 16)
    for _ in range(64):
        threading.Thread(target=stay.wait, daemon=True).start()
    return DONE


@attempt(SECCOMP, RESOURCES, call="dup")
def open_more_descriptors_than_allowed(world: World) -> bytes:
    for _ in range(200):
        call("dup", world.weights)
    return DONE


@attempt(SECCOMP, RESOURCES, call="pipe2")
def fill_the_memory_of_the_kernel(world: World) -> bytes:
    """Pipes hold what was written to them, on nobody's account."""
    for _ in range(100):
        call("pipe2", pack("ii", 0, 0), 0)
    return DONE


@attempt(RESOURCES, NOT_DUMPABLE, LANDLOCK, NAMESPACES)
def leave_a_core_file(world: World) -> bytes:
    """All that was in memory, on disk. The test looks for the file."""
    os.abort()


@attempt(SECCOMP, call="prctl")
def become_dumpable_again(world: World) -> bytes:
    call("prctl", 4, 1, 0, 0, 0)
    return DONE


@attempt(SECCOMP, PRIVILEGES, USER, call="prctl", of="root", needs=24)
def move_what_the_kernel_knows_of_its_memory(world: World) -> bytes:
    """PR_SET_MM: where code, data and the program's name are."""
    call("prctl", 35, 6, _map(PAGE, READ | WRITE, PRIVATE | ANONYMOUS), 0, 0)
    return DONE


@attempt(SECCOMP, call="timer_create")
def let_the_kernel_send_signals_later(world: World) -> bytes:
    call("timer_create", 1, 0, pack("i", 0))
    return DONE


@attempt(SECCOMP, call="setitimer")
def let_the_kernel_send_signals_again_and_again(world: World) -> bytes:
    call("setitimer", 0, pack("QQQQ", 0, 0, 100, 0), 0)
    return DONE


@attempt(SECCOMP)
def call_the_kernel_as_a_32_bit_program(world: World) -> bytes:
    """`int 0x80` enters by another table of calls: number 20 is getpid there, and writev here."""
    if not world.gadget:
        raise OSError(38, "another machine")
    function = ctypes.CFUNCTYPE(ctypes.c_int)(world.gadget)
    return DONE if function() > 0 else b""


@attempt(SECCOMP)
def call_the_kernel_by_x32_numbers(world: World) -> bytes:
    raw(0x4000_0000 | 39)
    return DONE
