"""Sealed memory: nobody writes to it, ourselves included; too little of it is told before it is taken."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from vault_tools import linux_only, no_descriptor_left, read_all

from ostiary.core.tickets import FileEntry, FileKind
from ostiary.errors import SourceUnreadable, VaultFailed, VaultRefused
from ostiary.vault import hold_in_memory as module
from ostiary.vault.hold_in_memory import MemoryHold, can_hold_in_memory, hold_in_memory
from ostiary.vault.place import Place

pytestmark = linux_only
DATA = os.urandom(100_000)
ENTRY = FileEntry("weights", len(DATA), "", FileKind.SAFETENSORS)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "weights").write_bytes(DATA)
    place = Place(tmp_path)
    yield place
    place.close()


def hold(place: Place, entry: FileEntry = ENTRY) -> MemoryHold:
    held = hold_in_memory(place, entry, lambda: None)
    assert held is not None
    return held


def test_it_is_the_file_as_it_was(place: Place, tmp_path: Path) -> None:
    with no_descriptor_left():
        held = hold(place)
        (tmp_path / "weights").write_bytes(b"something else")
        assert read_all(held.descriptor) == DATA
        assert held.has_held()
        held.close()
        held.close()
        assert not held.has_held()


def test_nobody_can_write_to_it(place: Place) -> None:
    held = hold(place)
    by_proc = os.open(f"/proc/self/fd/{held.descriptor}", os.O_RDWR)  # what another program of ours could do
    for descriptor in (held.descriptor, by_proc):
        with pytest.raises(OSError, match=os.strerror(errno.EPERM) + "|" + os.strerror(errno.EBADF)):
            os.write(descriptor, b"x")
        for size in (1, len(DATA) + 1):
            with pytest.raises(OSError, match=os.strerror(errno.EPERM) + "|" + os.strerror(errno.EINVAL)):
                os.ftruncate(descriptor, size)
        with pytest.raises(PermissionError):
            mmap.mmap(descriptor, len(DATA), mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
    with pytest.raises(PermissionError):
        os.posix_fallocate(by_proc, 0, len(DATA) + 1)
    with pytest.raises(PermissionError):
        fcntl.fcntl(by_proc, fcntl.F_ADD_SEALS, 0)
    os.close(by_proc)
    assert read_all(held.descriptor) == DATA
    held.close()


def test_the_descriptor_that_is_handed_out_cannot_write_at_all(place: Place) -> None:
    held = hold(place)
    assert fcntl.fcntl(held.descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    assert os.lseek(held.descriptor, 0, os.SEEK_CUR) == 0
    held.close()


def test_a_writer_who_came_before_the_seals_is_found(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program of the same account maps the memory by /proc before it is sealed."""
    mappings: list[mmap.mmap] = []
    really_seal = module.seal_memory_file

    def seal(descriptor: int) -> None:
        mappings.append(mmap.mmap(descriptor, len(DATA), mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE))
        really_seal(descriptor)

    monkeypatch.setattr(module, "seal_memory_file", seal)
    with no_descriptor_left():
        with pytest.raises(VaultRefused):
            hold(place)
        mappings[0].close()


@pytest.mark.parametrize("left", [0, len(DATA), len(DATA) + (1 << 20)])
def test_memory_is_not_taken_where_there_is_too_little(
    place: Place, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    monkeypatch.setattr(module, "read_memory_left", lambda: left)
    with no_descriptor_left(), pytest.raises(VaultFailed) as caught:
        hold(place)
    assert caught.value.code == "VAULT_NO_MEMORY"


def test_what_others_are_about_to_take_is_not_left(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads that look at the same moment must not both believe that the last memory is theirs."""
    room = len(DATA) + module._MARGIN_BYTES
    monkeypatch.setattr(module, "read_memory_left", lambda: room)
    with module._ROOM.promise(ENTRY) as use:
        with no_descriptor_left(), pytest.raises(VaultFailed):
            hold(place)
        use(len(DATA))  # taken by now: the system counts it, and so do we not
        hold(place).close()
    with contextlib.suppress(ZeroDivisionError), module._ROOM.promise(ENTRY) as use:
        use(1)
        _ = 1 / 0
    hold(place).close()
    assert module._ROOM._promised == 0


@pytest.mark.parametrize("number", [errno.ENOMEM, errno.ENOSPC, errno.EFBIG])
def test_memory_that_runs_out_is_said(place: Place, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def sendfile(*_arguments: object) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "sendfile", sendfile)
    with no_descriptor_left(), pytest.raises(VaultFailed) as caught:
        hold(place)
    assert caught.value.code == "VAULT_NO_MEMORY"


def test_a_source_that_cannot_be_read_is_said(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def sendfile(*_arguments: object) -> int:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "sendfile", sendfile)
    with no_descriptor_left(), pytest.raises(SourceUnreadable):
        hold(place)


def test_a_file_system_that_cannot_send_is_copied_by_hand(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def sendfile(*_arguments: object) -> int:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    monkeypatch.setattr(os, "sendfile", sendfile)
    held = hold(place)
    assert read_all(held.descriptor) == DATA
    held.close()


def test_a_file_that_shrinks_while_it_is_copied_is_refused(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    really_open = Place.open_file

    def open_file(self: Place, entry: FileEntry) -> int:
        descriptor = really_open(self, entry)
        os.truncate(tmp_path / "weights", 5)
        return descriptor

    monkeypatch.setattr(Place, "open_file", open_file)
    with no_descriptor_left(), pytest.raises(VaultRefused):
        hold(place)


def test_an_empty_file_can_be_held(place: Place, tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    held = hold(place, FileEntry("empty", 0, "", FileKind.SAFETENSORS))
    assert read_all(held.descriptor) == b""
    by_proc = os.open(f"/proc/self/fd/{held.descriptor}", os.O_RDWR)
    with pytest.raises(PermissionError):
        os.ftruncate(by_proc, 1)
    os.close(by_proc)
    held.close()


def test_whether_it_can_be_is_tried() -> None:
    with no_descriptor_left():
        assert can_hold_in_memory()


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.EPERM])
def test_a_sandbox_around_us_that_has_no_such_memory_is_told_from_a_fault(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(_name: str) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "create_memory_file", fail)
    with no_descriptor_left():
        assert not can_hold_in_memory()
        assert hold_in_memory(place, ENTRY, lambda: None) is None


@pytest.mark.parametrize("broken", ["seal_memory_file", "reopen_read_only"])
@pytest.mark.parametrize("number", [errno.EPERM, errno.ENOSYS])
def test_seals_that_cannot_be_set_are_none(monkeypatch: pytest.MonkeyPatch, broken: str, number: int) -> None:
    def fail(_descriptor: int) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, broken, fail)
    with no_descriptor_left():
        assert not can_hold_in_memory()


def test_seals_that_hold_nothing_are_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "seal_memory_file", lambda _descriptor: None)
    assert not can_hold_in_memory()
    monkeypatch.setattr(module, "is_sealed", lambda _descriptor: True)
    assert not can_hold_in_memory()
