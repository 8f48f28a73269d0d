"""The pump on a socket pair: nothing is lost, nothing is kept, and it ends once."""

from __future__ import annotations

import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ostiary._hazmat.pass_descriptors import receive_with_descriptors, send_with_descriptors
from ostiary.cell import pump as pump_module
from ostiary.cell.pump import Pump, Waker
from ostiary.core.frames import Frame, FrameMalformed, FrameReader, FromWorker, ToWorker, encode_frame

PATIENCE = 30.0


class Owner:
    """Notes all that it is told."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self.descriptors: list[int] = []
        self.told: list[str] = []
        self.is_open = True
        self.finished = threading.Event()
        self.refuse: Callable[[Frame], None] = lambda _: None
        self.pump: Pump | None = None
        self._changed = threading.Condition()

    def may_read(self) -> bool:
        return self.is_open

    def take_frame(self, frame: Frame) -> None:
        self.refuse(frame)
        with self._changed:
            self.frames.append(frame)
            self._changed.notify_all()

    def take_descriptors(self, descriptors) -> None:
        self.descriptors.extend(descriptors)

    def hang_up(self) -> None:
        self.told.append("hang up")
        assert self.pump is not None
        self.pump.stop()

    def object_to(self, reason: str) -> None:
        self.told.append(reason)
        assert self.pump is not None
        self.pump.stop()

    def finish(self) -> None:
        self.told.append("finish")
        self.finished.set()

    def wait_for_frames(self, count: int) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: len(self.frames) >= count, PATIENCE)


@contextmanager
def run_pump(*, takes_descriptors: bool = False) -> Iterator[tuple[Pump, Owner, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(PATIENCE)
    owner = Owner()
    pump = Pump(ours, FromWorker, owner, "test", takes_descriptors=takes_descriptors)
    owner.pump = pump
    pump.start()
    try:
        yield pump, owner, theirs
    finally:
        pump.stop()
        assert pump.join(PATIENCE)
        theirs.close()
        assert owner.told.count("finish") == 1
        assert ours.fileno() == -1


def _whole(*arguments) -> bytes:
    return b"".join(bytes(buffer) for buffer in encode_frame(*arguments))


def test_frames_arrive_in_order_and_whole() -> None:
    with run_pump() as (_, owner, theirs):
        stream = b"".join(_whole(FromWorker.PIECE, number, {"n": number}) for number in range(1, 300))
        theirs.sendall(stream + _whole(FromWorker.RESULT, 5, {}, b"x" * 1_000_000))
        owner.wait_for_frames(300)
        assert [frame.call_id for frame in owner.frames[:-1]] == [*range(1, 300)]
        assert len(owner.frames[-1].tail) == 1_000_000


def test_what_is_sent_arrives_whole_however_large_and_from_however_many_threads() -> None:
    with run_pump() as (pump, _, theirs):
        tails = [bytes([number]) * 700_000 for number in range(8)]

        def send(number: int) -> None:
            assert pump.send(encode_frame(ToWorker.CALL, number + 1, {}, tails[number]), until=_later())

        threads = [threading.Thread(target=send, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        reader, found = FrameReader(ToWorker), {}
        while len(found) < 8:
            for frame in reader.feed(theirs.recv(1 << 18)):
                found[frame.call_id] = bytes(frame.tail)
        assert found == {number + 1: tails[number] for number in range(8)}
        for thread in threads:
            thread.join(PATIENCE)


def test_the_other_side_going_away_is_told_after_the_last_frame() -> None:
    with run_pump() as (pump, owner, theirs):
        theirs.sendall(_whole(FromWorker.PIECE, 1))
        theirs.close()
        assert owner.finished.wait(PATIENCE)
        assert [frame.call_id for frame in owner.frames] == [1]
        assert owner.told[0] == "hang up"
        assert not pump.send(encode_frame(ToWorker.CALL, 1), until=_later())
        assert not pump.is_open


def test_half_a_frame_is_none() -> None:
    with run_pump() as (_, owner, theirs):
        theirs.sendall(_whole(FromWorker.PIECE, 1, {"a": 1})[:20])
        theirs.close()
        assert owner.finished.wait(PATIENCE)
        assert owner.frames == []


def test_after_what_is_malformed_nothing_is_read() -> None:
    with run_pump() as (_, owner, theirs):
        theirs.sendall(b"\xff" * 16 + _whole(FromWorker.PIECE, 1))
        assert owner.finished.wait(PATIENCE)
        assert owner.frames == []
        assert "kind" in owner.told[0]


def test_what_the_owner_does_not_take_is_malformed_too() -> None:
    def refuse(_frame: Frame) -> None:
        raise FrameMalformed("not this one")

    with run_pump() as (_, owner, theirs):
        owner.refuse = refuse
        theirs.sendall(_whole(FromWorker.PIECE, 1))
        assert owner.finished.wait(PATIENCE)
        assert owner.told == ["not this one", "finish"]


def test_a_failure_of_our_own_ends_it_and_is_said_by_its_kind_alone() -> None:
    def fail(_frame: Frame) -> None:
        raise ZeroDivisionError("a path, perhaps")

    with run_pump() as (_, owner, theirs):
        owner.refuse = fail
        theirs.sendall(_whole(FromWorker.PIECE, 1))
        assert owner.finished.wait(PATIENCE)
        assert owner.told[0] == "the cell itself raised ZeroDivisionError"


def test_an_owner_that_wants_nothing_leaves_it_where_it_is() -> None:
    with run_pump() as (pump, owner, theirs):
        owner.is_open = False
        pump.wake()
        theirs.setblocking(False)
        sent = 0
        frame = _whole(FromWorker.PIECE, 1, {}, b"x" * 10_000)
        poll = select.poll()
        poll.register(theirs, select.POLLOUT)
        while poll.poll(200):  # until nothing more goes in
            try:
                sent += theirs.send(frame[sent % len(frame) :])
            except BlockingIOError:
                break
        assert len(owner.frames) <= 1 + (1 << 18) // len(frame)
        owner.is_open = True
        pump.wake()
        owner.wait_for_frames(sent // len(frame))


def test_room_is_waited_for_and_not_longer_than_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump_module, "MAX_UNSENT_BYTES", 1_000_000)
    with run_pump() as (pump, _, theirs):
        large = encode_frame(ToWorker.CALL, 1, {}, b"x" * 900_000)
        assert pump.send(large, until=_later())  # one is always taken
        assert not pump.send(large, until=time.monotonic() + 0.05)
        assert pump.send(encode_frame(ToWorker.CANCEL, 1))  # what is small goes in any case
        done = threading.Event()
        waiting = threading.Thread(target=lambda: pump.send(large, until=_later()) and done.set())
        waiting.start()
        reader, found = FrameReader(ToWorker), []
        while len(found) < 3:
            found += reader.feed(theirs.recv(1 << 18))
        assert done.wait(PATIENCE)
        waiting.join(PATIENCE)


def test_whoever_waits_for_room_is_woken_by_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump_module, "MAX_UNSENT_BYTES", 1_000)
    with run_pump() as (pump, _, theirs):
        large = encode_frame(ToWorker.CALL, 1, {}, b"x" * 900_000)
        pump.send(large, until=_later())
        sent: list[bool] = []
        waiting = threading.Thread(target=lambda: sent.append(pump.send(large, until=_later())))
        waiting.start()
        theirs.close()
        waiting.join(PATIENCE)
        assert sent == [False]


def test_descriptors_go_with_their_frame_and_are_closed_here() -> None:
    with run_pump() as (pump, _, theirs):
        reading, writing = os.pipe()
        os.write(writing, b"through")
        os.close(writing)
        assert pump.send(encode_frame(ToWorker.WEIGHTS, 0, {"path": "a"}), descriptors=(reading,))
        received = receive_with_descriptors(theirs, bytearray(4096), 4)
        (arrived,) = received.descriptors
        assert os.read(arrived, 100) == b"through"
        assert not os.get_inheritable(arrived)
        os.close(arrived)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)


def test_descriptors_that_cannot_be_sent_any_more_are_closed() -> None:
    with run_pump() as (pump, owner, theirs):
        theirs.close()
        assert owner.finished.wait(PATIENCE)
        reading, writing = os.pipe()
        os.close(writing)
        assert not pump.send(encode_frame(ToWorker.WEIGHTS), descriptors=(reading,))
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(reading)


@pytest.mark.parametrize("takes", [True, False])
def test_descriptors_arrive_only_where_they_are_taken(takes: bool) -> None:
    before = _count_descriptors()
    with run_pump(takes_descriptors=takes) as (_, owner, theirs):
        send_with_descriptors(theirs, [_whole(FromWorker.PIECE, 1)], [theirs.fileno(), theirs.fileno()])
        owner.wait_for_frames(1)
        assert len(owner.descriptors) == (2 if takes else 0)
        for descriptor in owner.descriptors:
            os.close(descriptor)
    assert _count_descriptors() == before


def test_a_watched_descriptor_is_told_of_until_it_hangs_up() -> None:
    told: list[int] = []
    ended = threading.Event()
    reading, writing = os.pipe()

    def react(events: int) -> None:
        told.append(events)
        if events & select.POLLIN:
            os.read(reading, 1)
        if events & select.POLLHUP:
            ended.set()

    with run_pump() as (pump, _, _theirs):
        pump.watch(reading, react)
        os.write(writing, b"x")
        os.close(writing)
        assert ended.wait(PATIENCE)
        pump.wake()
        count = len(told)
        pump.send(encode_frame(ToWorker.CANCEL, 1))
        assert len(told) == count
    os.close(reading)


def test_nothing_is_left_open() -> None:
    before = _count_descriptors()
    for _ in range(3):
        with run_pump():
            pass
    assert _count_descriptors() == before


def test_a_pump_whose_thread_cannot_start_is_forgotten_with_all_that_it_has(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    before = _count_descriptors()
    ours, theirs = socket.socketpair()
    pump = Pump(ours, FromWorker, Owner(), "test", takes_descriptors=False)
    with pytest.raises(RuntimeError):
        pump.start()
    assert not pump.has_begun
    assert pump.send([b"never sent"], descriptors=(os.dup(theirs.fileno()),))
    pump.stop()
    assert pump.join(0)
    for _ in range(2):
        pump.forget()
    assert not pump.send([b"too late"], descriptors=(os.dup(theirs.fileno()),))
    theirs.close()
    assert _count_descriptors() == before


def test_a_waker_can_be_used_after_it_was_closed() -> None:
    waker = Waker()
    waker.wake()
    waker.wake()
    poll = select.poll()
    poll.register(waker.descriptor, select.POLLIN)
    assert poll.poll(0)
    waker.calm()
    waker.calm()
    assert not poll.poll(0)
    waker.close()
    waker.wake()
    waker.close()


def test_a_waker_without_eventfd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "eventfd")
    test_a_waker_can_be_used_after_it_was_closed()


def _later() -> float:
    return time.monotonic() + PATIENCE


def _count_descriptors() -> int:
    place = Path("/proc/self/fd")
    return sum(1 for _ in (place if place.is_dir() else Path("/dev/fd")).iterdir())


def test_what_is_short_goes_to_the_socket_without_the_thread() -> None:
    entered, release = threading.Event(), threading.Event()

    def hold_up(_frame: Frame) -> None:
        entered.set()
        assert release.wait(PATIENCE)

    with run_pump() as (pump, owner, theirs):
        owner.refuse = hold_up
        try:
            theirs.sendall(_whole(FromWorker.PIECE, 1))
            assert entered.wait(PATIENCE)
            whole = _whole(ToWorker.CALL, 1, {}, b"tail")
            assert pump.send(encode_frame(ToWorker.CALL, 1, {}, b"tail"), until=_later())
            assert _take(theirs, len(whole)) == whole
        finally:
            release.set()


def test_frames_keep_their_order_whoever_writes_them() -> None:
    """Of each size, by the caller and by the thread, while the other side reads slowly."""
    tails = [bytes([number]) * (300_000 if number % 3 == 0 else 10 * number) for number in range(1, 60)]
    with run_pump() as (pump, _, theirs):
        found: list[bytes] = []

        def read() -> None:
            reader = FrameReader(ToWorker)
            while len(found) < len(tails):
                found.extend(bytes(frame.tail) for frame in reader.feed(theirs.recv(50_000)))

        reading = threading.Thread(target=read)
        reading.start()
        for number, tail in enumerate(tails, 1):
            assert pump.send(encode_frame(ToWorker.CALL, number, {}, tail), until=_later())
        reading.join(PATIENCE)
        assert found == tails


def test_whatever_moment_a_caller_is_interrupted_at_no_byte_is_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    send_some = pump_module._Unsent.send_some
    interrupts = [1]

    def send_and_be_interrupted(unsent: pump_module._Unsent, sock: socket.socket) -> bool:
        is_done = send_some(unsent, sock)
        if interrupts:
            interrupts.clear()
            raise KeyboardInterrupt
        return is_done

    monkeypatch.setattr(pump_module._Unsent, "send_some", send_and_be_interrupted)
    with run_pump() as (pump, _, theirs):
        wanted = _whole(ToWorker.CALL, 1, {}, b"one") + _whole(ToWorker.CALL, 2, {}, b"two")
        with pytest.raises(KeyboardInterrupt):
            pump.send(encode_frame(ToWorker.CALL, 1, {}, b"one"), until=_later())
        assert pump.send(encode_frame(ToWorker.CALL, 2, {}, b"two"), until=_later())
        assert _take(theirs, len(wanted)) == wanted
        theirs.setblocking(False)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)


def _take(sock: socket.socket, size: int) -> bytes:
    taken = b""
    while len(taken) < size:
        taken += sock.recv(size - len(taken))
    return taken
