"""A lease: whoever opens the file to change it is seen and waits; where that says too little, there is no lease."""

from __future__ import annotations

import errno
import mmap
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from vault_tools import need_method, no_descriptor_left, read_all

from ostiary.core.tickets import FileEntry, FileKind, SealMethod
from ostiary.vault import hold_by_lease as module
from ostiary.vault.hold_by_lease import LeaseHold, hold_by_lease
from ostiary.vault.place import Place

DATA = os.urandom(10_000)
ENTRY = FileEntry("weights", len(DATA), "", FileKind.SAFETENSORS)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    need_method(SealMethod.LEASE, tmp_path)
    (tmp_path / "weights").write_bytes(DATA)
    (tmp_path / "weights").chmod(0o644)
    place = Place(tmp_path)
    yield place
    place.close()


def find(place: Place) -> LeaseHold | None:
    return hold_by_lease(place, ENTRY, lambda: None)


def hold(place: Place) -> LeaseHold:
    held = find(place)
    assert held is not None
    return held


def test_an_undisturbed_file_has_held(place: Place) -> None:
    with no_descriptor_left():
        held = hold(place)
        assert read_all(held.descriptor) == DATA
        assert held.has_held()
        held.close()
        held.close()
        assert not held.has_held()


@pytest.mark.parametrize("flags", [os.O_WRONLY, os.O_RDWR, os.O_WRONLY | os.O_TRUNC, os.O_WRONLY | os.O_APPEND])
def test_whoever_opens_it_for_writing_is_kept_out_and_seen(place: Place, tmp_path: Path, flags: int) -> None:
    held = hold(place)
    with pytest.raises(BlockingIOError):
        os.open(tmp_path / "weights", flags | os.O_NONBLOCK)
    assert read_all(held.descriptor) == DATA
    assert not held.has_held()
    held.close()


def test_a_writer_waits_until_the_loading_is_done(place: Place, tmp_path: Path) -> None:
    """A truncation, in a thread: it is let in when the hold ends, and not before."""
    held = hold(place)
    writer = threading.Thread(target=os.truncate, args=(tmp_path / "weights", 0))
    writer.start()
    while held.has_held():
        pass
    assert os.fstat(held.descriptor).st_size == len(DATA)
    assert read_all(held.descriptor) == DATA
    held.close()
    writer.join(timeout=60)
    assert (tmp_path / "weights").stat().st_size == 0


def test_once_broken_it_stays_broken(place: Place, tmp_path: Path) -> None:
    held = hold(place)
    for _ in range(3):
        with pytest.raises(BlockingIOError):
            os.open(tmp_path / "weights", os.O_WRONLY | os.O_NONBLOCK)
        assert not held.has_held()
    held.close()
    again = hold(place)
    assert again.has_held()
    again.close()


@pytest.mark.parametrize("how", ["rename over", "unlink", "rename away", "link", "mode"])
def test_what_changes_no_byte_does_not_matter(place: Place, tmp_path: Path, how: str) -> None:
    held = hold(place)
    path = tmp_path / "weights"
    match how:
        case "rename over":
            (tmp_path / "other").write_bytes(b"other")
            (tmp_path / "other").replace(path)
        case "unlink":
            path.unlink()
        case "rename away":
            path.rename(tmp_path / "other")
        case "link":
            os.link(path, tmp_path / "other")
        case "mode":
            path.chmod(0o600)
    assert read_all(held.descriptor) == DATA
    assert held.has_held()
    held.close()


def test_there_is_none_while_somebody_has_it_open_for_writing(place: Place, tmp_path: Path) -> None:
    with no_descriptor_left():
        with (tmp_path / "weights").open("r+b"):
            assert find(place) is None
        hold(place).close()


def test_there_is_none_while_somebody_has_it_mapped_for_writing(place: Place, tmp_path: Path) -> None:
    with (tmp_path / "weights").open("r+b") as file:
        mapping = mmap.mmap(file.fileno(), 0)
    assert find(place) is None  # its descriptor is closed, the mapping is not
    mapping[0] ^= 1
    mapping.close()
    hold(place).close()


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_there_is_none_where_others_may_write(place: Place, tmp_path: Path, mode: int) -> None:
    """They could have pinned pages of it before, which no lease sees."""
    (tmp_path / "weights").chmod(mode)
    with no_descriptor_left():
        assert find(place) is None


def test_there_is_none_on_another_accounts_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12_345)
    real = os.fstat

    def fstat(descriptor: int) -> os.stat_result:
        status = list(real(descriptor))
        status[4] = 54_321
        return os.stat_result(status)

    monkeypatch.setattr(module.os, "fstat", fstat)
    with no_descriptor_left():
        assert find(place) is None


@pytest.mark.parametrize(
    "magic",
    [0x6969, 0x65735546, 0x794C7630, 0x01021994, 0xFF534D42, 0xFE534D42, 0x00C36400, 0x01021997, 0x0BD00BD0, 0],
    ids=["nfs", "fuse", "overlay", "tmpfs", "cifs", "smb2", "ceph", "9p", "lustre", "unknown"],
)
def test_there_is_none_where_a_write_passes_no_lease(
    place: Place, monkeypatch: pytest.MonkeyPatch, magic: int
) -> None:
    monkeypatch.setattr(module, "read_file_system", lambda _descriptor: magic)
    with no_descriptor_left():
        assert find(place) is None


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES, errno.EINVAL, errno.ENOLCK, errno.EBUSY])
def test_a_lease_that_is_not_granted_is_no_error(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def take(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(module, "take_read_lease", take)
    with no_descriptor_left():
        assert find(place) is None


def test_no_signal_arrives(place: Place, tmp_path: Path) -> None:
    """The default action of SIGIO is to end the process."""
    seen: list[int] = []
    before = {
        number: signal.signal(number, lambda n, _f: seen.append(n)) for number in (signal.SIGIO, signal.SIGURG)
    }
    try:
        held = hold(place)
        with pytest.raises(BlockingIOError):
            os.open(tmp_path / "weights", os.O_WRONLY | os.O_NONBLOCK)
        assert not held.has_held()
        held.close()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert seen == []


def test_a_child_that_inherits_it_does_not_keep_it(place: Place, tmp_path: Path) -> None:
    held = hold(place)
    assert held._lease is not None
    inherited = os.dup(held._lease)  # the same description, as after a fork
    held.close()
    os.close(os.open(tmp_path / "weights", os.O_WRONLY | os.O_NONBLOCK))
    os.close(inherited)


def test_whoever_reads_cannot_give_the_lease_back(place: Place, tmp_path: Path) -> None:
    """The descriptor that is handed out is of another description."""
    import fcntl

    held = hold(place)
    with pytest.raises(OSError, match=os.strerror(errno.EAGAIN)):
        fcntl.fcntl(held.descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    os.lseek(held.descriptor, 17, os.SEEK_SET)
    assert held._lease is not None
    assert os.lseek(held._lease, 0, os.SEEK_CUR) == 0
    assert held.has_held()
    with pytest.raises(BlockingIOError):
        os.open(tmp_path / "weights", os.O_WRONLY | os.O_NONBLOCK)
    held.close()
