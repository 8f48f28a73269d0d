"""Any call with any arguments: the compiled filter answers what the allow-list says, read in the plainest way."""

from __future__ import annotations

import bpf
from hypothesis import given, settings
from hypothesis import strategies as st

from ostiary.cell.allowed_calls import MEMORY_CALLS, OWN_PROCESS, RULES, Check
from ostiary.cell.compile_filter import (
    ALLOW,
    ANSWER_ERROR,
    ASK_LISTENER,
    KILL_PROCESS,
    compile_filter,
    pack_program,
)
from ostiary.cell.syscalls import find_machine

OWN = 31337
MEMORY_BYTES = (5 << 32) + 12_288
PROGRAMS = {
    name: pack_program(
        step._replace(constant=OWN) if step.is_own_process else step
        for step in compile_filter(find_machine(name), ASK_LISTENER, MEMORY_BYTES)
    )
    for name in ("x86_64", "aarch64")
}
CHECKED = [rule for rule in RULES if rule.checks]
MASKS = [check.mask for rule in RULES for check in rule.checks]
VALUES = sorted({value for rule in RULES for check in rule.checks for value in check.values} | {OWN, MEMORY_BYTES})
WORDS = (
    st.integers(0, (1 << 64) - 1)
    | st.integers(MEMORY_BYTES - 4, MEMORY_BYTES + 4)
    | st.sampled_from(VALUES)
    | st.builds(lambda value, bit: value ^ (1 << bit), st.sampled_from(VALUES), st.integers(0, 63))
    | st.builds(lambda value, mask: value | ~mask, st.sampled_from(VALUES), st.sampled_from(MASKS))
)


def _holds(check: Check, arguments: list[int]) -> bool:
    word = arguments[check.argument] & ((1 << 64) - 1)
    return (word & check.mask) in {OWN if value == OWN_PROCESS else value for value in check.values}


def _expected(machine: str, number: int, arguments: list[int]) -> int:
    known = find_machine(machine)
    if known.has_x32 and number >= 0x4000_0000:
        return KILL_PROCESS
    asks_for = {known.numbers[call]: argument for call, argument in MEMORY_CALLS.items()}.get(number)
    if asks_for is not None and arguments[asks_for] & ((1 << 64) - 1) >= MEMORY_BYTES:
        return ASK_LISTENER
    for rule in RULES:
        if known.numbers.get(rule.call) == number and all(_holds(check, arguments) for check in rule.checks):
            return ALLOW if rule.error is None else ANSWER_ERROR | rule.error
    return ASK_LISTENER


@st.composite
def _calls_near_a_rule(draw: st.DrawFn) -> tuple[str, list[int]]:
    """What a rule asks for, in one argument perhaps off by a bit, or with bits set that the rule does not look at."""
    rule = draw(st.sampled_from(CHECKED))
    arguments = draw(st.lists(WORDS, min_size=6, max_size=6))
    for check in rule.checks:
        value = draw(st.sampled_from(check.values))
        word = OWN if value == OWN_PROCESS else value
        change = draw(st.sampled_from(["none", "none", "bit", "others"]))
        if change == "bit":
            word ^= 1 << draw(st.integers(0, 63))
        elif change == "others":
            word |= draw(st.integers(0, (1 << 64) - 1)) & ~check.mask
        arguments[check.argument] = word
    return rule.call, arguments


@settings(max_examples=500)
@given(
    st.sampled_from(sorted(PROGRAMS)),
    _calls_near_a_rule()
    | st.tuples(
        st.integers(0, (1 << 32) - 1) | st.integers(0, 500),
        st.lists(WORDS, min_size=6, max_size=6),
    ),
)
def test_the_filter_is_the_list(machine: str, asked: tuple[str | int, list[int]]) -> None:
    call, arguments = asked
    known = find_machine(machine)
    number = known.numbers.get(call, 0) if isinstance(call, str) else call
    assert bpf.run_program(PROGRAMS[machine], number, known.audit, arguments) == _expected(
        machine, number, arguments
    )


@given(st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1), st.lists(WORDS, min_size=6, max_size=6))
def test_nothing_of_another_machine_comes_through(number: int, audit: int, arguments: list[int]) -> None:
    for machine, program in PROGRAMS.items():
        if audit != find_machine(machine).audit:
            assert bpf.run_program(program, number, audit, arguments) == KILL_PROCESS
