"""The tables of system calls: held against what compilers here know, and against each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ostiary.cell.allowed_calls import CLOSED_LATER, MEMORY_CALLS, RULES
from ostiary.cell.syscalls import find_machine

# Where distributions keep what the kernel says; on each machine its own.
HEADERS = {
    "x86_64": ("/usr/include/x86_64-linux-gnu/asm/unistd_64.h", "/usr/include/asm/unistd_64.h"),
    "aarch64": ("/usr/include/aarch64-linux-gnu/asm/unistd_64.h",),
}
COMMON_FROM = 424  # from pidfd_send_signal on, both machines count alike


@pytest.mark.parametrize("machine", HEADERS)
def test_numbers_are_those_of_the_kernels_headers(machine: str) -> None:
    header = next((Path(path) for path in HEADERS[machine] if Path(path).exists()), None)
    if header is None:
        pytest.skip("the headers of this machine's kernel are not installed")
    theirs = {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", header.read_text())}
    ours = find_machine(machine).numbers
    assert {name: ours.get(name, number) for name, number in theirs.items()} == theirs


def test_newer_calls_have_one_number_everywhere() -> None:
    new = [
        {name: number for name, number in find_machine(machine).numbers.items() if number >= COMMON_FROM}
        for machine in ("x86_64", "aarch64")
    ]
    assert new[0] == new[1]
    assert sorted(new[0].values()) == list(range(COMMON_FROM, COMMON_FROM + len(new[0])))


def test_numbers_that_everybody_knows() -> None:
    x86, arm = find_machine("x86_64").numbers, find_machine("aarch64").numbers
    assert (x86["read"], x86["openat"], x86["exit_group"], x86["seccomp"]) == (0, 257, 231, 317)
    assert (arm["read"], arm["openat"], arm["exit_group"], arm["seccomp"]) == (63, 56, 94, 277)
    assert (x86["mmap"], x86["clone"], x86["futex"], x86["rseq"]) == (9, 56, 202, 334)
    assert (arm["mmap"], arm["clone"], arm["futex"], arm["rseq"]) == (222, 220, 98, 293)


@pytest.mark.parametrize("machine", HEADERS)
def test_every_rule_is_about_a_call_that_exists(machine: str) -> None:
    only_on_x86 = {"poll", "time"}
    named = {rule.call for rule in RULES} | set(CLOSED_LATER) | set(MEMORY_CALLS)
    missing = named - set(find_machine(machine).numbers)
    assert missing == (set() if machine == "x86_64" else only_on_x86)


@pytest.mark.parametrize("machine", HEADERS)
def test_no_number_has_two_names(machine: str) -> None:
    numbers = find_machine(machine).numbers
    assert len(set(numbers.values())) == len(numbers)
    assert {find_machine(machine).find_name(number) for number in numbers.values()} == set(numbers)
