"""Opening below a directory: the hub cache's own links, and no others; nothing that blocks; no path told."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from vault_tools import no_descriptor_left, read_all

from ostiary.core.tickets import FileEntry, FileKind
from ostiary.errors import SourceUnreadable, VaultRefused
from ostiary.intake.tree import open_tree
from ostiary.vault import place as module
from ostiary.vault.place import Place

BLOB = "a" * 64
REVISION = "b" * 40


@pytest.fixture
def snapshot(tmp_path: Path) -> Path:
    """A model in a hub cache: a file at the top and one in a folder, both links to blobs."""
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / REVISION
    (snapshot / "folder").mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs" / BLOB).write_bytes(b"blob")
    (snapshot / "weights").symlink_to(f"../../blobs/{BLOB}")
    (snapshot / "folder" / "weights").symlink_to(f"../../../blobs/{BLOB}")
    return snapshot


def read(path: Path, name: str, size: int = 4) -> bytes:
    place = Place(path)
    try:
        descriptor = place.open_file(FileEntry(name, size, "", FileKind.SAFETENSORS))
        try:
            return read_all(descriptor)
        finally:
            os.close(descriptor)
    finally:
        place.close()
        place.close()


@pytest.mark.parametrize("name", ["weights", "folder/weights"])
def test_a_link_of_the_hub_cache_leads_to_its_blob(snapshot: Path, name: str) -> None:
    with no_descriptor_left():
        assert read(snapshot, name) == b"blob"


def test_a_link_to_a_snapshot_is_followed_as_the_operator_named_it(snapshot: Path, tmp_path: Path) -> None:
    (tmp_path / "model").symlink_to(snapshot)
    assert read(tmp_path / "model", "weights") == b"blob"


def test_a_single_file_in_a_snapshot_is_found(snapshot: Path) -> None:
    assert read(snapshot / "weights", "weights") == b"blob"


@pytest.mark.parametrize(
    "target",
    [
        f"../../../blobs/{BLOB}",
        f"../../blobs/{BLOB[1:]}",
        f"/blobs/{BLOB}",
        f"../../blobs/../blobs/{BLOB}",
        "/etc/passwd",
        "weights",
    ],
)
def test_any_other_link_is_refused(snapshot: Path, target: str) -> None:
    (snapshot / "weights").unlink()
    (snapshot / "weights").symlink_to(target)
    with no_descriptor_left(), pytest.raises(VaultRefused):
        read(snapshot, "weights")


def test_a_blob_that_is_a_link_is_refused(snapshot: Path, tmp_path: Path) -> None:
    blob = tmp_path / "models--org--name" / "blobs" / BLOB
    blob.rename(tmp_path / "real")
    blob.symlink_to(tmp_path / "real")
    with pytest.raises(VaultRefused):
        read(snapshot, "weights")


def test_a_link_elsewhere_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"real")
    (tmp_path / "weights").symlink_to("real")
    with pytest.raises(VaultRefused):
        read(tmp_path, "weights")


def test_a_folder_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "weights").write_bytes(b"real")
    (tmp_path / "folder").symlink_to("real")
    with pytest.raises(VaultRefused):
        read(tmp_path, "folder/weights")


@pytest.mark.parametrize("name", ["../weights", "/etc/passwd", "folder/../../weights"])
def test_a_name_that_leads_out_is_refused(snapshot: Path, name: str) -> None:
    with pytest.raises(VaultRefused):
        read(snapshot / "folder", name)


def test_a_pipe_does_not_make_us_wait(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "weights")
    with no_descriptor_left(), pytest.raises(VaultRefused):
        read(tmp_path, "weights", 0)


@pytest.mark.parametrize("number", [errno.EACCES, errno.EIO, errno.EMFILE])
def test_what_the_system_withholds_is_its_fault(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_arguments: object) -> int:
        raise OSError(number, os.strerror(number), str(tmp_path))

    monkeypatch.setattr(module, "open_beneath", fail)
    with pytest.raises(SourceUnreadable) as caught:
        read(tmp_path, "weights")
    assert str(tmp_path) not in str(caught.value)


@pytest.mark.parametrize("opened", [0, 1, 2])
def test_too_many_open_files_are_no_sign_that_the_model_changed(
    snapshot: Path, monkeypatch: pytest.MonkeyPatch, opened: int
) -> None:
    """Of the directory, of the repository around it, of its blobs: so many can be opened, and no more."""
    really_open, left = os.open, [opened]

    def open_some(*arguments: object, **how: object) -> int:
        if not left[0]:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(snapshot))
        left[0] -= 1
        return really_open(*arguments, **how)  # type: ignore[arg-type]

    with no_descriptor_left(), monkeypatch.context() as patch:
        patch.setattr(os, "open", open_some)
        for look in (Place, open_tree):
            left[0] = opened
            with pytest.raises(SourceUnreadable) as caught:
                look(snapshot)
            assert caught.value.message == f"{REVISION} cannot be read: too many open files"


def test_a_closed_place_opens_nothing(snapshot: Path) -> None:
    place = Place(snapshot)
    place.close()
    with pytest.raises(ValueError, match="closed"):
        place.open_file(FileEntry("weights", 4, "", FileKind.SAFETENSORS))
