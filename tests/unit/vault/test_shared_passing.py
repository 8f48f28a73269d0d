"""One passing for several consumers: in step, each with a description of its own, and nobody waits for who left."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from cell_tools import LINUX_ONLY, PATIENCE, WEIGHTS, MemoryWeights, count_descriptors, make_sealed

from ostiary.core.tickets import SealedWeights
from ostiary.errors import VAULT_CHANGED, VaultRefused
from ostiary.vault.shared_passing import SharedPassing

pytestmark = LINUX_ONLY


class Counted:
    """What is behind it, and how often each file was opened, finished, closed."""

    def __init__(self, fails_at: str | None = None) -> None:
        self.opened: list[MemoryWeights] = []
        self._fails_at = fails_at

    def open_weights(self) -> Iterator[SealedWeights]:
        for file in make_sealed().open_weights():
            assert isinstance(file, MemoryWeights)
            if file.entry.path == self._fails_at:
                file.close()
                raise VaultRefused(VAULT_CHANGED, "it changed")
            self.opened.append(file)
            yield file


def read_all(shared: SharedPassing, reader: int, stop_at: str | None = None) -> list[bytes]:
    read = []
    for file in shared.read(reader):
        if file.entry.path == stop_at:
            break
        read.append(os.read(file.descriptor, 1_000))
        file.finish()
    shared.leave(reader)
    return read


def test_each_reads_all_and_each_file_is_opened_once() -> None:
    counted, before = Counted(), count_descriptors()
    shared = SharedPassing(counted.open_weights, 3)
    with ThreadPoolExecutor(3) as threads:
        read = list(threads.map(lambda reader: read_all(shared, reader), range(3)))
    assert read == [list(WEIGHTS.values())] * 3, "reading moves nobody else"
    assert [file.entry.path for file in counted.opened] == list(WEIGHTS)
    assert all(file.is_finished for file in counted.opened)
    assert count_descriptors() == before


@pytest.mark.parametrize("stop_at", list(WEIGHTS))
def test_nobody_waits_for_who_left(stop_at: str) -> None:
    counted, before = Counted(), count_descriptors()
    shared = SharedPassing(counted.open_weights, 3)
    with ThreadPoolExecutor(2) as threads:
        whole = threads.submit(read_all, shared, 0)
        part = threads.submit(read_all, shared, 1, stop_at)
        shared.leave(2)
        assert whole.result(PATIENCE) == list(WEIGHTS.values())
        assert len(part.result(PATIENCE)) == list(WEIGHTS).index(stop_at)
    assert all(file.is_finished for file in counted.opened), "who stayed read all of it"
    assert count_descriptors() == before


def test_what_is_refused_is_refused_to_all() -> None:
    counted, before = Counted(fails_at=list(WEIGHTS)[1]), count_descriptors()
    shared = SharedPassing(counted.open_weights, 2)
    with ThreadPoolExecutor(2) as threads:
        for reading in [threads.submit(read_all, shared, reader) for reader in range(2)]:
            with pytest.raises(VaultRefused):
                reading.result(PATIENCE)
        for reader in range(2):
            shared.leave(reader)
    assert count_descriptors() == before


def test_the_last_who_finishes_hears_that_a_byte_may_have_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    def finish(self: MemoryWeights) -> None:
        self.close()
        raise VaultRefused(VAULT_CHANGED, "it changed while it was read")

    monkeypatch.setattr(MemoryWeights, "finish", finish)
    shared = SharedPassing(Counted().open_weights, 2)
    refusals = []

    def read(reader: int) -> None:
        try:
            read_all(shared, reader)
        except VaultRefused as refusal:
            refusals.append(refusal)
        finally:
            shared.leave(reader)

    readers = [threading.Thread(target=read, args=(reader,)) for reader in range(2)]
    for thread in readers:
        thread.start()
    for thread in readers:
        thread.join(PATIENCE)
    assert len(refusals) == 2, "and the others with the next file"


def test_all_who_leave_at_once_leave_nothing_behind() -> None:
    before = count_descriptors()
    shared = SharedPassing(Counted().open_weights, 2)
    files = [shared.read(0), shared.read(1)]
    assert [os.read(next(reading).descriptor, 9) for reading in files] == [b"one", b"one"]
    for reading in files:
        reading.close()  # type: ignore[attr-defined]
    assert count_descriptors() == before
