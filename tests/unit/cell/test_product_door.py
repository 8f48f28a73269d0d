"""The door hands each product on with every argument where the other form of it expects it."""

from __future__ import annotations

import ctypes
import platform
import sys
from typing import Any

import pytest

from ostiary._hazmat.product_door import build_door, read_door

ROWS, COLUMNS = 101, 102
PLAIN, TURNED = 111, 112
I32, I64, F32, POINTER = ctypes.c_int32, ctypes.c_int64, ctypes.c_float, ctypes.c_void_p
FROM_MLX = ctypes.CFUNCTYPE(None, *(I32,) * 6, F32, POINTER, I32, POINTER, I32, F32, POINTER, I32)
SGEMM = ctypes.CFUNCTYPE(None, *(I32,) * 3, *(I64,) * 3, F32, POINTER, I64, POINTER, I64, F32, POINTER, I64)
SGEMV = ctypes.CFUNCTYPE(None, *(I32,) * 2, *(I64,) * 2, F32, POINTER, I64, POINTER, I64, F32, POINTER, I64)
A, B, C = 0x1_0000_1000, 0x2_0000_2000, 0x3_0000_3000
ALPHA, BETA = 0.5, 0.25
LDA, LDB, LDC = 9, 11, 13


class Behind:
    """What stands behind the door, and what arrived there."""

    def __init__(self) -> None:
        self.heard: list[tuple[Any, ...]] = []
        self.sgemm = SGEMM(lambda *arguments: self.heard.append(("sgemm", *arguments)))
        self.sgemv = SGEMV(lambda *arguments: self.heard.append(("sgemv", *arguments)))
        door = build_door(*(ctypes.cast(each, POINTER).value or 0 for each in (self.sgemm, self.sgemv)))
        if door is None:
            pytest.skip("there is no door for this processor")
        self.door = FROM_MLX(door)

    def ask(self, order: int, first: int, second: int, *sizes: int) -> tuple[Any, ...]:
        """`sizes`: rows, columns, depth."""
        self.door(order, first, second, *sizes, ALPHA, A, LDA, B, LDB, BETA, C, LDC)
        return self.heard.pop()


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest.mark.parametrize("first", [PLAIN, TURNED])
def test_one_row_by_a_matrix_as_it_is(behind: Behind, first: int) -> None:
    step = 1 if first == PLAIN else LDA
    heard = behind.ask(ROWS, first, PLAIN, 1, 7, 5)
    assert heard == ("sgemv", ROWS, TURNED, 5, 7, ALPHA, B, LDB, A, step, BETA, C, 1)


@pytest.mark.parametrize("first", [PLAIN, TURNED])
def test_one_row_by_a_matrix_that_is_turned(behind: Behind, first: int) -> None:
    step = 1 if first == PLAIN else LDA
    heard = behind.ask(ROWS, first, TURNED, 1, 7, 5)
    assert heard == ("sgemv", ROWS, PLAIN, 7, 5, ALPHA, B, LDB, A, step, BETA, C, 1)


@pytest.mark.parametrize("first", [PLAIN, TURNED])
@pytest.mark.parametrize("second", [PLAIN, TURNED])
@pytest.mark.parametrize(("order", "rows"), [(ROWS, 2), (ROWS, 1 << 30), (COLUMNS, 1), (COLUMNS, 3)])
def test_all_else_stays_what_it_is(behind: Behind, order: int, rows: int, first: int, second: int) -> None:
    heard = behind.ask(order, first, second, rows, 7, 5)
    assert heard == ("sgemm", order, first, second, rows, 7, 5, ALPHA, A, LDA, B, LDB, BETA, C, LDC)


def test_it_can_be_gone_through_any_number_of_times(behind: Behind) -> None:
    heard = [behind.ask(ROWS, PLAIN, PLAIN, 1 + turn % 2, 7, 5)[0] for turn in range(100)]
    assert heard == ["sgemv", "sgemm"] * 50


def test_each_door_is_made_of_whole_instructions_and_ends_where_its_addresses_may_lie() -> None:
    assert read_door("riscv64") is None
    for machine, step in (("x86_64", 1), ("aarch64", 4)):
        code = read_door(machine)
        assert code is not None
        assert len(code) % 8 == 0
        assert len(code) % step == 0


def test_no_door_where_memory_cannot_become_executable(monkeypatch: pytest.MonkeyPatch) -> None:
    from ostiary._hazmat import product_door

    monkeypatch.setattr(product_door, "_make_executable", lambda _address: False)
    assert build_door(1, 2) is None


def test_no_door_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "riscv64")
    assert build_door(1, 2) is None
    monkeypatch.undo()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert build_door(1, 2) is None
