"""The compiled filter against the allow-list and against what must never be let through, on a machine of our own."""

from __future__ import annotations

import bpf
import pytest

from ostiary.cell.allowed_calls import OWN_PROCESS, RULES
from ostiary.cell.compile_filter import (
    ALLOW,
    ANSWER_ERROR,
    ASK_LISTENER,
    KILL_PROCESS,
    compile_closing_filter,
    compile_filter,
    pack_program,
)
from ostiary.cell.syscalls import describe_call, find_machine

MACHINES = ("x86_64", "aarch64")
OWN = 4242

# Each of these is what some escape begins with; none has an argument that would make it harmless.
NEVER = (
    "open openat openat2 creat open_by_handle_at name_to_handle_at memfd_create memfd_secret stat lstat statx access "
    "faccessat2 readlink readlinkat getdents64 truncate ftruncate link linkat rename renameat2 unlink unlinkat mkdir "
    "mkdirat mknodat symlinkat chmod fchmod fchmodat chown fchown chdir fchdir chroot pivot_root mount umount2 "
    "open_tree move_mount fsopen fsmount fspick mount_setattr inotify_init1 fanotify_init utimensat setxattr "
    "socket socketpair connect bind listen accept accept4 shutdown getsockopt setsockopt sendmmsg recvmmsg "
    "execve execveat fork vfork ptrace process_vm_readv process_vm_writev process_madvise pidfd_open pidfd_getfd "
    "pidfd_send_signal kill tkill rt_sigqueueinfo rt_tgsigqueueinfo add_key request_key keyctl io_uring_setup "
    "io_uring_enter io_uring_register bpf perf_event_open userfaultfd kcmp personality unshare setns setuid setgid "
    "setresuid setresgid setgroups capset setfsuid prlimit64 setrlimit getrlimit shmget shmat shmctl semget msgget "
    "mq_open timer_create setitimer alarm pkey_mprotect pkey_alloc modify_ldt arch_prctl uname sysinfo syslog "
    "sched_setaffinity sched_setscheduler sched_setattr setpriority ioprio_set swapon reboot kexec_load init_module "
    "finit_module delete_module quotactl acct settimeofday clock_settime clock_adjtime adjtimex sethostname "
    "setdomainname vhangup iopl ioperm lookup_dcookie move_pages migrate_pages landlock_create_ruleset "
    "landlock_restrict_self dup dup2 dup3 pipe pipe2 eventfd2 signalfd4 timerfd_create epoll_create1 splice tee vmsplice "
    "sendfile copy_file_range flock fadvise64 msync mlock mlockall mincore remap_file_pages mseal wait4 "
    "waitid getppid getuid geteuid getgroups capget sched_getparam getcpu times sync syncfs cachestat statmount"
).split()


def _filter(machine: str, denied: int = KILL_PROCESS) -> bytes:
    steps = compile_filter(find_machine(machine), denied)
    own = [step._replace(constant=OWN) if step.is_own_process else step for step in steps]
    return pack_program(own)


def _answer(machine: str, call: str, *arguments: int, denied: int = KILL_PROCESS) -> int:
    known = find_machine(machine)
    return bpf.run_program(_filter(machine, denied), known.numbers[call], known.audit, arguments)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("denied", [KILL_PROCESS, ASK_LISTENER])
def test_the_kernel_would_take_it(machine: str, denied: int) -> None:
    bpf.check_program(_filter(machine, denied))
    bpf.check_program(pack_program(compile_closing_filter(find_machine(machine))))
    program = _filter(machine, denied)
    assert set(bpf.reachable(program)) == set(range(len(program) // 8))


def test_every_call_that_must_never_pass_exists_somewhere() -> None:
    assert set(NEVER) <= {call for name in MACHINES for call in find_machine(name).numbers}


@pytest.mark.parametrize(
    ("machine", "call"), [(name, call) for name in MACHINES for call in NEVER if call in find_machine(name).numbers]
)
def test_what_is_not_on_the_list_is_denied(machine: str, call: str) -> None:
    for arguments in ((), (0,) * 6, ((1 << 64) - 1,) * 6):
        assert _answer(machine, call, *arguments) == KILL_PROCESS
        assert _answer(machine, call, *arguments, denied=ASK_LISTENER) == ASK_LISTENER


@pytest.mark.parametrize("machine", MACHINES)
def test_every_number_without_a_rule_is_denied(machine: str) -> None:
    known = find_machine(machine)
    with_rules = {known.numbers[rule.call] for rule in RULES if rule.call in known.numbers}
    program = _filter(machine)
    top = 0x4000_0000
    for number in (*range(1024), top - 1, top, top + 1, top + 59, top * 2, (1 << 32) - 1):
        answer = bpf.run_program(program, number, known.audit, (0,) * 6)
        if number not in with_rules:
            assert answer == KILL_PROCESS, number


def test_calls_of_the_x32_kind_end_the_process_whoever_listens() -> None:
    known = find_machine("x86_64")
    for number in range(600):
        assert bpf.run_program(_filter("x86_64", ASK_LISTENER), 0x4000_0000 | number, known.audit) == KILL_PROCESS


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("audit", [0x4000_0003, 0x4000_0028, 0xC000_00F3, 0, 0xFFFF_FFFF])
def test_calls_of_another_machine_end_the_process_whoever_listens(machine: str, audit: int) -> None:
    for number in range(512):
        assert bpf.run_program(_filter(machine, ASK_LISTENER), number, audit) == KILL_PROCESS
        assert bpf.run_program(pack_program(compile_closing_filter(find_machine(machine))), number, audit) == (
            KILL_PROCESS
        )


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_never_becomes_executable(machine: str) -> None:
    private = 0x22
    for protection in range(8):
        expected = KILL_PROCESS if protection & 4 else ALLOW
        assert _answer(machine, "mmap", 0, 4096, protection, private, (1 << 64) - 1, 0) == expected
        assert _answer(machine, "mprotect", 0, 4096, protection) == expected
    assert _answer(machine, "mmap", 0, 4096, 0x0100_0004, private) == KILL_PROCESS
    assert _answer(machine, "mmap", 0, 4096, (1 << 32) | 4, private) == KILL_PROCESS


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_is_private_and_of_no_file(machine: str) -> None:
    for flags in (0x01, 0x21, 0x02, 0x03, 0x23, 0x22 | 0x4_0000, 0x22 | 0x2000, 0x22 | 0x8000, 0x22 | 0x100):
        assert _answer(machine, "mmap", 0, 4096, 3, flags) == KILL_PROCESS, hex(flags)
    for flags in (0x22, 0x22 | 0x4000, 0x22 | 0x2_0000, 0x22 | 0x10, 0x22 | 0x10_0000):
        assert _answer(machine, "mmap", 0, 4096, 3, flags) == ALLOW, hex(flags)


@pytest.mark.parametrize("machine", MACHINES)
def test_threads_but_no_processes(machine: str) -> None:
    thread = 0x003D_0F00
    assert _answer(machine, "clone", thread) == ALLOW
    for bit in range(64):
        assert _answer(machine, "clone", thread ^ (1 << bit)) == KILL_PROCESS, bit
    assert _answer(machine, "clone", 17) == KILL_PROCESS
    assert _answer(machine, "clone3") == ANSWER_ERROR | 38


@pytest.mark.parametrize("machine", MACHINES)
def test_no_signal_but_its_own_abort(machine: str) -> None:
    assert _answer(machine, "tgkill", OWN, 7, 6) == ALLOW
    for process, number in ((OWN, 9), (OWN, 11), (OWN + 1, 6), (1, 6), (0, 6), (-1, 6), (OWN, 0)):
        assert _answer(machine, "tgkill", process, 7, number) == KILL_PROCESS


@pytest.mark.parametrize("machine", MACHINES)
def test_messages_go_to_whom_the_channel_is_connected_with(machine: str) -> None:
    for call in ("sendto", "recvfrom"):
        assert _answer(machine, call, 3, 1 << 40, 5, 0, 0, 16) == ALLOW
        assert _answer(machine, call, 3, 1 << 40, 5, 0, 1, 16) == KILL_PROCESS
        assert _answer(machine, call, 3, 1 << 40, 5, 0, 1 << 32, 16) == KILL_PROCESS


@pytest.mark.parametrize("machine", MACHINES)
def test_messages_are_neither_out_of_band_nor_peeked_at(machine: str) -> None:
    for bit in range(32):
        flag = 1 << bit
        sends, receives = flag in {0x40, 0x4000}, flag in {0x40, 0x4000_0000}
        assert _answer(machine, "sendto", 3, 1 << 40, 5, flag) == (ALLOW if sends else KILL_PROCESS), hex(flag)
        assert _answer(machine, "recvfrom", 3, 1 << 40, 5, flag) == (ALLOW if receives else KILL_PROCESS)
        assert _answer(machine, "recvmsg", 3, 1 << 40, flag) == (ALLOW if receives else KILL_PROCESS)


@pytest.mark.parametrize("machine", MACHINES)
def test_no_clock_of_another_process(machine: str) -> None:
    for pid in (1, 2, 31337, 1 << 21):
        for kind in range(8):
            clock = ((~pid) << 3 | kind) & 0xFFFF_FFFF
            assert _answer(machine, "clock_gettime", clock, 1 << 40) == KILL_PROCESS
            assert _answer(machine, "clock_nanosleep", clock, 0, 1 << 40) == KILL_PROCESS
    for clock in (0, 1, 2, 3, 4, 5, 6, 7, 11):
        assert _answer(machine, "clock_gettime", clock, 1 << 40) == ALLOW
    assert [_answer(machine, "clock_nanosleep", clock) == ALLOW for clock in range(4)] == [True, True, False, False]


@pytest.mark.parametrize("machine", MACHINES)
def test_memory_grows_or_moves_and_nothing_else(machine: str) -> None:
    for flags in (2, 3, 4, 5, 7, 8):
        assert _answer(machine, "mremap", 1 << 40, 4096, 8192, flags) == KILL_PROCESS
    for flags in (0, 1):
        assert _answer(machine, "mremap", 1 << 40, 4096, 8192, flags) == ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_no_lock_that_lends_priority(machine: str) -> None:
    for operation in range(16):
        for flags in (0, 128, 256, 384):
            expected = ALLOW if operation in {0, 1, 3, 4, 5, 9, 10} else KILL_PROCESS
            assert _answer(machine, "futex", 0, operation | flags) == expected
    assert _answer(machine, "futex", 0, 512) == KILL_PROCESS


@pytest.mark.parametrize("machine", MACHINES)
def test_a_process_says_nothing_new_about_itself(machine: str) -> None:
    assert _answer(machine, "prctl", 15) == ALLOW  # its name
    for option in (*range(15), *range(16, 80), 0x59616D61, 0x4D4D):
        assert _answer(machine, "prctl", option) == KILL_PROCESS, option
    assert _answer(machine, "prctl", 0x5356_4D41) == ANSWER_ERROR | 22


@pytest.mark.parametrize("machine", MACHINES)
def test_descriptors_keep_their_meaning(machine: str) -> None:
    for command in range(64):
        assert _answer(machine, "fcntl", 3, command) == (ALLOW if command in {1, 2, 3} else KILL_PROCESS)
    for command in (1024, 1025, 1026, 1030, 1031, 1033, 1034):
        assert _answer(machine, "fcntl", 3, command) == KILL_PROCESS
    assert _answer(machine, "ioctl", 3, 0x5421) == ALLOW  # whether to wait
    assert _answer(machine, "ioctl", 0, 0x5401) == ANSWER_ERROR | 25
    for command in (0x5412, 0x541C, 0x5402, 0x540E, 0x5452, 0x8901, 0x8904, 0x4004_6600):
        assert _answer(machine, "ioctl", 0, command) == KILL_PROCESS, hex(command)


@pytest.mark.parametrize("machine", MACHINES)
def test_asking_about_an_open_descriptor_finds_nothing_out_about_paths(machine: str) -> None:
    assert _answer(machine, "newfstatat", 3, 1 << 40, 0, 0x1000) == ANSWER_ERROR | 13
    for flags in (0, 0x100, 0x800, 0x1100):
        assert _answer(machine, "newfstatat", 3, 1 << 40, 0, flags) == KILL_PROCESS


@pytest.mark.parametrize("machine", MACHINES)
def test_the_closing_filter_ends_what_it_took_to_hand_over_the_listener(machine: str) -> None:
    known = find_machine(machine)
    closing = pack_program(compile_closing_filter(known))
    for number in range(600):
        ended = number in {known.numbers["sendmsg"], known.numbers["seccomp"]}
        assert bpf.run_program(closing, number, known.audit) == (KILL_PROCESS if ended else ALLOW)
    assert _answer(machine, "seccomp", 1, 1) == ALLOW
    for operation, flags in ((1, 0), (1, 8), (1, 9), (1, 4), (0, 1), (2, 0), (3, 0)):
        assert _answer(machine, "seccomp", operation, flags) == KILL_PROCESS


def test_only_the_own_process_is_left_to_be_written_in() -> None:
    for machine in MACHINES:
        marked = [step for step in compile_filter(find_machine(machine), KILL_PROCESS) if step.is_own_process]
        values = [
            value for rule in RULES for check in rule.checks for value in check.values if value == OWN_PROCESS
        ]
        assert len(marked) == len(values) == 2
        assert {step.constant for step in marked} == {0}


def test_names_of_calls_for_the_record() -> None:
    assert describe_call(0xC000_003E, 257) == ("x86_64", "openat")
    assert describe_call(0xC000_00B7, 56) == ("aarch64", "openat")
    assert describe_call(0xC000_003E, 9999) == ("x86_64", "9999")
    assert describe_call(0x4000_0003, 5) == ("i386", "5")
    assert describe_call(0x1234, 5) == ("0x1234", "5")
