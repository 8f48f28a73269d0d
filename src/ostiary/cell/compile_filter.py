"""From the allow-list to a seccomp program. Pure; the same bytes for the same rules.

A program is classic BPF: it sees the call's number, the processor it was made for, and six arguments of 64 bits; it
cannot follow a pointer. Jumps reach 255 instructions at most (`Instruction.pack` would fail): each rule ends with
answers of its own.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from ostiary.cell.allowed_calls import (
    CLOSED_LATER,
    MEMORY_CALLS,
    OWN_PROCESS,
    RULES,
    WORD,
    CallRule,
    Check,
)
from ostiary.cell.syscalls import Machine

KILL_PROCESS: Final = 0x8000_0000
ANSWER_ERROR: Final = 0x0005_0000
ASK_LISTENER: Final = 0x7FC0_0000
ALLOW: Final = 0x7FFF_0000

_LOAD: Final = 0x20
_AND: Final = 0x54
_JUMP_EQUAL: Final = 0x15
_JUMP_AT_LEAST: Final = 0x35
_RETURN: Final = 0x06

_NUMBER_AT: Final = 0
_MACHINE_AT: Final = 4
_ARGUMENTS_AT: Final = 16
_HALF: Final = (1 << 32) - 1
_X32_CALLS: Final = 0x4000_0000  # calls of the x32 kind carry the audit mark of x86-64


class Instruction(NamedTuple):
    """`struct sock_filter`. With `is_own_process` the constant is written in when the filter is put up."""

    code: int
    if_true: int
    if_false: int
    constant: int
    is_own_process: bool = False

    def pack(self) -> bytes:
        return (
            self.code.to_bytes(2, "little")
            + bytes((self.if_true, self.if_false))
            + self.constant.to_bytes(4, "little")
        )


def compile_filter(machine: Machine, denied: int, memory_bytes: int = WORD) -> tuple[Instruction, ...]:
    """The allow-list, where a call that is not on it gets the answer `denied`.

    One that asks for `memory_bytes` or more at once is told to the listener, or fails where there is none.
    """
    calls: dict[int, list[CallRule]] = {}
    for rule in RULES:
        if rule.call in machine.numbers:
            calls.setdefault(machine.numbers[rule.call], []).append(rule)
    too_much = ASK_LISTENER if denied == ASK_LISTENER else ANSWER_ERROR | errno.ENOMEM
    leaves = [
        (number, [*_compile_most(rules[0].call, memory_bytes, too_much), *_compile_call(rules, denied)])
        for number, rules in sorted(calls.items())
    ]
    return (*_open_program(machine), *_compile_search(leaves, denied))


def compile_closing_filter(machine: Machine) -> tuple[Instruction, ...]:
    """The second filter, on top of the first: it only takes away."""
    program = _open_program(machine)
    for call in CLOSED_LATER:
        program += [Instruction(_JUMP_EQUAL, 0, 1, machine.numbers[call]), _answer(KILL_PROCESS)]
    program.append(_answer(ALLOW))
    return tuple(program)


def pack_program(program: Iterable[Instruction]) -> bytes:
    return b"".join(instruction.pack() for instruction in program)


def _open_program(machine: Machine) -> list[Instruction]:
    program = [
        Instruction(_LOAD, 0, 0, _MACHINE_AT),
        Instruction(_JUMP_EQUAL, 1, 0, machine.audit),
        _answer(KILL_PROCESS),  # a call of another processor's, which has other numbers
        Instruction(_LOAD, 0, 0, _NUMBER_AT),
    ]
    if machine.has_x32:
        program += (Instruction(_JUMP_AT_LEAST, 0, 1, _X32_CALLS), _answer(KILL_PROCESS))
    return program


def _compile_search(leaves: Sequence[tuple[int, list[Instruction]]], denied: int) -> list[Instruction]:
    """A search in halves: the kernel tries every number once when it takes a filter, so that its length is felt."""
    if len(leaves) == 1:
        ((number, body),) = leaves
        return [Instruction(_JUMP_EQUAL, 0, len(body), number), *body, _answer(denied)]
    middle = len(leaves) // 2
    left = _compile_search(leaves[:middle], denied)
    right = _compile_search(leaves[middle:], denied)
    return [Instruction(_JUMP_AT_LEAST, len(left), 0, leaves[middle][0]), *left, *right]


def _compile_call(rules: Sequence[CallRule], denied: int) -> list[Instruction]:
    body: list[Instruction] = []
    for rule in rules:
        body += _compile_rule(rule)
    if rules[-1].checks:
        body.append(_answer(denied))
    return body


def _compile_most(call: str, most: int, answer: int) -> list[Instruction]:
    """Falls through where the call asks for less memory than `most`; nothing for calls that ask for none."""
    if call not in MEMORY_CALLS:
        return []
    low = _ARGUMENTS_AT + 8 * MEMORY_CALLS[call]
    high_value, low_value = most >> 32, most & _HALF
    above = [Instruction(_JUMP_AT_LEAST, 3, 0, high_value + 1)] if high_value < _HALF else []
    return [
        Instruction(_LOAD, 0, 0, low + 4),
        *above,
        Instruction(_JUMP_EQUAL, 0, 3, high_value),
        Instruction(_LOAD, 0, 0, low),
        Instruction(_JUMP_AT_LEAST, 0, 1, low_value),
        _answer(answer),
    ]


def _compile_rule(rule: CallRule) -> list[Instruction]:
    """The checks, each of which jumps behind the answer when it fails; then the answer."""
    body = [_answer(ALLOW if rule.error is None else ANSWER_ERROR | rule.error)]
    for check in reversed(rule.checks):
        body = [*_compile_check(check, len(body)), *body]
    return body


def _compile_check(check: Check, behind: int) -> list[Instruction]:
    """Falls through if the check holds, else jumps over the `behind` instructions that follow it."""
    low = _ARGUMENTS_AT + 8 * check.argument
    if check.mask >> 32:
        ((high_value, low_value),) = ((value >> 32, value & _HALF) for value in check.values)
        high_half = _compile_half(low + 4, check.mask >> 32, (high_value,), behind)
        return _compile_half(low, check.mask & _HALF, (low_value,), behind + len(high_half)) + high_half
    return _compile_half(low, check.mask, check.values, behind)


def _compile_half(offset: int, mask: int, values: Sequence[int], behind: int) -> list[Instruction]:
    body = [Instruction(_LOAD, 0, 0, offset)]
    if mask != _HALF:
        body.append(Instruction(_AND, 0, 0, mask))
    for left, value in zip(range(len(values) - 1, -1, -1), values, strict=True):
        is_own_process = value == OWN_PROCESS
        constant = 0 if is_own_process else value
        body.append(Instruction(_JUMP_EQUAL, left, behind if left == 0 else 0, constant, is_own_process))
    return body


def _answer(answer: int) -> Instruction:
    return Instruction(_RETURN, 0, 0, answer)
