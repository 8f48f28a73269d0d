"""Signals interrupt the main thread wherever it is: nothing half done stays behind."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from ostiary.cell import interrupts
from ostiary.cell.interrupts import Condition, run_apart

PATIENCE = 30.0


@contextmanager
def interrupted_by(number: signal.Signals = signal.SIGUSR1) -> Iterator[Callable[[], None]]:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(number, interrupt)
    try:
        yield lambda: signal.pthread_kill(threading.main_thread().ident or 0, number)
    finally:
        signal.signal(number, before)


def test_the_lock_of_a_condition_is_taken_and_given_back_by_no_code_in_python() -> None:
    condition = Condition()
    assert isinstance(condition.__enter__, type([].append))
    assert isinstance(condition.__exit__, type([].append))
    with condition:
        assert not condition.wait(0)
    threads: list[bool] = []
    other = threading.Thread(target=lambda: threads.append(condition.acquire(timeout=PATIENCE)))
    other.start()
    other.join()
    assert threads == [True]


def test_work_is_done_by_a_thread_that_no_signal_interrupts() -> None:
    where = run_apart(threading.current_thread, lambda: None, lambda _: None, patience_seconds=PATIENCE)
    assert where is not threading.main_thread()
    found: list[threading.Thread] = []
    other = threading.Thread(
        target=lambda: found.append(
            run_apart(threading.current_thread, lambda: None, lambda _: None, patience_seconds=PATIENCE)
        )
    )
    other.start()
    other.join()
    assert found == [other]


def test_what_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        run_apart(lambda: 1 // 0, lambda: None, lambda _: None, patience_seconds=PATIENCE)


def test_who_is_interrupted_gives_up_and_what_is_made_nevertheless_is_undone() -> None:
    given_up = threading.Event()
    undone: list[str] = []

    with interrupted_by() as interrupt:

        def work() -> str:
            interrupt()
            assert given_up.wait(PATIENCE)
            return "made"

        with pytest.raises(KeyboardInterrupt):
            run_apart(work, given_up.set, undone.append, patience_seconds=PATIENCE)
    assert set(undone) == {"made"}


def test_who_is_interrupted_does_not_wait_for_ever_and_it_is_undone_later() -> None:
    go_on, undone = threading.Event(), threading.Event()

    with interrupted_by() as interrupt:

        def work() -> None:
            interrupt()
            assert go_on.wait(PATIENCE)

        with pytest.raises(KeyboardInterrupt):
            run_apart(work, lambda: None, lambda _: undone.set(), patience_seconds=0.01)
    assert not undone.is_set()
    go_on.set()
    assert undone.wait(PATIENCE)


def test_who_is_interrupted_when_it_is_made_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    class Lock:
        def __init__(self) -> None:
            self._lock = real()
            self.release = self._lock.release
            self._times = 0

        def acquire(self, timeout: float = -1) -> bool:
            taken = self._lock.acquire(timeout=timeout)
            self._times += 1
            if self._times == 2:
                raise KeyboardInterrupt
            assert timeout == -1
            return taken

    real = threading.Lock
    monkeypatch.setattr(interrupts, "threading", Replaced(Lock=Lock))
    undone: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        run_apart(lambda: 1, lambda: None, undone.append, patience_seconds=PATIENCE)
    assert undone[-1:] == [1]


class Replaced:
    """A module, but for some of its names."""

    def __init__(self, **names: object) -> None:
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> object:
        return getattr(threading, name)


def test_without_a_thread_to_spare_it_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    work = threading.current_thread
    found = run_apart(work, lambda: None, lambda _: None, patience_seconds=PATIENCE)
    assert found is threading.current_thread()
