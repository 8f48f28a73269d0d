"""A weights file is read by threads, wholly and in order, and nobody writes into the buffer afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ostiary.worker.engines import weights_file as module
from ostiary.worker.engines.weights_file import WeightsFile

DATA = os.urandom(100_003)


@pytest.fixture
def descriptor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(module, "_PIECE_BYTES", 1_000)
    (tmp_path / "weights").write_bytes(DATA)
    descriptor = os.open(tmp_path / "weights", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


@pytest.mark.parametrize("count", [0, 1, 999, 1_000, 1_001, 50_000, 100_003, 200_000])
def test_it_reads_what_a_plain_file_reads(descriptor: int, count: int) -> None:
    with WeightsFile(descriptor, len(DATA)) as file:
        assert file.seek(7) == 7
        buffer = bytearray(count)
        assert file.readinto(buffer) == min(count, len(DATA) - 7)
        assert bytes(buffer).rstrip(b"\0") == DATA[7 : 7 + count].rstrip(b"\0")
        assert file.tell() == 7 + min(count, len(DATA) - 7)
    assert os.lseek(descriptor, 0, os.SEEK_CUR) == 0
    os.fstat(descriptor)  # not closed


def test_it_seeks_as_a_plain_file_does(descriptor: int) -> None:
    with WeightsFile(descriptor, len(DATA)) as file:
        assert file.seek(-3, os.SEEK_END) == len(DATA) - 3
        assert file.read() == DATA[-3:]
        assert file.read() == b""
        assert file.seek(-5, os.SEEK_CUR) == len(DATA) - 5
        assert file.read(2) == DATA[-5:-3]
        with pytest.raises(ValueError, match="negative"):
            file.seek(-1)


def test_it_reads_no_further_than_it_was_told(descriptor: int) -> None:
    with WeightsFile(descriptor, 10) as file:
        assert file.read() == DATA[:10]


def test_a_file_that_is_shorter_is_an_error(descriptor: int) -> None:
    with WeightsFile(descriptor, len(DATA) + 1) as file, pytest.raises(OSError, match="shorter"):
        file.readinto(bytearray(len(DATA) + 1))


@pytest.mark.parametrize("allowed", [0, 1, 3])
def test_without_more_threads_one_reads_all(descriptor: int, monkeypatch: pytest.MonkeyPatch, allowed: int) -> None:
    begun = 0
    really_submit = ThreadPoolExecutor.submit

    def submit(self: ThreadPoolExecutor, *work: object) -> object:
        nonlocal begun
        begun += 1
        if begun > allowed:
            raise RuntimeError("can't start new thread")
        return really_submit(self, *work)  # type: ignore[arg-type]

    monkeypatch.setattr(ThreadPoolExecutor, "submit", submit)
    with WeightsFile(descriptor, len(DATA)) as file:
        buffer = bytearray(len(DATA))
        assert file.readinto(buffer) == len(DATA)
    assert buffer == DATA
