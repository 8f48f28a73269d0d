"""The two files that a worker is lent, before there is a worker."""

from __future__ import annotations

import errno
import mmap
import os
import resource
import sys
import threading
from collections.abc import Iterator

import pytest

if sys.platform != "linux":
    pytest.skip("files in memory are Linux's", allow_module_level=True)

from cell_tools import count_descriptors

from ostiary.cell.lent import LARGE_BYTES, LentMemory
from ostiary.core.limits import MAX_LENT_BYTES, MAX_LENT_IDLE_MS

MEMORY = 64 << 20


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def memory(clock: Clock) -> Iterator[LentMemory]:
    made = LentMemory.create(MEMORY, clock)
    assert made is not None
    yield made
    made.close()


def test_the_worker_gets_the_first_without_the_right_to_write(memory: LentMemory) -> None:
    given, room = memory.detach_for_worker()
    try:
        with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
            os.write(given, b"x")
        with pytest.raises(PermissionError):
            mmap.mmap(given, memory.size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        for descriptor in (given, room):
            for size in (0, memory.size - 1, memory.size + 1):
                with pytest.raises(OSError, match=r"not permitted|Invalid argument"):
                    os.ftruncate(descriptor, size)
    finally:
        os.close(given)
        os.close(room)


def test_nobody_can_change_the_length_of_either(memory: LentMemory) -> None:
    _, room = descriptors = memory.detach_for_worker()
    for size in (0, memory.size + 1):
        with pytest.raises(PermissionError):
            os.ftruncate(room, size)
    for descriptor in descriptors:
        os.close(descriptor)


def test_what_is_told_is_where_it_lies(memory: LentMemory) -> None:
    given, room = memory.detach_for_worker()
    seen = mmap.mmap(given, memory.size, mmap.MAP_SHARED, mmap.PROT_READ)
    loan = memory.lend([b"a" * LARGE_BYTES, memoryview(b"bc")], LARGE_BYTES)
    assert loan is not None
    start, size = loan.told["given"]  # type: ignore[misc]
    assert seen[start : start + size] == b"a" * LARGE_BYTES + b"bc"
    with mmap.mmap(room, memory.size) as written:
        start, size = loan.told["room"]  # type: ignore[misc]
        written[start : start + size] = b"r" * size
    assert loan.room is not None
    assert bytes(memory.copy_out(loan.room)) == b"r" * LARGE_BYTES
    assert memory.most_bytes >= 2 * LARGE_BYTES
    os.close(given)
    os.close(room)


def test_data_that_is_not_in_one_piece_is_left_to_those_who_refuse_it(memory: LentMemory) -> None:
    assert memory.lend([memoryview(bytes(2 * LARGE_BYTES))[::2]], 0) is None


def test_numbers_count_as_their_bytes(memory: LentMemory) -> None:
    loan = memory.lend([memoryview(bytes(LARGE_BYTES)).cast("I")], 0)
    assert loan is not None
    assert loan.told["given"][1] == LARGE_BYTES  # type: ignore[index]


def test_it_is_a_part_of_what_the_worker_may_have(memory: LentMemory) -> None:
    assert memory.size == MEMORY // 4
    assert memory.lend([bytes(memory.size + 1)], 0) is None
    large = LentMemory.create(1 << 50)
    assert large is not None
    assert large.size == MAX_LENT_BYTES
    large.close()


def test_pages_go_back_after_a_while_without_a_large_call(memory: LentMemory, clock: Clock) -> None:
    memory.lend([bytes(LARGE_BYTES)], 0)
    assert memory.take(LARGE_BYTES) is not None
    clock.now += MAX_LENT_IDLE_MS / 1000 - 1
    memory.trim(clock.now)
    assert memory.take(LARGE_BYTES) is not None
    clock.now += MAX_LENT_IDLE_MS / 1000 + 1
    memory.trim(clock.now)
    assert memory.take(LARGE_BYTES) is None


def test_what_went_back_is_empty_when_it_comes_again(memory: LentMemory, clock: Clock) -> None:
    memory.lend([b"secret" * LARGE_BYTES], 0)
    clock.now += MAX_LENT_IDLE_MS / 1000 + 1
    memory.trim(clock.now)
    memory.lend([bytes(1 << 20)], 0)  # so that there is something again
    place = memory.take(LARGE_BYTES)
    assert place is not None
    assert not any(place)


def test_the_end_leaves_no_descriptor(memory: LentMemory) -> None:
    before = count_descriptors()
    other = LentMemory.create(MEMORY)
    assert other is not None
    assert count_descriptors() > before
    other.close()
    other.close()
    assert count_descriptors() == before
    assert other.lend([bytes(LARGE_BYTES)], LARGE_BYTES) is None


def test_without_descriptors_to_spare_there_is_none_and_none_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    before = count_descriptors()
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    outcomes = set()
    try:
        for room in range(8):
            resource.setrlimit(resource.RLIMIT_NOFILE, (before + room, hard))
            made = LentMemory.create(MEMORY)
            outcomes.add(made is None)
            if made is not None:
                made.close()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            assert count_descriptors() == before
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert outcomes == {True, False}


def test_in_a_forked_child_it_goes_although_another_thread_was_in_it(memory: LentMemory) -> None:
    memory.copy_out(memoryview(bytearray(8)))
    own = memory._own
    assert own is not None
    with memory._given._lock, memory._room._lock, own._lock:
        forgetting = threading.Thread(target=memory.forget, daemon=True)
        forgetting.start()
        forgetting.join(10)
        assert not forgetting.is_alive()
    assert memory.detach_for_worker() == ()
    assert memory.bring([memoryview(bytes(8))]) is None
