"""What the system is asked, on a system whose answers are written down here."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ostiary._hazmat import namespaces
from ostiary.cell import probe

WHOLE = "         0          0 4294967295\n"
CONTAINER = "         0     100000      65536\n"
ROOTLESS = "         0       1000          1\n         1     100000      65536\n"
ALONE = "         0       1000          1\n"


@pytest.mark.parametrize(
    ("users", "groups", "expected"),
    [
        (WHOLE, WHOLE, (0x7000_0000, 0x7FFF_FFFF)),
        (CONTAINER, CONTAINER, (61_184, 65_519)),
        (ROOTLESS, ROOTLESS, (61_184, 65_519)),
        (WHOLE, CONTAINER, (61_184, 65_519)),
        (ALONE, ALONE, None),
        (WHOLE, ALONE, None),
        (None, None, None),
    ],
)
def test_ids_for_cells_are_taken_from_where_nobody_is(
    users: str | None, groups: str | None, expected: tuple[int, int] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {"/proc/self/uid_map": users, "/proc/self/gid_map": groups}
    _answer(monkeypatch, texts)
    assert probe._find_cell_users() == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("CapEff:\t0000000000000000\n", frozenset()),
        ("CapEff:\t0000000000200040\n", frozenset({6, 21})),
        ("Name:\tx\nCapPrm:\tffffffffffffffff\nCapEff:\t0000000000000001\n", frozenset({0})),
        ("Name:\tx\n", frozenset()),
        (None, frozenset()),
    ],
)
def test_capabilities_are_those_in_effect(
    line: str | None, expected: frozenset[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    _answer(monkeypatch, {"/proc/self/status": line})
    assert probe._read_capabilities() == expected


def test_threads_are_counted_by_user(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = "Name:\tx\nUid:\t7\t8\t8\t8\nThreads:\t3\n"
    others = "Name:\ta: b\nUid:\t8\t7\t7\t7\nThreads:\t5\n"
    _answer(monkeypatch, {"/proc/1/status": mine, "/proc/2/status": others, "/proc/3/status": None})
    assert [probe._count_threads(f"/proc/{number}/status", 7) for number in (1, 2, 3)] == [3, 0, 0]


def test_without_an_interpreter_nothing_can_be_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "")
    assert not namespaces.can_enter(namespaces.UTS, "x86_64")
    monkeypatch.setattr(sys, "executable", "/no/such/interpreter")
    assert not namespaces.can_enter(namespaces.UTS, "x86_64")


@pytest.mark.skipif(sys.platform != "linux", reason="Linux")
def test_the_facts_of_this_system_make_a_wall_or_say_why_not() -> None:
    facts = probe.read_facts()
    assert facts.system == "linux"
    assert facts.landlock_version >= 0
    assert facts.namespaces <= {"user", "network", "ipc", "uts", "mount"}
    assert probe.count_threads_of_user() >= 1


def _answer(monkeypatch: pytest.MonkeyPatch, texts: dict[str, str | None]) -> None:
    def read_text(path: Path, encoding: str | None = None, errors: str | None = None) -> str:
        text = texts[str(path)]
        if text is None:
            raise FileNotFoundError
        return text

    monkeypatch.setattr(Path, "read_text", read_text)
