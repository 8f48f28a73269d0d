"""A clone: nameless, read-only, leased; refused where it would not say enough."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from vault_tools import linux_only, need_method, no_descriptor_left, read_all

from ostiary._hazmat import clone as clone_module
from ostiary._hazmat.clone import open_clone
from ostiary.core.tickets import FileEntry, FileKind, SealMethod
from ostiary.vault import hold_by_clone as module
from ostiary.vault.hold import Hold
from ostiary.vault.hold_by_clone import CloneHold, hold_by_clone
from ostiary.vault.place import Place

DATA = os.urandom(10_000)
ENTRY = FileEntry("weights", len(DATA), "", FileKind.SAFETENSORS)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    (tmp_path / "weights").write_bytes(DATA)
    place = Place(tmp_path)
    yield place
    place.close()


def find(place: Place) -> Hold | None:
    return hold_by_clone(place, ENTRY, lambda: None)


@pytest.fixture
def copying(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A file system that clones: by copying, where the real one cannot, all else being as it is."""
    need_method(SealMethod.LEASE, tmp_path)

    def ioctl(target: int, request: int, source: int) -> None:
        assert request == 0x40049409
        os.write(target, os.pread(source, 1 << 20, 0))

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    monkeypatch.setattr(module, "read_file_system", lambda _descriptor: module.XFS)


@linux_only
@pytest.mark.usefixtures("copying")
def test_writing_to_the_source_does_not_touch_it(place: Place, tmp_path: Path) -> None:
    with no_descriptor_left():
        held = find(place)
        assert held is not None
        assert held.method is SealMethod.CLONE
        (tmp_path / "weights").write_bytes(b"something else")
        assert read_all(held.descriptor) == DATA
        assert held.has_held()
        held.close()
        assert not held.has_held()
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


@linux_only
@pytest.mark.usefixtures("copying")
def test_it_is_read_only_nameless_and_ours(place: Place) -> None:
    held = find(place)
    assert held is not None
    status = os.fstat(held.descriptor)
    assert (status.st_mode & 0o777, status.st_nlink, status.st_uid) == (0o400, 0, os.geteuid())
    assert fcntl.fcntl(held.descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY
    held.close()


@linux_only
@pytest.mark.usefixtures("copying")
def test_whoever_opens_it_by_proc_for_writing_is_seen(place: Place) -> None:
    held = find(place)
    assert held is not None
    os.fchmod(held.descriptor, 0o600)  # as the same account may
    with pytest.raises(BlockingIOError):
        os.open(f"/proc/self/fd/{held.descriptor}", os.O_RDWR | os.O_NONBLOCK)
    assert not held.has_held()
    held.close()


@linux_only
def test_a_real_clone_is_one(place: Place, tmp_path: Path) -> None:
    need_method(SealMethod.CLONE, tmp_path)
    held = find(place)
    assert held is not None
    (tmp_path / "weights").write_bytes(b"something else")
    assert read_all(held.descriptor) == DATA
    held.close()


@linux_only
@pytest.mark.parametrize("number", [errno.EOPNOTSUPP, errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EXDEV])
def test_a_clone_that_cannot_be_made_is_no_error(
    place: Place, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def ioctl(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "ioctl", ioctl)
    monkeypatch.setattr(module, "read_file_system", lambda _descriptor: module.XFS)
    with no_descriptor_left():
        assert find(place) is None


@linux_only
def test_a_clone_that_a_server_makes_is_not_believed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "read_file_system", lambda _descriptor: 0x6969)  # nfs
    monkeypatch.setattr(module, "open_clone", lambda *_arguments: pytest.fail("a clone was made"))
    assert find(place) is None


def test_on_macos_it_is_made_where_nobody_else_may_enter(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The steps around fclonefileat, with a copy in its place."""
    modes: list[int] = []

    def fclonefileat(source: int, directory: int, name: bytes) -> None:
        modes.append(os.fstat(directory).st_mode & 0o777)
        target = os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=directory)
        os.write(target, os.pread(source, 1 << 20, 0))
        os.close(target)

    monkeypatch.setattr(clone_module, "call_fclonefileat", fclonefileat)
    source = place.open_file(ENTRY)
    held = CloneHold(open_clone(source, place.root, "darwin"))
    os.close(source)
    assert modes == [0o700]
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
    assert read_all(held.descriptor) == DATA
    assert os.fstat(held.descriptor).st_nlink == 0
    assert held.has_held()
    held.close()
    assert not held.has_held()


def test_a_clone_that_macos_cannot_make_leaves_nothing(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fclonefileat(*_arguments: object) -> None:
        raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))

    monkeypatch.setattr(clone_module, "call_fclonefileat", fclonefileat)
    source = place.open_file(ENTRY)
    with pytest.raises(OSError, match=os.strerror(errno.ENOTSUP)):
        open_clone(source, place.root, "darwin")
    os.close(source)
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]
