"""Ctrl-C at the worst moments: one end for each start, and no process, thread or descriptor that stays."""

from __future__ import annotations

import os
import signal
import threading
import time

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, Events, count_descriptors, last_reply, make_plan, open_cell

from ostiary.cell.fork_server import ForkServer
from ostiary.cell.process import CellProcess
from ostiary.cell.pump import Pump
from ostiary.cell.start import start_cell
from ostiary.record.events import CellStarted, Event

pytestmark = LINUX_ONLY


def _interrupt() -> None:
    """The main thread, wherever it is by now."""
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
    time.sleep(0)  # where this is the main thread, at once


def _wait_for_fewer(most: int) -> None:
    end = time.monotonic() + PATIENCE
    while count_descriptors() > most:
        assert time.monotonic() < end
        time.sleep(0.001)


def test_between_the_record_of_a_start_and_everything_else() -> None:
    class Interrupting(Events):
        def emit(self, event: Event) -> None:
            super().emit(event)
            if isinstance(event, CellStarted):
                _interrupt()

    events = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        start_cell(make_plan(), events.emit, "correlation")
    assert events.kinds == ["cell.started", "cell.ended"]
    assert events.causes == ["closed"]


@pytest.mark.parametrize("when", ["before", "after"])
def test_while_a_worker_is_asked_for(monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    """Its descriptors are on their way then."""
    with open_cell(Events()):
        pass  # the fork server and what it takes are there
    before = count_descriptors()
    really_send, really_begin = Pump.send, ForkServer.begin

    def send(pump: Pump, *args: object, **options: object) -> bool:
        monkeypatch.setattr(Pump, "send", really_send)
        is_sent = really_send(pump, *args, **options)  # type: ignore[arg-type]
        _interrupt()
        return is_sent

    def begin(server: ForkServer, *args: object) -> object:
        monkeypatch.setattr(ForkServer, "begin", really_begin)
        birth = really_begin(server, *args)  # type: ignore[arg-type]
        _interrupt()
        return birth

    if when == "before":
        monkeypatch.setattr(Pump, "send", send)
    else:
        monkeypatch.setattr(ForkServer, "begin", begin)
    events = Events()
    with pytest.raises(KeyboardInterrupt):
        start_cell(make_plan(), events.emit, "correlation")
    _wait_for_fewer(before)
    assert len(events.kinds) in {1, 2}  # refused; or started and ended
    events.check_balance()


def test_while_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing it again, or letting go of it, ends it."""
    really_close = CellProcess.close

    def close(_: CellProcess) -> None:
        monkeypatch.setattr(CellProcess, "close", really_close)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(PATIENCE)

    events = Events()
    cell = start_cell(make_plan(), events.emit, "correlation")
    monkeypatch.setattr(CellProcess, "close", close)
    with pytest.raises(KeyboardInterrupt):
        cell.close()
    assert events.causes == []
    cell.close()
    assert events.causes == ["closed"]


def test_while_a_call_waits_for_room_to_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker never heard of it: that it says nothing of it is not held against it."""
    events = Events()
    with open_cell(events) as cell:
        really_send = Pump.send

        def send(_: Pump, *args: object, **options: object) -> bool:
            monkeypatch.setattr(Pump, "send", really_send)
            raise KeyboardInterrupt

        monkeypatch.setattr(Pump, "send", send)
        with pytest.raises(KeyboardInterrupt):
            cell.call("echo")
        monkeypatch.setattr("ostiary.cell.call_book._GRACE_SECONDS", 0.0)
        assert last_reply(cell.call("sleep", {"milliseconds": 300})).body == {}
        assert cell.read_usage().calls == 0
    assert events.causes == ["closed"]
