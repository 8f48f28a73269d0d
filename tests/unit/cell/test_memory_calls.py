"""Asking for more memory at once than the limit: told to the cell, or refused, and never more than that."""

from __future__ import annotations

import errno

import bpf
import pytest

from ostiary._hazmat.notify import DeniedCall
from ostiary.cell import memory_refusals
from ostiary.cell.allowed_calls import MEMORY_CALLS
from ostiary.cell.compile_filter import (
    ALLOW,
    ANSWER_ERROR,
    ASK_LISTENER,
    KILL_PROCESS,
    compile_filter,
    pack_program,
)
from ostiary.cell.memory_refusals import MemoryRefusals
from ostiary.cell.syscalls import find_machine

MACHINES = ("x86_64", "aarch64")
PRIVATE_ANONYMOUS = 0x22
LIMITS = (128 << 20, (1 << 32) - 1, 1 << 32, (1 << 32) + 1, (6 << 30) + 4096, (1 << 64) - 1)


def _answer(
    machine: str, call: str, size: int, *, limit: int, denied: int = KILL_PROCESS, protection: int = 3
) -> int:
    known = find_machine(machine)
    program = pack_program(compile_filter(known, denied, limit))
    arguments = [0, size, protection, PRIVATE_ANONYMOUS, 0, 0] if call == "mmap" else [0, 4096, size, 1, 0, 0]
    return bpf.run_program(program, known.numbers[call], known.audit, arguments)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("limit", LIMITS)
def test_the_kernel_would_take_it(machine: str, limit: int) -> None:
    program = pack_program(compile_filter(find_machine(machine), ASK_LISTENER, limit))
    bpf.check_program(program)


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("call", MEMORY_CALLS)
@pytest.mark.parametrize("limit", LIMITS)
def test_from_the_limit_on_it_is_refused(machine: str, call: str, limit: int) -> None:
    below = {0, 1, limit - 1, limit >> 1, limit & 0xFFFF_FFFF_0000_0000} - {limit}
    above = {limit, min(limit + 1, (1 << 64) - 1), (1 << 64) - 1, limit | 0xFFFF_FFFF}
    for size in below:
        assert _answer(machine, call, size, limit=limit) == ALLOW, hex(size)
    for size in above:
        assert _answer(machine, call, size, limit=limit) == ANSWER_ERROR | errno.ENOMEM, hex(size)
        assert _answer(machine, call, size, limit=limit, denied=ASK_LISTENER) == ASK_LISTENER, hex(size)


def test_a_denied_call_is_one_however_much_it_asks_for() -> None:
    """Else a map of executable memory passes for a want of memory, and the record has nothing of it."""
    refusals = MemoryRefusals(1 << 30)

    def is_one(call: str, *arguments: int) -> bool:
        padded = (*arguments, *(0,) * (6 - len(arguments)))
        return refusals.is_one(call, DeniedCall(1, 2, 9, 3, padded))

    assert is_one("mmap", 0, 1 << 30, 3, PRIVATE_ANONYMOUS, (1 << 64) - 1)
    assert not is_one("mmap", 0, 1 << 30, 7, PRIVATE_ANONYMOUS, (1 << 64) - 1)
    assert not is_one("mmap", 0, 1 << 30, 3, 0x21)
    assert not is_one("mmap", 0, (1 << 30) - 1, 3, PRIVATE_ANONYMOUS)
    assert is_one("mremap", 0, 4096, 1 << 40, 1)
    assert not is_one("mremap", 0, 4096, 1 << 40, 5)
    assert not is_one("socket", 1 << 40, 1 << 40, 1 << 40)


def test_too_many_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory_refusals, "MAX_MEMORY_REFUSALS", 2)
    refusals = MemoryRefusals(1)
    assert not refusals.was_just_now
    assert [refusals.note() for _ in range(3)] == [True, True, False]
    assert refusals.was_just_now


@pytest.mark.parametrize("machine", MACHINES)
def test_what_is_denied_anyway_stays_denied(machine: str) -> None:
    assert _answer(machine, "mmap", 4096, limit=1 << 30, protection=7) == KILL_PROCESS
    assert _answer(machine, "mmap", 2 << 30, limit=1 << 30, protection=7) != ALLOW


@pytest.mark.parametrize("machine", MACHINES)
def test_other_calls_do_not_look_at_sizes(machine: str) -> None:
    known = find_machine(machine)
    program = pack_program(compile_filter(known, KILL_PROCESS, 1 << 20))
    assert bpf.run_program(program, known.numbers["munmap"], known.audit, (0, 1 << 40)) == ALLOW
