"""A disk that hangs: noticed by a thread that may wait for it, and left alone by everybody else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from quota_tools import HandClocks, begin_server, kill, name_caller, sum_usage, wait_for

from ostiary.admission.disk_watch import HANGING_SECONDS, DiskWatch, probing
from ostiary.admission.quotas import TenantQuotas
from ostiary.errors import QUOTA_UNWRITABLE, QuotaFailed

ANNA = name_caller("anna")
PATIENCE = 60


class Hanging:
    """Usage that is counted on a disk whose syncing takes as long as the test says."""

    def __init__(self, quotas: TenantQuotas) -> None:
        self.now = 100.0
        self.begun, self.may_end = threading.Event(), threading.Event()
        self.quotas = quotas
        self.watch = DiskWatch(lambda: self.now)
        quotas.__dict__["_disk"] = self.watch
        quotas._file.__dict__["sync"] = self._sync

    def _sync(self) -> None:
        self.begun.set()
        assert self.may_end.wait(PATIENCE)


@pytest.fixture
def hanging(tmp_path: Path) -> Iterator[Hanging]:
    made = Hanging(begin_server(tmp_path, HandClocks()))
    yield made
    made.may_end.set()


def test_it_hangs_from_when_it_takes_too_long_until_it_is_done() -> None:
    now = 5.0
    watch = DiskWatch(lambda: now)
    assert not watch.is_hanging
    with watch.asking():
        now += HANGING_SECONDS
        assert not watch.is_hanging
        now += 0.1
        assert watch.is_hanging
    assert not watch.is_hanging
    with pytest.raises(OSError, match="gone"):
        fail(watch)
    now += 2 * HANGING_SECONDS
    assert not watch.is_hanging


def fail(watch: DiskWatch) -> None:
    with watch.asking():
        raise OSError("gone")


def test_what_hangs_is_refused_at_once_and_nothing_is_given_to_the_disk(tmp_path: Path, hanging: Hanging) -> None:
    quotas = hanging.quotas
    with quotas.counting(ANNA):
        begun = quotas.reserve(ANNA, 100)
        probe = threading.Thread(target=quotas.probe)
        probe.start()
        assert hanging.begun.wait(PATIENCE)
        with quotas.counting(ANNA):
            pass  # it may only be slow
        hanging.now += HANGING_SECONDS + 1
        assert quotas.is_disk_hanging
        size = quotas._file.size
        for _ in range(3):
            with pytest.raises(QuotaFailed) as caught, quotas.counting(ANNA):
                pytest.fail("it is counted")
            assert caught.value.code == QUOTA_UNWRITABLE.name
            with pytest.raises(QuotaFailed):
                quotas.reserve(ANNA, 10)
        begun.settle(60, 20)
        assert quotas._file.size == size
    quotas.tell("anna")
    hanging.may_end.set()
    probe.join(PATIENCE)
    assert not quotas.is_disk_hanging
    with quotas.counting(ANNA):
        pass
    kill(quotas)
    assert sum_usage(tmp_path, "anna") == (3, 40, 20, 0), "those that were let in, and what the first used"


def test_a_disk_is_asked_only_for_what_it_did_not_get_yet(hanging: Hanging) -> None:
    hanging.may_end.set()
    hanging.quotas.probe()
    hanging.begun.clear()
    hanging.quotas.probe()
    assert not hanging.begun.is_set()
    with hanging.quotas.counting(ANNA):
        pass
    hanging.quotas.probe()
    assert hanging.begun.is_set()


def test_to_flush_is_to_ask_as_well(hanging: Hanging) -> None:
    flush = threading.Thread(target=hanging.quotas.flush)
    flush.start()
    assert hanging.begun.wait(PATIENCE)
    hanging.now += HANGING_SECONDS + 1
    assert hanging.quotas.is_disk_hanging
    hanging.may_end.set()
    flush.join(PATIENCE)
    assert not hanging.quotas.is_disk_hanging


def test_probing_goes_on_after_what_fails_and_its_end_waits_for_nobody() -> None:
    calls: list[int] = []
    may_end = threading.Event()

    def probe() -> None:
        calls.append(1)
        if len(calls) < 3:
            raise OSError
        may_end.wait(PATIENCE)

    with probing(probe, 0.001):
        wait_for(lambda: len(calls) == 3)
    assert not may_end.is_set()
    may_end.set()
