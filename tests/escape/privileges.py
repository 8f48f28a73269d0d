"""Ways to more rights, to other namespaces, and to what only the administrator may do with the machine."""

from __future__ import annotations

import contextlib
import ctypes
import os
import struct

from escape.attempt import (
    DESCRIPTORS,
    DONE,
    LANDLOCK,
    NAMESPACES,
    PRIVILEGES,
    RESOURCES,
    SECCOMP,
    USER,
    World,
    attempt,
)
from escape.calls import AT_FDCWD, call, pack, raw
from escape.files import is_considered

ROOTS = (SECCOMP, PRIVILEGES, USER)
_NEW_USER, _NEW_NETWORK, _NEW_MOUNT, _NEW_PID = 0x1000_0000, 0x4000_0000, 0x2_0000, 0x2000_0000


@attempt(SECCOMP, NAMESPACES, call="unshare")
def become_root_of_a_namespace_of_its_own(world: World) -> bytes:
    """The way to most of the kernel's holes: in there one has every capability."""
    call("unshare", _NEW_USER)
    return DONE


@attempt(SECCOMP, NAMESPACES, call="clone")
def start_a_process_that_is_root_of_a_namespace(world: World) -> bytes:
    if call("clone", _NEW_USER | 17, 0, 0, 0, 0) == 0:
        os._exit(0)
    return DONE


@attempt(*ROOTS, call="unshare", of="root")
def make_a_network_of_its_own(world: World) -> bytes:
    call("unshare", _NEW_NETWORK)
    return DONE


@attempt(*ROOTS, call="unshare", of="root")
def make_a_table_of_processes_of_its_own(world: World) -> bytes:
    call("unshare", _NEW_PID)
    return DONE


@attempt(*ROOTS, LANDLOCK, NAMESPACES, call="openat", of="root")
def go_back_to_the_network_of_the_parent(world: World) -> bytes:
    network = call("openat", AT_FDCWD, f"/proc/{world.parent}/ns/net".encode(), os.O_RDONLY, 0)
    call("setns", network, _NEW_NETWORK)
    return DONE


@attempt(SECCOMP, USER, call="setuid", of="root")
def become_root(world: World) -> bytes:
    call("setuid", 0)
    return DONE


@attempt(*ROOTS, call="setresuid", of="root")
def become_another_user(world: World) -> bytes:
    call("setresuid", 12345, 12345, 12345)
    return DONE


@attempt(*ROOTS, call="setgroups", of="root")
def join_a_group(world: World) -> bytes:
    call("setgroups", 1, pack("I", 0))
    return DONE


@attempt(SECCOMP, PRIVILEGES, USER, call="setfsuid", of="root")
def become_another_user_for_files_alone(world: World) -> bytes:
    call("setfsuid", 12345)
    return DONE if call("setfsuid", 12345) == 12345 else b""


@attempt(*ROOTS, call="capset", of="root")
def give_itself_a_capability(world: World) -> bytes:
    call("capset", pack("Ii", 0x2008_0522, 0), pack("6I", 1 << 21, 1 << 21, 0, 0, 0, 0))
    return DONE


@attempt(SECCOMP, call="capget")
def ask_for_its_capabilities(world: World) -> bytes:
    call("capget", pack("Ii", 0x2008_0522, 0), ctypes.create_string_buffer(24))
    return DONE


@attempt(*ROOTS, call="prlimit64", of="root", needs=24)
def raise_a_hard_limit(world: World) -> bytes:
    call("prlimit64", 0, 7, pack("QQ", 1 << 16, 1 << 16), 0)
    return DONE


@attempt(SECCOMP, call="getrlimit")
def ask_for_its_limits(world: World) -> bytes:
    call("getrlimit", 7, pack("QQ", 0, 0))
    return DONE


@attempt(*ROOTS, call="setpriority", of="root")
def go_before_everybody_else(world: World) -> bytes:
    call("setpriority", 0, 0, -20)
    return DONE


@attempt(*ROOTS, call="sched_setscheduler", of="root")
def run_in_real_time(world: World) -> bytes:
    """The machine would run nothing else on that processor."""
    call("sched_setscheduler", 0, 1, pack("i", 1))
    return DONE


@attempt(*ROOTS, call="sched_setattr", of="root")
def run_with_a_deadline(world: World) -> bytes:
    call("sched_setattr", 0, pack("IIQiIQQQ", 48, 6, 0, 0, 0, 10_000_000, 100_000_000, 100_000_000), 0)
    return DONE


@attempt(SECCOMP, call="sched_setaffinity")
def choose_its_processors(world: World) -> bytes:
    call("sched_setaffinity", 0, 8, pack("Q", 1))
    return DONE


@attempt(SECCOMP, root=[(RESOURCES, PRIVILEGES), (RESOURCES, USER)], user=[RESOURCES], call="io_uring_setup")
def ask_for_a_ring_of_calls(world: World) -> bytes:
    """io_uring: calls that no filter sees."""
    call("io_uring_setup", 1, ctypes.create_string_buffer(120))
    return DONE


@attempt(*ROOTS, call="bpf", of="root")
def load_a_program_into_the_kernel(world: World) -> bytes:
    call("bpf", 0, pack("IIII", 2, 4, 8, 1), 16)  # a map is where every program begins
    return DONE


@attempt(SECCOMP, call="perf_event_open")
def count_what_the_processor_does(world: World) -> bytes:
    attributes = ctypes.create_string_buffer(128)
    struct.pack_into("IIQ", attributes, 0, 1, 128, 1)  # a software clock
    struct.pack_into("Q", attributes, 40, 0x60)  # neither the kernel nor a hypervisor
    call("perf_event_open", attributes, 0, -1, -1, 0)
    return DONE


@attempt(SECCOMP, call="userfaultfd")
def handle_its_own_page_faults(world: World) -> bytes:
    """Lets the kernel wait at a place of one's choice: half of many exploits."""
    call("userfaultfd", 1)
    return DONE


@attempt(SECCOMP)
def listen_to_its_own_calls(world: World) -> bytes:
    """A filter with a listener of its own, which could answer in the cell's place."""
    allow = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF_0000), 8)
    call("seccomp", 1, 1 << 3, pack("HxxxxxxQ", 1, ctypes.addressof(allow)))
    return DONE


@attempt(SECCOMP)
def add_a_filter_of_its_own(world: World) -> bytes:
    """It could only take away; but what is not needed is not open. The second filter ends the process."""
    allow = ctypes.create_string_buffer(struct.pack("HBBI", 6, 0, 0, 0x7FFF_0000), 8)
    call("seccomp", 1, 1, pack("HxxxxxxQ", 1, ctypes.addressof(allow)))
    return DONE


@attempt(SECCOMP, call="landlock_create_ruleset")
def make_landlock_rules_of_its_own(world: World) -> bytes:
    call("landlock_create_ruleset", pack("Q", 1), 8, 0)
    return DONE


@attempt(SECCOMP, call="modify_ldt")
def change_its_segments(world: World) -> bytes:
    call("modify_ldt", 0, ctypes.create_string_buffer(64), 64)
    return DONE


@attempt(SECCOMP, call="arch_prctl")
def change_a_register_of_the_processor(world: World) -> bytes:
    call("arch_prctl", 0x1003, pack("Q", 0))  # reads it; writing is the same call
    return DONE


@attempt(SECCOMP, call="uname")
def ask_for_the_name_of_the_machine(world: World) -> bytes:
    buffer = ctypes.create_string_buffer(390)
    call("uname", buffer)
    return DONE if buffer.raw[65:66] != b"\0" else b""


@attempt(SECCOMP, call="sysinfo")
def ask_how_busy_the_machine_is(world: World) -> bytes:
    call("sysinfo", ctypes.create_string_buffer(128))
    return DONE


@attempt(SECCOMP, call="times")
def ask_when_the_machine_was_started(world: World) -> bytes:
    call("times", 0)
    return DONE


@attempt(SECCOMP, call="getuid")
def ask_who_it_runs_as(world: World) -> bytes:
    call("getuid")
    return DONE


@attempt(SECCOMP, PRIVILEGES, USER, call="syslog", of="root")
def read_the_log_of_the_kernel(world: World) -> bytes:
    """It holds addresses."""
    call("syslog", 3, ctypes.create_string_buffer(256), 256)
    return DONE


@attempt(SECCOMP, DESCRIPTORS, call="ioctl", missing=[5])
def type_into_the_terminal(world: World) -> bytes:
    """TIOCSTI: what it types there, the shell runs when the application has ended."""
    call("ioctl", 0, 0x5412, b"x")
    return DONE


@attempt(*ROOTS, call="settimeofday", of="root")
def set_the_clock(world: World) -> bytes:
    call("settimeofday", 0, 0)
    return DONE


@attempt(*ROOTS, call="clock_settime", of="root")
def set_the_clock_by_its_newer_name(world: World) -> bytes:
    now = pack("QQ", 0, 0)
    call("clock_gettime", 0, now)
    call("clock_settime", 0, now)
    return DONE


@attempt(*ROOTS, call="adjtimex", of="root")
def bend_the_clock(world: World) -> bytes:
    state = ctypes.create_string_buffer(208)
    call("adjtimex", state)
    struct.pack_into("I", state, 0, 0x0010)  # ADJ_STATUS: as it is
    call("adjtimex", state)
    return DONE


@attempt(*ROOTS, call="sethostname", of="root")
def rename_the_machine(world: World) -> bytes:
    return is_considered("sethostname", b"x", 1 << 30)


@attempt(*ROOTS, call="setdomainname", of="root")
def rename_the_domain(world: World) -> bytes:
    return is_considered("setdomainname", b"x", 1 << 30)


@attempt(*ROOTS, call="vhangup", of="root")
def hang_up_the_terminal(world: World) -> bytes:
    call("vhangup")
    return DONE


@attempt(*ROOTS, call="ioperm", of="root")
def talk_to_devices(world: World) -> bytes:
    call("ioperm", 0x80, 1, 1)
    return DONE


@attempt(*ROOTS, call="iopl", of="root")
def talk_to_every_device(world: World) -> bytes:
    call("iopl", 3)
    return DONE


@attempt(*ROOTS, call="reboot", of="root")
def restart_the_machine(world: World) -> bytes:
    return is_considered("reboot", 0, 0, 0, 0)


@attempt(*ROOTS, call="kexec_load", of="root")
def start_another_kernel(world: World) -> bytes:
    return is_considered("kexec_load", 0, 1 << 30, 0, 1 << 30)


@attempt(*ROOTS, call="init_module", of="root")
def load_a_module(world: World) -> bytes:
    return is_considered("init_module", b"", 0, b"")


@attempt(*ROOTS, call="finit_module", of="root")
def load_a_module_by_descriptor(world: World) -> bytes:
    return is_considered("finit_module", -1, b"", 0)


@attempt(*ROOTS, call="delete_module", of="root")
def remove_a_module(world: World) -> bytes:
    return is_considered("delete_module", b"no such module", 0)


@attempt(SECCOMP, call="membarrier")
def disturb_every_processor(world: World) -> bytes:
    call("membarrier", 1, 0, 0)
    return DONE


@attempt(SECCOMP)
def choose_where_its_memory_lies(world: World) -> bytes:
    call("set_mempolicy", 0, 0, 0)
    return DONE


@attempt(SECCOMP, call="4000")
def make_a_call_of_the_future(world: World) -> bytes:
    """A number that no kernel has yet: tomorrow's calls are denied today."""
    with contextlib.suppress(OSError):  # today's kernel says ENOSYS
        raw(4000)
    return DONE
