"""The walk: by descriptor, nothing followed, everything bounded."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from pathlib import Path

import pytest

from ostiary._hazmat import openat2
from ostiary.core import limits
from ostiary.core.ceiling import Ceiling
from ostiary.errors import IntakeRefused, Misuse, SourceUnreadable
from ostiary.intake import examine_model
from ostiary.intake import tree as tree_module
from ostiary.intake.tree import open_tree

BLOB = "a" * 64


def _rules(path: Path) -> set[str]:
    with open_tree(path) as tree:
        return {finding.rule.id for finding in tree.findings}


def _model(tmp_path: Path) -> Path:
    model = tmp_path / "model"
    (model / "folder").mkdir(parents=True)
    (model / "config.json").write_text("{}")
    (model / "folder" / "b.json").write_text("[1]")
    return model


def test_lists_regular_files_in_code_point_order(tmp_path: Path) -> None:
    model = _model(tmp_path)
    (model / "Z.json").write_text("")
    with open_tree(model) as tree:
        assert [(f.path, f.size) for f in tree.files] == [("Z.json", 0), ("config.json", 2), ("folder/b.json", 3)]
        assert tree.findings == ()
        assert tree.name == "model"
        assert not tree.is_single_file


def test_a_single_file_is_a_tree_of_one(tmp_path: Path) -> None:
    with open_tree(_model(tmp_path) / "config.json") as tree:
        assert [f.path for f in tree.files] == ["config.json"]
        assert tree.is_single_file


def test_a_link_is_refused_and_not_followed(tmp_path: Path) -> None:
    model = _model(tmp_path)
    (model / "out.json").symlink_to("/etc/passwd")
    with open_tree(model) as tree:
        assert [(f.rule.id, f.path) for f in tree.findings] == [("tree.symlink", "out.json")]
        assert "out.json" not in {f.path for f in tree.files}


def test_a_linked_directory_is_not_entered(tmp_path: Path) -> None:
    model = _model(tmp_path)
    (model / "sub").symlink_to(tmp_path, target_is_directory=True)
    assert _rules(model) == {"tree.symlink"}


def test_an_operator_may_name_a_model_by_a_link_to_its_directory(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(_model(tmp_path), target_is_directory=True)
    with open_tree(tmp_path / "current") as tree:
        assert len(tree.files) == 2
        assert tree.findings == ()


def test_a_single_file_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "w.safetensors").symlink_to(_model(tmp_path) / "config.json")
    assert _rules(tmp_path / "w.safetensors") == {"tree.symlink"}


def test_what_is_not_a_file_is_refused_without_being_opened(tmp_path: Path) -> None:
    model = _model(tmp_path)
    os.mkfifo(model / "pipe")
    listener = socket.socket(socket.AF_UNIX)
    here = Path.cwd()
    try:
        os.chdir(model)  # the address of a socket must be short
        listener.bind("sock")
    finally:
        os.chdir(here)
        listener.close()
    assert _rules(model) == {"tree.fifo", "tree.socket"}


def test_a_device_is_refused() -> None:
    assert _rules(Path("/dev/null")) == {"tree.device"}


def test_a_hard_link_is_refused(tmp_path: Path) -> None:
    model = _model(tmp_path)
    os.link(model / "config.json", tmp_path / "elsewhere.json")
    with open_tree(model) as tree:
        assert [(f.rule.id, f.path) for f in tree.findings] == [("tree.hard-link", "config.json")]


def test_nothing_there_is_misuse(tmp_path: Path) -> None:
    with pytest.raises(Misuse) as caught:
        open_tree(tmp_path / "absent")
    assert caught.value.code == "MODEL_NOT_FOUND"
    with pytest.raises(Misuse):
        open_tree(tmp_path / "config.json" / "below-a-file")
    with pytest.raises(Misuse):
        open_tree("nul\0byte")
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(Misuse, match="link that leads nowhere"):
        open_tree(tmp_path / "dangling")


def test_an_empty_path_is_not_the_working_directory() -> None:
    with pytest.raises(Misuse) as caught:
        open_tree("")
    assert caught.value.code == "MODEL_NOT_FOUND"


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(IntakeRefused) as caught:
        open_tree(tmp_path / "loop")
    assert caught.value.code == "INTAKE_PATH_ESCAPE"


def test_the_number_of_entries_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model(tmp_path)
    monkeypatch.setattr(tree_module, "MAX_TREE_FILES", Ceiling(3, "files", "for this test"))
    assert _rules(model) == set()  # two files and a directory
    for index in range(5):
        (model / f"{index}.json").write_text("")
    assert _rules(model) == {"tree.too-many-files"}


def test_the_depth_is_bounded(tmp_path: Path) -> None:
    deep = _model(tmp_path)
    for _ in range(limits.MAX_TREE_DEPTH):
        deep = deep / "d"
    deep.mkdir(parents=True)
    assert _rules(tmp_path / "model") == set()
    (deep / "d").mkdir()
    assert _rules(tmp_path / "model") == {"tree.too-deep"}


def test_the_bytes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = _model(tmp_path)
    monkeypatch.setattr(tree_module, "MAX_TREE_BYTES", Ceiling(4, "bytes", "for this test"))
    assert _rules(model) == {"tree.too-large"}


def test_a_sparse_giant_costs_nothing(tmp_path: Path) -> None:
    model = _model(tmp_path)
    with (model / "model.safetensors").open("wb") as file:
        file.truncate(limits.MAX_TREE_BYTES + 1)
    assert _rules(model) == {"tree.too-large"}


def test_a_file_exchanged_after_the_walk_is_not_opened(tmp_path: Path) -> None:
    model = _model(tmp_path)
    with open_tree(model) as tree:
        config = next(f for f in tree.files if f.path == "config.json")
        os.close(tree.open_file(config))
        (model / "config.json").unlink()
        (model / "config.json").symlink_to("/etc/passwd")
        with pytest.raises(IntakeRefused) as caught:
            tree.open_file(config)
        assert caught.value.code == "INTAKE_CHANGED"
        (model / "config.json").unlink()
        os.mkfifo(model / "config.json")
        with pytest.raises(IntakeRefused):
            tree.open_file(config)


def test_a_directory_exchanged_after_the_walk_is_not_entered(tmp_path: Path) -> None:
    model = _model(tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    (other / "b.json").write_text("[1]")
    with open_tree(model) as tree:
        below = next(f for f in tree.files if f.path == "folder/b.json")
        (model / "folder").rename(tmp_path / "moved")
        (model / "folder").symlink_to(other, target_is_directory=True)
        with pytest.raises(IntakeRefused) as caught:
            tree.open_file(below)
    assert caught.value.code == "INTAKE_CHANGED"


@pytest.mark.parametrize("number", [errno.ENOENT, errno.EINVAL])
def test_a_link_exchanged_during_the_walk_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def gone(*_: object, **__: object) -> str:
        raise OSError(number, os.strerror(number))

    model = _model(tmp_path)
    (model / "link").symlink_to("config.json")
    monkeypatch.setattr(os, "readlink", gone)
    with open_tree(model) as tree:
        assert [(f.rule.id, f.path) for f in tree.findings] == [("tree.changed", "link")]


def test_a_link_that_cannot_be_read_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbidden(*_: object, **__: object) -> str:
        raise PermissionError(errno.EACCES, "no")

    model = _model(tmp_path)
    (model / "link").symlink_to("config.json")
    monkeypatch.setattr(os, "readlink", forbidden)
    with pytest.raises(SourceUnreadable):
        open_tree(model)


def test_a_name_that_went_away_during_the_walk_is_a_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _model(tmp_path)
    sees = os.stat

    def stat_without(name: str, **how: object) -> os.stat_result:
        if name == "config.json":
            raise FileNotFoundError(errno.ENOENT, "gone")
        return sees(name, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "stat", stat_without)
    assert _rules(model) == {"tree.changed"}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has such files")
def test_a_file_that_says_it_is_empty_and_is_not_is_refused() -> None:
    assert examine_model("/proc/self/status").count_rules() == {"tree.changed": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_directory_is_a_fault(tmp_path: Path) -> None:
    model = _model(tmp_path)
    (model / "folder").chmod(0)
    try:
        with pytest.raises(SourceUnreadable, match="folder cannot be read: permission denied"):
            open_tree(model)
    finally:
        (model / "folder").chmod(stat.S_IRWXU)


def test_a_model_that_cannot_be_opened_is_named_without_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = _model(tmp_path)

    def open_nothing(*_args: object, **_how: object) -> int:
        raise PermissionError(errno.EACCES, "no", str(model))

    monkeypatch.setattr(os, "open", open_nothing)
    with pytest.raises(SourceUnreadable) as raised:
        open_tree(model)
    assert raised.value.message == f"{model.name} cannot be read: permission denied"


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    model = _model(tmp_path)
    before = len(list(Path("/dev/fd").iterdir()))
    for _ in range(20):
        with open_tree(model) as tree:
            os.close(tree.open_file(tree.files[0]))
        with pytest.raises(Misuse):
            open_tree(tmp_path / "absent")
    assert len(list(Path("/dev/fd").iterdir())) == before


# --- the hub cache -----------------------------------------------------------------------------------------------


def _snapshot(tmp_path: Path, target: str = f"../../blobs/{BLOB}") -> Path:
    repository = tmp_path / "models--org--name"
    snapshot = repository / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "blobs" / BLOB).write_text("{}")
    (snapshot / "config.json").symlink_to(target)
    return snapshot


def test_a_snapshot_reads_its_own_blobs(tmp_path: Path) -> None:
    snapshot = _snapshot(tmp_path)
    (snapshot / "sub").mkdir()
    (snapshot / "sub" / "deep.json").symlink_to(f"../../../blobs/{BLOB}")
    with open_tree(snapshot) as tree:
        assert tree.findings == ()
        assert [(f.path, f.blob) for f in tree.files] == [("config.json", BLOB), ("sub/deep.json", BLOB)]
        descriptor = tree.open_file(tree.files[0])
        assert os.read(descriptor, 10) == b"{}"
        os.close(descriptor)


def test_a_snapshot_may_be_named_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to(_snapshot(tmp_path), target_is_directory=True)
    with open_tree(tmp_path / "current") as tree:
        assert tree.findings == ()
        assert [f.blob for f in tree.files] == [BLOB]


def test_a_single_file_of_a_snapshot_is_read(tmp_path: Path) -> None:
    with open_tree(_snapshot(tmp_path) / "config.json") as tree:
        assert tree.findings == ()
        assert tree.files[0].blob == BLOB


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd",
        f"../blobs/{BLOB}",
        f"../../../blobs/{BLOB}",
        f"../../blobs/../blobs/{BLOB}",
        "../../blobs/config.json",
        f"../../blobs/{BLOB}/",
        f"../../blobs/{'b' * 64}",
        f"../../other/{BLOB}",
        f"../../../models--org--other/blobs/{BLOB}",
    ],
)
def test_a_snapshot_reads_nothing_else(tmp_path: Path, target: str) -> None:
    snapshot = _snapshot(tmp_path, target)
    assert _rules(snapshot) == {"tree.cache-link"}


def test_a_blob_that_is_a_link_is_refused(tmp_path: Path) -> None:
    snapshot = _snapshot(tmp_path)
    blob = tmp_path / "models--org--name" / "blobs" / BLOB
    blob.unlink()
    blob.symlink_to("/etc/passwd")
    assert _rules(snapshot) == {"tree.cache-link"}


def test_a_blobs_directory_that_is_a_link_is_no_cache(tmp_path: Path) -> None:
    snapshot = _snapshot(tmp_path)
    blobs = tmp_path / "models--org--name" / "blobs"
    blobs.rename(tmp_path / "elsewhere")
    blobs.symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    assert _rules(snapshot) == {"tree.symlink"}


def test_a_directory_that_only_looks_like_a_cache_is_none(tmp_path: Path) -> None:
    snapshot = _snapshot(tmp_path)
    plain = snapshot.parent / "main"
    snapshot.rename(plain)
    assert _rules(plain) == {"tree.symlink"}


# --- opening below a directory -----------------------------------------------------------------------------------

WAYS = [False, pytest.param(True, marks=pytest.mark.skipif(not openat2.has_openat2(), reason="no openat2 here"))]


@pytest.mark.parametrize("use_openat2", WAYS)
def test_open_beneath_opens_what_is_below(tmp_path: Path, use_openat2: bool) -> None:
    model = _model(tmp_path)
    root = os.open(model, os.O_RDONLY)
    try:
        descriptor = openat2.open_beneath(root, "folder/b.json", os.O_RDONLY, use_openat2=use_openat2)
        assert os.read(descriptor, 10) == b"[1]"
        assert not os.get_inheritable(descriptor)
        os.close(descriptor)
    finally:
        os.close(root)


@pytest.mark.parametrize("use_openat2", WAYS)
@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "link", "linked/secret", "folder/../../secret", "loop"]
)
def test_open_beneath_opens_nothing_else(tmp_path: Path, use_openat2: bool, path: str) -> None:
    model = _model(tmp_path)
    (tmp_path / "secret").write_text("x")
    (model / "link").symlink_to("../secret")
    (model / "linked").symlink_to("..", target_is_directory=True)
    (model / "loop").symlink_to("loop")
    before = len(list(Path("/dev/fd").iterdir()))
    root = os.open(model, os.O_RDONLY)
    try:
        with pytest.raises(OSError):  # noqa: PT011  which errno differs between the two ways
            openat2.open_beneath(root, path, os.O_RDONLY, use_openat2=use_openat2)
    finally:
        os.close(root)
    assert len(list(Path("/dev/fd").iterdir())) == before


@pytest.mark.skipif(sys.platform != "linux", reason="a Linux call")
def test_this_kernel_has_openat2() -> None:
    assert openat2.has_openat2()
