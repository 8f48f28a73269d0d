"""A classic BPF machine as seccomp has it (Linux, Documentation/userspace-api/seccomp_filter.rst and net/core/filter.c).

It knows nothing of how the house writes its filters: it is given bytes, a call, and says what the kernel would answer.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

INSTRUCTION = struct.Struct("<HBBI")
DATA = struct.Struct("<iIQ6Q")  # struct seccomp_data
LOAD_WORD, AND, RETURN = 0x20, 0x54, 0x06
JUMPS = {0x15: int.__eq__, 0x25: int.__gt__, 0x35: int.__ge__, 0x45: lambda a, k: bool(a & k)}


def read_program(program: bytes) -> list[tuple[int, int, int, int]]:
    return list(INSTRUCTION.iter_unpack(program))


def check_program(program: bytes) -> None:
    """What the kernel asks of every program before it takes it."""
    steps = read_program(program)
    assert 0 < len(steps) <= 4096
    for place, (code, if_true, if_false, constant) in enumerate(steps):
        assert code in {LOAD_WORD, AND, RETURN, *JUMPS}, hex(code)
        if code in JUMPS:
            assert place + 1 + max(if_true, if_false) < len(steps)
        if code == LOAD_WORD:
            assert constant % 4 == 0
            assert constant < DATA.size
    assert steps[-1][0] == RETURN


def run_program(program: bytes, number: int, audit: int, arguments: Sequence[int] = ()) -> int:
    """The 32 bits that the filter answers with."""
    filled = [argument & ((1 << 64) - 1) for argument in (*arguments, *(0,) * (6 - len(arguments)))]
    signed = number - (1 << 32) if number >= 1 << 31 else number
    data = DATA.pack(signed, audit, 0, *filled)
    steps, place, accumulator = read_program(program), 0, 0
    while True:
        code, if_true, if_false, constant = steps[place]
        place += 1
        if code == LOAD_WORD:
            (accumulator,) = struct.unpack_from("<I", data, constant)
        elif code == AND:
            accumulator &= constant
        elif code == RETURN:
            return constant
        else:
            place += if_true if JUMPS[code](accumulator, constant) else if_false


def reachable(program: bytes) -> Iterator[int]:
    """Every instruction that some input may lead to."""
    steps, waiting, seen = read_program(program), [0], set()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        yield place
        code, if_true, if_false, _ = steps[place]
        if code in JUMPS:
            waiting += (place + 1 + if_true, place + 1 + if_false)
        elif code != RETURN:
            waiting.append(place + 1)
