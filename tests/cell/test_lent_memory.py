"""Large data goes to and from a worker in memory that it is lent: it cannot change what it is given, nor what it gave."""

from __future__ import annotations

import pytest
from cell_tools import LIMITS, LINUX_ONLY, Events, last_reply, make_plan, open_cell, open_hostile

from ostiary.cell import lent
from ostiary.cell.running import RunningCell
from ostiary.cell.start import start_cells
from ostiary.errors import CallRefused, SandboxViolation, WorkerCrashed

pytestmark = LINUX_ONLY

SIZE = 3 << 20
DATA = bytes(range(256)) * (SIZE // 256)


@pytest.fixture
def loans(monkeypatch: pytest.MonkeyPatch) -> list[lent.Loan | None]:
    """Every one that was given out, or not."""
    found: list[lent.Loan | None] = []
    lend = lent.LentMemory.lend

    def note(self: lent.LentMemory, tails: tuple[bytes, ...], answer_bytes: int) -> lent.Loan | None:
        found.append(lend(self, tails, answer_bytes))
        return found[-1]

    monkeypatch.setattr(lent.LentMemory, "lend", note)
    return found


def echo(cell: RunningCell, *tails: bytes | memoryview, answer_bytes: int) -> bytes:
    return bytes(last_reply(cell.call("echo", {"a": 1}, tails, answer_bytes=answer_bytes)).tail)


def test_what_is_large_goes_there_and_back_in_lent_memory(loans: list[lent.Loan | None]) -> None:
    with open_cell(Events()) as cell:
        assert echo(cell, DATA, answer_bytes=SIZE) == DATA
        assert (
            echo(cell, DATA[:100], DATA, DATA[7:], answer_bytes=100 + 2 * SIZE - 7) == DATA[:100] + DATA + DATA[7:]
        )
    assert all(loan is not None and loan.given is not None and loan.room is not None for loan in loans)
    assert loans[1].told["given"][1] == 100 + 2 * SIZE - 7  # type: ignore[index]


def test_what_is_small_goes_along_with_the_call(loans: list[lent.Loan | None]) -> None:
    with open_cell(Events()) as cell:
        assert echo(cell, b"small", b"er", answer_bytes=7) == b"smaller"
    assert loans == [None]


def test_each_way_is_decided_by_itself(loans: list[lent.Loan | None]) -> None:
    with open_cell(Events()) as cell:
        assert echo(cell, DATA, answer_bytes=0) == DATA
        assert loans[0].room is None  # type: ignore[union-attr]
        assert (
            echo(cell, b"x" * 10, answer_bytes=SIZE) == b"x" * 10
        )  # not what was said: that is for others to judge
        assert loans[1].given is None  # type: ignore[union-attr]


def test_what_was_received_there_is_not_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    with open_cell(Events()) as cell:
        assert cell.take_place(SIZE) is None  # nothing is in memory yet: a claim costs nothing
        echo(cell, DATA, answer_bytes=0)
        place = cell.take_place(SIZE)
        assert place is not None
        place[:] = DATA[::-1]
        copied: list[int] = []
        monkeypatch.setattr(lent, "_copy", lambda source, _target: copied.append(len(source)))
        assert echo(cell, place[:SIZE].toreadonly(), answer_bytes=0) == DATA[::-1]
        assert echo(cell, place[5 : 1 << 20], place[1 << 20 :], answer_bytes=0) == DATA[::-1][5:]
        assert copied == []


def test_what_lies_there_in_another_order_is_copied() -> None:
    with open_cell(Events()) as cell:
        echo(cell, DATA, answer_bytes=0)
        place = cell.take_place(SIZE)
        assert place is not None
        place[:] = DATA
        half = SIZE // 2 + 1
        assert echo(cell, place[half:], place[:half], answer_bytes=0) == DATA[half:] + DATA[:half]


def test_what_is_to_be_held_still_is_copied_once() -> None:
    with open_cell(Events()) as cell:
        data = bytearray(DATA)
        held = cell.hold_still([memoryview(b"first"), memoryview(data), memoryview(b"")])
        assert held is not None
        data[:] = bytes(SIZE)
        assert [bytes(part) for part in held] == [b"first", DATA, b""]
        assert all(part.readonly for part in held)
        assert cell.hold_still(held) is None, "it is there already"
        assert cell.hold_still([memoryview(b"small")]) is None
        assert cell.hold_still([]) is None
        assert cell.hold_still([memoryview(bytes(LIMITS.memory_bytes // 4 + 1))]) is None
        assert echo(cell, *held, answer_bytes=0) == b"first" + DATA


def test_a_place_of_a_worker_that_ended_is_of_use_to_the_next() -> None:
    events = Events()
    with open_cell(events) as cell:
        echo(cell, DATA, answer_bytes=0)
        place = cell.take_place(SIZE)
        assert place is not None
        place[:] = DATA
        with pytest.raises(WorkerCrashed):
            list(cell.call("end", {"how": "abort"}))
        assert echo(cell, place, answer_bytes=SIZE) == DATA


def test_a_place_of_one_of_several_workers_is_of_use_to_the_others() -> None:
    events = Events()
    with start_cells(make_plan(), events.emit, "correlation", 2) as group:
        first, second = group.cells
        echo(first, DATA, answer_bytes=0)
        place = group.take_place(SIZE)
        assert place is not None
        place[:] = DATA[::-1]
        asleep = first.call("sleep", {"milliseconds": 60_000})
        held = group.hold_still([place])
        assert held is not None, "the one that would be called now has it not"
        del place
        call = group.call("echo", {"a": 1}, (held[0],), answer_bytes=SIZE)
        assert group._callees[call] is second
        assert bytes(last_reply(call).tail) == DATA[::-1]
        asleep.close()


def test_more_than_it_has_room_for_goes_as_before(loans: list[lent.Loan | None]) -> None:
    with open_cell(Events(), memory_bytes=200 << 20) as cell:
        kept = [cell.call("sleep", {"milliseconds": 1}, b"x" * (20 << 20)) for _ in range(4)]
        assert all(last_reply(call).body == {} for call in kept)
        assert echo(cell, DATA, answer_bytes=SIZE) == DATA
    assert [loan is None for loan in loans[:2]] == [False, False]


def test_where_there_is_no_such_memory_all_goes_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lent, "create_memory_file", _refuse)
    with open_cell(Events()) as cell:
        assert echo(cell, DATA, answer_bytes=SIZE) == DATA
        assert cell.take_place(SIZE) is None


def test_it_cannot_write_to_what_it_is_given() -> None:
    events = Events()
    with open_hostile(events) as cell:
        with pytest.raises(WorkerCrashed):
            list(cell.call("do", {"what": "write to what is given"}, DATA))
        with pytest.raises(CallRefused, match="Permission denied"):
            list(cell.call("do", {"what": "make what is given writable"}, DATA))
        with pytest.raises(CallRefused, match="no file is open"):
            list(cell.call("do", {"what": "look for the descriptor of lent memory"}, DATA))


def test_what_it_writes_after_its_answer_changes_nothing_of_it() -> None:
    with open_hostile(Events()) as cell:
        answer = last_reply(cell.call("echo", {}, DATA, answer_bytes=SIZE)).tail
        last_reply(cell.call("do", {"what": "scribble in the room"}))
        assert bytes(answer) == DATA
        assert echo(cell, DATA, answer_bytes=SIZE) == DATA


def test_an_answer_in_lent_memory_and_beside_it_ends_the_worker() -> None:
    events = Events()
    with open_hostile(events) as cell:
        call = cell.call("do", {"what": "answer in lent memory and beside it"}, answer_bytes=SIZE)
        with pytest.raises(SandboxViolation, match="memory that it was not lent"):
            list(call)
        assert events.causes == ["malformed"]


def test_an_answer_in_lent_memory_that_it_never_wrote_is_what_stood_there() -> None:
    with open_hostile(Events()) as cell:
        call = cell.call("do", {"what": "answer in memory that was not lent"}, answer_bytes=SIZE)
        assert bytes(last_reply(call).tail) == bytes(SIZE)


def _refuse(_name: str) -> int:
    raise OSError(24, "too many open files")
