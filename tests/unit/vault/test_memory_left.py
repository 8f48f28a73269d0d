"""How much memory is left is read from the system and from every control group above us."""

from __future__ import annotations

from pathlib import Path

import pytest

from ostiary.vault.memory_left import read_memory_left

MEMINFO = "MemTotal:       24684084 kB\nMemFree:        16990616 kB\nMemAvailable:   22543360 kB\n"


@pytest.fixture
def system(tmp_path: Path) -> tuple[Path, Path, Path]:
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "cgroup").write_text("0::/user/app\n")
    (tmp_path / "groups" / "user" / "app").mkdir(parents=True)
    return tmp_path / "meminfo", tmp_path / "cgroup", tmp_path / "groups"


def _limit(group: Path, limit: str, held: int, cached: int = 0) -> None:
    (group / "memory.max").write_text(f"{limit}\n")
    (group / "memory.current").write_text(f"{held}\n")
    (group / "memory.stat").write_text(f"anon 5\nactive_file {cached}\ninactive_file {cached}\n")


def test_without_groups_it_is_what_the_system_says(system: tuple[Path, Path, Path]) -> None:
    assert read_memory_left(*system) == 22_543_360 << 10


def test_the_narrowest_group_counts(system: tuple[Path, Path, Path]) -> None:
    groups = system[2]
    _limit(groups, "max", 5)
    _limit(groups / "user", "1000", 400)
    _limit(groups / "user" / "app", "5000", 400)
    assert read_memory_left(*system) == 600


def test_what_is_cached_can_be_dropped(system: tuple[Path, Path, Path]) -> None:
    _limit(system[2] / "user" / "app", "1000", 990, cached=100)
    assert read_memory_left(*system) == 210


def test_a_group_over_its_limit_has_nothing_left(system: tuple[Path, Path, Path]) -> None:
    _limit(system[2] / "user" / "app", "1000", 2_000)
    assert read_memory_left(*system) == 0


@pytest.mark.parametrize("meminfo", ["", "MemAvailable: many kB\n", "MemAvailable: 5\n", "MemAvailable: ² kB\n"])
def test_a_system_that_does_not_say_is_not_guessed_at(tmp_path: Path, meminfo: str) -> None:
    (tmp_path / "meminfo").write_text(meminfo)
    assert read_memory_left(tmp_path / "meminfo", tmp_path / "none", tmp_path / "none") is None


def test_a_group_that_points_out_is_not_read(system: tuple[Path, Path, Path], tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    _limit(outside, "1", 0)
    system[1].write_text("0::/../outside\n")
    assert read_memory_left(*system) == 22_543_360 << 10
