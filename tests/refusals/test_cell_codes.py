"""One test for each code of the cell that needs no process, named by what brings it about."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ostiary import errors
from ostiary.cell.ending import Cause
from ostiary.cell.limits import MIB, CellLimits, check_memory
from ostiary.cell.limits_file import parse_config
from ostiary.cell.profile import Layer, SystemFacts, choose_profile
from ostiary.cell.quarantine import Quarantine

LIMITS = CellLimits(1 << 30, 60, 60, 60, 16, 1_000, 32, 3)
FACTS = SystemFacts(
    system="linux",
    machine="x86_64",
    kernel="6.12",
    user_id=1000,
    group_id=1000,
    can_change_user=False,
    cell_users=(0, 0),
    landlock_version=6,
    has_seccomp=True,
    has_listener=True,
    has_no_new_code=True,
    namespaces=frozenset(),
)


def weights_larger_than_the_limit(_state: Path) -> None:
    check_memory(replace(LIMITS, memory_bytes=200 * MIB), 100 * MIB)


def a_kernel_without_landlock(_state: Path) -> None:
    choose_profile(replace(FACTS, landlock_version=0), LIMITS)


def a_kernel_without_seccomp(_state: Path) -> None:
    choose_profile(replace(FACTS, has_seccomp=False), LIMITS)


def a_machine_whose_calls_nobody_wrote_down(_state: Path) -> None:
    choose_profile(replace(FACTS, machine="riscv64"), LIMITS)


def a_root_that_cannot_drop_its_user(_state: Path) -> None:
    choose_profile(replace(FACTS, user_id=0), LIMITS)


def a_wall_that_cannot_stand_without_what_was_left_out(_state: Path) -> None:
    choose_profile(FACTS, LIMITS, without=(Layer.PRIVILEGES,))


def a_system_without_any_wall(_state: Path) -> None:
    choose_profile(replace(FACTS, system="win32"), LIMITS)


def a_model_that_keeps_dying(state: Path) -> None:
    quarantine = Quarantine(state, lambda _: None)
    for _ in range(4):
        quarantine.note_end("ab" * 32, "llama", Cause.CRASH, 3, "id")
    quarantine.check("ab" * 32)


def ends_that_somebody_wrote_into(state: Path) -> None:
    quarantine = Quarantine(state, lambda _: None)
    quarantine.note_end("ab" * 32, "llama", Cause.CRASH, 3, "id")
    (state / "quarantine" / f"{'ab' * 32}.json").write_bytes(b"nothing ended here")
    quarantine.check("ab" * 32)


def a_size_without_its_unit(_state: Path) -> None:
    parse_config(b"[limits]\nmemory = 8\n", "ostiary.toml")


ACTS: list[tuple[str, Callable[[Path], None]]] = [
    ("CELL_MEMORY_BUDGET", weights_larger_than_the_limit),
    ("CELL_WALL_UNAVAILABLE", a_kernel_without_landlock),
    ("CELL_WALL_UNAVAILABLE", a_kernel_without_seccomp),
    ("CELL_WALL_UNAVAILABLE", a_machine_whose_calls_nobody_wrote_down),
    ("CELL_WALL_UNAVAILABLE", a_root_that_cannot_drop_its_user),
    ("CELL_WALL_UNAVAILABLE", a_wall_that_cannot_stand_without_what_was_left_out),
    ("CELL_WALL_UNAVAILABLE", a_system_without_any_wall),
    ("CELL_QUARANTINED", a_model_that_keeps_dying),
    ("CELL_QUARANTINED", ends_that_somebody_wrote_into),
    ("CELL_LIMITS_MALFORMED", a_size_without_its_unit),
]


@pytest.mark.parametrize(("code", "act"), ACTS, ids=[act.__name__ for _, act in ACTS])
def test_the_act_brings_the_code(code: str, act: Callable[[Path], None], tmp_path: Path) -> None:
    with pytest.raises(errors.OstiaryError) as caught:
        act(tmp_path / "state")
    assert caught.value.code == code
    assert caught.value.hint
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in caught.value.message
