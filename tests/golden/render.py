"""Writes walls as text that people can review: `python tests/golden/render.py` writes the golden files anew.

The words stand beside the bytes: what a reader sees is what `tests/bpf.py` makes of the very program.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bpf import JUMPS, LOAD_WORD, RETURN, read_program

from ostiary._hazmat.wall import Wall
from ostiary._hazmat.wall_linux import LinuxWall
from ostiary.cell.compile_wall import compile_wall
from ostiary.cell.limits import CellLimits
from ostiary.cell.profile import SystemFacts, choose_profile
from ostiary.cell.syscalls import find_machine

HERE = Path(__file__).parent
GIB = 1 << 30

LIMITS = CellLimits(
    memory_bytes=4 * GIB,
    cpu_seconds=1200,
    wall_seconds=600,
    load_seconds=50,
    threads=10,
    tokens=8192,
    descriptors=32,
    restarts=3,
)
KINDS = frozenset({"network", "ipc", "uts", "mount"})
ROOT = SystemFacts(
    system="linux",
    machine="x86_64",
    kernel="6.18.0",
    user_id=0,
    group_id=0,
    can_change_user=True,
    cell_users=(0x7000_0000, 0x7FFF_FFFF),
    landlock_version=7,
    has_seccomp=True,
    has_listener=True,
    has_no_new_code=True,
    namespaces=KINDS,
)
USER = replace(ROOT, user_id=1000, group_id=1000, can_change_user=False, namespaces=KINDS | {"user"})
OLD = replace(
    USER,
    kernel="5.13.0",
    landlock_version=1,
    has_listener=False,
    has_no_new_code=False,
    namespaces=frozenset(),
)
MAC = replace(
    OLD, system="darwin", machine="arm64", kernel="25.0.0", landlock_version=0, has_seccomp=False, has_seatbelt=True
)

_RESOURCES = {
    "linux": dict(
        enumerate(
            "CPU FSIZE DATA STACK CORE RSS NPROC NOFILE MEMLOCK AS LOCKS SIGPENDING MSGQUEUE NICE RTPRIO".split()
        )
    ),
    "darwin": dict(enumerate("CPU FSIZE DATA STACK CORE AS MEMLOCK NPROC NOFILE".split())),
}
_OPERATORS = {0x15: "==", 0x25: ">", 0x35: ">=", 0x45: "&"}
_ANSWERS = {0x8000_0000: "end the process", 0x7FC0_0000: "ask the cell", 0x7FFF_0000: "let through"}
_ERRORS = {1: "EPERM", 12: "ENOMEM", 13: "EACCES", 22: "EINVAL", 25: "ENOTTY", 38: "ENOSYS"}


def render_all() -> Mapping[str, str]:
    """Every golden file by name."""
    files = {}
    for machine in ("x86_64", "aarch64"):
        for name, facts in (("root", ROOT), ("user", USER), ("old", OLD)):
            wall = compile_wall(
                choose_profile(replace(facts, machine=machine), LIMITS), serial=7, threads_of_user=80
            )
            files[f"{machine}-{name}.txt"] = _render_wall(wall)
        killing, closing = wall.filter_killing, wall.filter_closing  # type: ignore[union-attr]
        places = wall.filter_own_process  # type: ignore[union-attr]
        files[f"{machine}-filter.txt"] = _render_program(killing, machine, places)
        files[f"{machine}-filter-closing.txt"] = _render_program(closing, machine, ())
    mac = compile_wall(choose_profile(MAC, LIMITS), metal_kernels="/opt/mlx/mlx.metallib")
    files["darwin.txt"] = _render_wall(mac)
    return files


def _render_wall(wall: Wall) -> str:
    lines = []
    for name, value in wall._asdict().items():
        if name == "seatbelt":
            lines += [f"{name}:", *(f"    {line}".rstrip() for line in str(value).splitlines())]
        elif isinstance(value, bytes):
            lines.append(f"{name}: {len(value) // 8} instructions")
        elif name == "resources":
            names = _RESOURCES["linux" if isinstance(wall, LinuxWall) else "darwin"]
            lines += [f"{name}:", *(f"    {names[number]}: {soft} {hard}" for number, soft, hard in value)]
        elif isinstance(value, int) and not isinstance(value, bool):
            lines.append(f"{name}: {value:#x}")
        else:
            lines.append(f"{name}: {value}")
    return "\n".join(lines) + "\n"


def _render_program(program: bytes, machine: str, own_process: tuple[int, ...]) -> str:
    """One line for each instruction: where, its eight bytes, what it does. Jumps name the line they go to."""
    lines, loaded = [], _follow_loads(program)
    for place, (code, if_true, if_false, constant) in enumerate(read_program(program)):
        if code == LOAD_WORD:
            text = f"look at {_name_word(constant)}"
        elif code in JUMPS:
            value = "own process" if place in own_process else _name_value(loaded[place], constant, machine)
            text = f"{_OPERATORS[code]} {value}: {place + 1 + if_true} else {place + 1 + if_false}"
        elif code == 0x54:
            text = f"take the bits {constant:#x}"
        else:
            text = _name_answer(constant)
        lines.append(f"{place:3}  {program[place * 8 : place * 8 + 8].hex()}  {text}")
    return "\n".join(lines) + "\n"


def _follow_loads(program: bytes) -> Mapping[int, str]:
    """What was looked at last when a comparison is reached: the house's programs never leave that open."""
    steps, waiting, loaded, seen = read_program(program), [(0, "")], {}, set()
    while waiting:
        place, last = waiting.pop()
        if (place, last) in seen:
            continue
        seen.add((place, last))
        code, if_true, if_false, constant = steps[place]
        if code in JUMPS:
            assert loaded.setdefault(place, last) == last
            waiting += ((place + 1 + if_true, last), (place + 1 + if_false, last))
        elif code != RETURN:
            waiting.append((place + 1, _name_word(constant) if code == LOAD_WORD else last))
    return loaded


def _name_word(offset: int) -> str:
    if offset < 16:
        return {0: "the call", 4: "the machine"}[offset]
    return f"argument {(offset - 16) // 8}{' (upper half)' if offset % 8 else ''}"


def _name_value(loaded: str, value: int, machine: str) -> str:
    if loaded == "the call" and value < 1 << 30:
        return find_machine(machine).find_name(value)
    return f"{value:#x}"


def _name_answer(answer: int) -> str:
    if answer >> 16 == 5:
        return f"answer {_ERRORS[answer & 0xFFFF]}"
    return _ANSWERS[answer]


if __name__ == "__main__":
    for name, text in render_all().items():
        (HERE / name).write_text(text, encoding="utf-8")
