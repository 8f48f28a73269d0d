"""Watchdog, meters, what must not outlive a process, programs, and how a model goes in."""

from __future__ import annotations

import gc
import json
import mmap
import os
import socket
import struct
import sys
import threading
import time

import pytest

from ostiary._hazmat.footprint import Footprint, parse_footprint, read_footprint
from ostiary.cell import lifetime
from ostiary.cell import meter as meters
from ostiary.cell import watchdog as watchdogs
from ostiary.cell.births import Birth, ExitReport
from ostiary.cell.fork_server import ForkServer
from ostiary.cell.idle import IdleAllowance
from ostiary.cell.loading import Loading
from ostiary.cell.meter import DarwinMeter, LinuxMeter
from ostiary.cell.program import WorkerProgram, write_settings
from ostiary.cell.stopped import StoppedTime
from ostiary.cell.watchdog import Watchdog
from ostiary.core.frames import Control, Frame, FrameMalformed, FrameReader, FromWorker, encode_frame
from ostiary.errors import WorkerNotStarted

PATIENCE = 30.0
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="cells run on Linux; macOS has no CI here")


# --- watchdog ---


class Watched:
    """Busy for so many looks."""

    def __init__(self, looks: int) -> None:
        self.is_watched = False
        self.left = looks
        self.looks = 0
        self.more = 0.0
        self.is_done = threading.Event()
        self.idle_looks = 0
        self.is_seen_idle = threading.Event()

    def check(self, _now: float) -> bool:
        self.looks += 1
        self.left -= 1
        if self.left <= 0:
            self.is_done.set()
        return self.left > 0

    def check_idle(self, _now: float) -> bool:
        self.idle_looks += 1
        self.is_seen_idle.set()
        return self.idle_looks < 3

    def extend(self, seconds: float) -> None:
        self.more += seconds


def test_it_looks_as_long_as_there_is_something_to_look_after_and_again_when_asked() -> None:
    watchdog, watched = Watchdog(), Watched(3)
    for _ in range(2):
        watched.is_done.clear()
        watched.left = 3
        watchdog.watch(watched)
        assert watched.is_done.wait(PATIENCE)
        end = time.monotonic() + PATIENCE
        while watched.is_watched:
            assert time.monotonic() < end
            time.sleep(0.001)
    assert watched.looks >= 6


def test_one_that_cannot_be_checked_keeps_nobody_from_it() -> None:
    class Broken(Watched):
        def check(self, _now: float) -> bool:
            self.left -= 1
            if self.left <= 0:
                return False
            raise SystemExit if self.left % 2 else ZeroDivisionError

    watchdog, broken, watched = Watchdog(), Broken(5), Watched(5)
    watchdog.watch(broken)
    watchdog.watch(watched)
    assert watched.is_done.wait(PATIENCE)


def test_nothing_that_one_of_them_raises_ends_the_watching(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stubborn(Watched):
        def extend(self, _seconds: float) -> None:
            raise MemoryError

    watchdog, stubborn = Watchdog(), Stubborn(5)
    watchdog._watched.add(stubborn)
    watchdog._look(1_000.0)  # long after it looked last: they are given more time
    assert stubborn.looks == 1
    really_take, failures = Watchdog._take_in, [MemoryError(), SystemExit()]

    def take_in(watchdog: Watchdog) -> None:
        if failures:
            raise failures.pop()
        really_take(watchdog)

    monkeypatch.setattr(Watchdog, "_take_in", take_in)
    watched = Watched(2)
    Watchdog().watch(watched)
    assert watched.is_done.wait(PATIENCE)
    assert failures == []


def test_work_that_arrives_while_it_lets_go_is_not_forgotten() -> None:
    """The second look finds it: who gave the work had seen that it was watched."""
    watchdog = Watchdog()

    class Sly(Watched):
        def check(self, now: float) -> bool:
            busy = super().check(now)
            if self.looks == 1:
                self.left = 3
                return False  # and now there is work
            return busy

    sly = Sly(1)
    watchdog.watch(sly)
    end = time.monotonic() + PATIENCE
    while sly.looks < 4:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_one_that_is_idle_is_looked_at_until_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchdogs, "_IDLE_INTERVAL_SECONDS", 0.0)
    watchdog, watched, other = Watchdog(), Watched(1), Watched(1)
    watchdog.watch(watched)
    assert watched.is_seen_idle.wait(PATIENCE)
    end = time.monotonic() + PATIENCE
    while watchdog._idle:
        assert time.monotonic() < end
        time.sleep(0.001)
    watchdog.watch(other)
    assert other.is_seen_idle.wait(PATIENCE)
    assert watched.idle_looks == 3  # the third said that it was gone


def test_one_that_gets_work_is_not_taken_for_idle_any_more() -> None:
    watchdog, watched = Watchdog(), Watched(1)
    watchdog.watch(watched)
    end = time.monotonic() + PATIENCE
    while watched not in watchdog._idle:
        assert time.monotonic() < end
        time.sleep(0.001)
    watched.left = 1 << 30
    watchdog.watch(watched)
    while watched in watchdog._idle:
        assert time.monotonic() < end
        time.sleep(0.001)
    watched.left = 1


def test_one_that_is_idle_has_seconds_of_processor_time_and_gets_some_more_slowly() -> None:
    idle = IdleAllowance(10)
    assert not idle.is_used_up(0, 100_000)  # it is not idle yet
    idle.begin(100, 7_000)
    assert not idle.is_used_up(101, 12_000)
    assert idle.is_used_up(102, 12_101)
    idle.begin(200, 13_000)
    assert not idle.is_used_up(2_000, 18_000)  # it never has more than at first
    assert not idle.is_used_up(2_100, 23_000)
    assert idle.is_used_up(2_101, 23_051)


def test_one_that_is_stopped_for_too_long_is_told_from_one_that_goes_on_again() -> None:
    stopped = StoppedTime()
    assert not any(stopped.is_over(0.1 * look, is_stopped=True) for look in range(51))
    assert stopped.is_over(5.2, is_stopped=True)
    assert not stopped.is_over(5.3, is_stopped=False)
    assert not any(stopped.is_over(10.0 + look, is_stopped=True) for look in range(6)), "it starts anew"
    assert stopped.is_over(16.0, is_stopped=True)


def test_an_application_that_was_stopped_itself_does_not_hold_that_time_against_its_workers() -> None:
    """Ctrl-Z stops both, and nobody says who goes on first."""
    stopped = StoppedTime()
    assert not stopped.is_over(0.0, is_stopped=True)
    assert not stopped.is_over(3_600.0, is_stopped=True)
    assert not stopped.is_over(3_603.0, is_stopped=True)
    assert not stopped.is_over(3_604.0, is_stopped=True)
    assert not stopped.is_over(3_605.0, is_stopped=True)
    assert stopped.is_over(3_606.1, is_stopped=True)


def test_what_finalizers_ask_for_is_done_soon() -> None:
    watchdog, done = Watchdog(), threading.Event()
    watchdog.watch(Watched(2))
    watchdog.do_soon(lambda: 1 / 0)  # type: ignore[arg-type, return-value]
    watchdog.do_soon(done.set)
    assert done.wait(PATIENCE)


# --- meters ---


@LINUX
def test_a_process_reads_what_it_uses_itself() -> None:
    statm, stat = (os.open(f"/proc/self/{name}", os.O_RDONLY) for name in ("statm", "stat"))
    meter = LinuxMeter(statm, stat)
    before = meter.read()
    kept = mmap.mmap(
        -1, 32 << 20, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
    )  # not from what the interpreter has kept of freed memory
    kept.write(bytes(32 << 20))
    while time.process_time() < 0.05:
        pass
    after = meter.read()
    assert before is not None
    assert after is not None
    assert after.memory_bytes - before.memory_bytes > 16 << 20
    assert after.writable_bytes - before.writable_bytes > 16 << 20
    assert after.cpu_milliseconds >= 40
    assert before.shared_bytes > 0
    kept.close()
    os.close(statm)
    assert meter.read_cpu() is not None
    os.close(stat)
    assert meter.read() is None
    assert meter.read_cpu() is None


@LINUX
def test_a_name_with_brackets_and_spaces_is_only_a_name(tmp_path) -> None:
    (tmp_path / "statm").write_text("100 50 20 0 0 70 0\n")
    (tmp_path / "stat").write_text("7 (a) 9 9 (b c) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14\n")
    statm, stat = (os.open(tmp_path / name, os.O_RDONLY) for name in ("statm", "stat"))
    reading = LinuxMeter(statm, stat).read()
    assert reading is not None
    assert reading.memory_bytes == 30 * os.sysconf("SC_PAGE_SIZE")
    assert reading.writable_bytes == 70 * os.sysconf("SC_PAGE_SIZE")
    assert reading.cpu_milliseconds == 300 * 1000 // os.sysconf("SC_CLK_TCK")
    assert LinuxMeter(statm, stat).read_cpu() == reading.cpu_milliseconds
    os.close(statm)
    os.close(stat)


def test_a_footprint_of_macos_is_read_by_its_fields() -> None:
    fields = [24_000_000, 48_000_000, 3, 4, 5, 6, 7, 123_456_789, 99, 0]
    data = b"u" * 16 + struct.pack("=10Q", *fields) + b"more"
    assert parse_footprint(data, 125, 3) == Footprint(123_456_789, 3_000, 99)
    if sys.platform != "darwin":
        assert read_footprint(os.getpid()) is None


def test_another_process_with_the_same_number_is_not_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Footprint(1, 2, 77), Footprint(3, 4, 77), Footprint(5, 6, 78), None]
    monkeypatch.setattr(meters, "read_footprint", lambda _pid: found.pop(0))
    meter = DarwinMeter(5)
    reading = meter.read()
    assert reading is not None
    assert (reading.memory_bytes, reading.cpu_milliseconds) == (3, 4)
    assert meter.read() is None
    assert meter.read() is None


# --- lifetime ---


class _Mortal:
    def __init__(self, told: list[str], name: str) -> None:
        self._told, self._name = told, name

    def close(self) -> None:
        self._told.append(f"close {self._name}")

    def forget(self) -> None:
        self._told.append(f"forget {self._name}")


def test_those_registered_last_are_closed_first_and_the_dead_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "_alive", {})
    told: list[str] = []
    first, second, gone = (_Mortal(told, name) for name in ("first", "second", "gone"))
    for mortal in (first, gone, second):
        lifetime.register(mortal)
    del gone, mortal
    gc.collect()
    lifetime.close_all()
    assert told == ["close second", "close first"]


def test_one_that_cannot_be_closed_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifetime, "_alive", {})
    told: list[str] = []

    class Stubborn(_Mortal):
        def close(self) -> None:
            raise OSError

    kept = [_Mortal(told, "first"), Stubborn(told, "second")]
    for mortal in kept:
        lifetime.register(mortal)
    lifetime.close_all()
    assert told == ["close first"]


# --- births ---


def test_a_worker_without_a_descriptor_is_ended_by_its_fork_server() -> None:
    asked: list[int] = []
    birth = Birth(7, threading.Condition(), asked.append)
    birth.kill()
    birth.close()
    birth.kill()
    assert asked == [7, 7]


def test_an_end_is_waited_for_by_its_report() -> None:
    changed = threading.Condition()
    birth = Birth(1, changed, lambda _: None)
    assert not birth.wait(lambda birth: birth.is_over, 0)
    with changed:
        birth.exit = ExitReport(9, None, 5, 6)
        changed.notify_all()
    assert birth.wait(lambda birth: birth.is_over, PATIENCE)


# --- programs ---


def test_a_program_has_the_variables_that_it_needs_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSTIARY_VARIABLE", "x")
    own = WorkerProgram("fake").write_environment("/private")
    assert (own["TMPDIR"], own["HOME"]) == ("/private", "/private")
    assert "OSTIARY_VARIABLE" not in own
    assert "PATH" not in own
    assert WorkerProgram("fake", inherits_environment=True).write_environment("/p")["OSTIARY_VARIABLE"] == "x"


def test_a_program_is_isolated_and_named_by_its_path() -> None:
    command = WorkerProgram("fake").write_command("/usr/bin/python3", 5)
    assert command[:2] == ["/usr/bin/python3", "-I"]
    assert command[2].endswith("ostiary/worker/__main__.py")
    assert command[3:] == ["forks", "5"]


def test_settings_are_json_and_equal_ones_are_one() -> None:
    assert json.loads(write_settings({"b": [1], "a": None})) == {"a": None, "b": [1]}
    for bad in ({"a": float("nan")}, {"a": object()}):
        with pytest.raises((ValueError, TypeError)):
            write_settings(bad)  # type: ignore[arg-type]


# --- loading ---


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FromWorker.TAKEN, {}),
        (FromWorker.READY, {"engine": "fake", "facts": {}}),
        (FromWorker.PIECE, {}),
        (FromWorker.RESULT, {}),
        (FromWorker.CANCELLED, {}),
        (FromWorker.ERROR, {"code": "WORKER_ENGINE_FAILED", "sentence": ""}),
    ],
)
def test_nothing_is_taken_for_an_answer_to_what_was_not_sent(kind: FromWorker, body: dict[str, object]) -> None:
    frame = Frame(kind, 0, json.dumps(body).encode(), b"")
    with pytest.raises(FrameMalformed):
        Loading("fake", 1).take(frame, frame.parse_body())


def test_time_runs_only_while_the_worker_is_waited_for() -> None:
    loading = Loading("fake", 10)
    assert not loading.is_overdue(time.monotonic() + 1_000)
    with loading._waiting():
        assert not loading.is_overdue(time.monotonic() + 9)
        assert loading.is_overdue(time.monotonic() + 11)
        loading.extend(100)
        assert not loading.is_overdue(time.monotonic() + 11)
    assert not loading.is_overdue(time.monotonic() + 1_000)


# --- what a fork server says ---


def test_descriptors_belong_to_the_frame_that_says_so_and_not_to_the_one_before(tmp_path) -> None:
    """An end without descriptors and a birth with some may come in one read."""
    ours, theirs = socket.socketpair()
    server = ForkServer(WorkerProgram("fake"), ours, str(tmp_path))
    births = [Birth(number, server._changed, lambda _: None) for number in (1, 2)]
    server._births.update({birth.number: birth for birth in births})
    ended = b"".join(encode_frame(Control.ENDED, 1, {"signal": 9, "status": None}))
    forked = b"".join(encode_frame(Control.FORKED, 2, {"pid": 5, "descriptors": 3}))
    locked = b"".join(encode_frame(Control.LOCKED, 2, {"descriptors": 1}))
    kept = [os.open("/dev/null", os.O_RDONLY) for _ in range(4)]
    server.take_descriptors(kept[:3])
    for frame in FrameReader(Control).feed(ended + forked):
        server.take_frame(frame)
    assert births[0].exit is not None
    assert [births[1].process, births[1].statm, births[1].stat] == kept[:3]
    for frame in FrameReader(Control).feed(locked):
        server.take_frame(frame)
    assert isinstance(births[1].refusal, WorkerNotStarted)  # there was no room for the listener
    server.take_descriptors(kept[3:])
    for frame in FrameReader(Control).feed(
        b"".join(encode_frame(Control.FORKED, 99, {"pid": 6, "descriptors": 1}))
    ):
        server.take_frame(frame)
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(kept[3])  # of a worker that nobody waits for
    births[1].close()
    server._pump._waker.close()
    ours.close()
    theirs.close()
