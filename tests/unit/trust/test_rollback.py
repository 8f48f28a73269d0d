"""The memory of versions: what an attacker who can write to the state directory gains by it, which is nothing."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ostiary.errors import RecordUnwritable, TrustRefused
from ostiary.record.archive import archive_entries
from ostiary.record.begin import open_log
from ostiary.record.events import ModelFailed
from ostiary.record.log import Log
from ostiary.trust.memory_file import EMPTY, parse_memory
from ostiary.trust.rollback import VersionMemory
from ostiary.trust.version import parse_version

EMPTY_FILE = b'{"entry":"","index":null,"models":{},"repository":null,"schema":1}\n'
ONE, TWO, THREE = ("01" * 32, "02" * 32, "03" * 32)


@pytest.fixture
def log(state_directory: Path) -> Iterator[Log]:
    with open_log() as opened:
        yield opened


@pytest.fixture
def memory(log: Log) -> VersionMemory:
    return VersionMemory(log)


def _remember(
    memory: VersionMemory, version: str | None, root: str = ONE, model: str = "acme/llama", pin: bool = False
) -> None:
    parsed = None if version is None else parse_version(version)
    memory.remember(model, parsed, root, correlation_id="c", is_pinned=pin)


def _file(state: Path) -> Path:
    return state / "trust" / "versions.json"


def _refuse(memory: VersionMemory, what: str) -> None:
    with pytest.raises(TrustRefused) as refused:
        memory.read()
    assert refused.value.code == "TRUST_TAMPERED"
    assert what in refused.value.message


def test_nothing_is_remembered_at_first_and_reading_writes_nothing(
    memory: VersionMemory, state_directory: Path
) -> None:
    assert memory.read() == {}
    assert not (state_directory / "trust").exists()


def test_the_newest_version_is_remembered_for_each_model(memory: VersionMemory, log: Log) -> None:
    _remember(memory, "1.0")
    _remember(memory, "1.1", TWO)
    _remember(memory, None, THREE, "bob/x")
    for found in (memory.read(), VersionMemory(log).read()):
        assert {name: (str(seen.version), seen.root) for name, seen in found.items()} == {
            "acme/llama": ("1.1", TWO),
            "bob/x": ("None", THREE),
        }


def test_what_is_known_is_not_written_again(memory: VersionMemory, log: Log, state_directory: Path) -> None:
    _remember(memory, "1.0")
    before = _file(state_directory).read_bytes()
    _remember(memory, "1.0")
    assert _file(state_directory).read_bytes() == before


@pytest.mark.parametrize(("version", "root"), [("0.9", TWO), ("1.0", TWO), (None, TWO)])
def test_a_slower_process_cannot_go_back(memory: VersionMemory, version: str | None, root: str) -> None:
    _remember(memory, "1.0")
    with pytest.raises(TrustRefused) as refused:
        _remember(memory, version, root)
    assert refused.value.code == "TRUST_ROLLED_BACK"


def test_a_pin_may_go_back(memory: VersionMemory) -> None:
    _remember(memory, "1.0")
    _remember(memory, "0.9", TWO, pin=True)
    seen = memory.read()["acme/llama"]
    assert (str(seen.version), seen.is_pinned) == ("0.9", True)
    _remember(memory, "0.9", TWO)
    assert memory.read()["acme/llama"].is_pinned


def test_an_older_file_that_was_put_back_gains_nothing(memory: VersionMemory, state_directory: Path) -> None:
    _remember(memory, "1.0")
    older = _file(state_directory).read_bytes()
    _remember(memory, "2.0", TWO)
    _file(state_directory).write_bytes(older)
    assert str(memory.read()["acme/llama"].version) == "2.0"


def test_the_empty_file_that_was_put_back_gains_nothing(memory: VersionMemory, state_directory: Path) -> None:
    _remember(memory, "1.0")
    _file(state_directory).write_bytes(EMPTY_FILE)
    assert str(memory.read()["acme/llama"].version) == "1.0"


def test_a_crash_between_entry_and_file_loses_nothing(
    memory: VersionMemory, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version, root in (("1.0", ONE), ("1.1", TWO)):
        with monkeypatch.context() as patch:
            patch.setattr(
                memory, "_write", lambda content, go=memory._write: go(content) if content is EMPTY else None
            )
            _remember(memory, version, root)
    assert str(VersionMemory(log).read()["acme/llama"].version) == "1.1"


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"\xff", b"[]", b'{"schema":1}', b"{" * 100_000, b"\0" * 100, b"x" * (9 << 20)]
)
def test_a_damaged_file_is_refused_and_left_as_it_is(
    memory: VersionMemory, state_directory: Path, data: bytes
) -> None:
    _remember(memory, "1.0")
    _file(state_directory).write_bytes(data)
    _refuse(memory, "")
    with pytest.raises(TrustRefused):
        _remember(memory, "1.1", TWO)
    assert _file(state_directory).read_bytes() == data


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1.0", "0.1"),
        (ONE, TWO),
        ("acme/llama", "acme/other"),
        ('"is_pinned":false', '"is_pinned":true'),
        ('"index":', '"index":9'),
    ],
)
def test_a_file_that_was_edited_is_refused(
    memory: VersionMemory, state_directory: Path, old: str, new: str
) -> None:
    _remember(memory, "1.0")
    text = _file(state_directory).read_text()
    assert old in text
    _file(state_directory).write_text(text.replace(old, new))
    _refuse(memory, "")


def test_a_file_that_is_gone_is_refused_until_somebody_rebuilds_it(
    memory: VersionMemory, state_directory: Path
) -> None:
    _remember(memory, "1.0")
    _remember(memory, "2.0", TWO)
    _file(state_directory).unlink()
    _refuse(memory, "is gone")
    assert memory.rebuild() == 1
    assert str(memory.read()["acme/llama"].version) == "2.0"


def test_a_file_of_another_record_is_refused(
    memory: VersionMemory, log: Log, state_directory: Path, tmp_path: Path
) -> None:
    with open_log(tmp_path / "elsewhere") as other:
        foreign = VersionMemory(other)
        _remember(foreign, "0.1")
        _remember(memory, "1.0")
        shutil.copy(_file(tmp_path / "elsewhere"), _file(state_directory))
    _refuse(memory, "names an entry that the record does not have")


def test_a_record_that_was_put_back_is_noticed_by_the_file(
    memory: VersionMemory, log: Log, state_directory: Path, tmp_path: Path
) -> None:
    _remember(memory, "1.0")
    log.close()
    shutil.copytree(state_directory / "record", tmp_path / "old")
    with open_log() as later:
        _remember(VersionMemory(later), "2.0", TWO)
    shutil.rmtree(state_directory / "record")
    shutil.copytree(tmp_path / "old", state_directory / "record")
    with open_log() as restored:
        _refuse(VersionMemory(restored), "names an entry that the record does not have")


@pytest.mark.parametrize("how", ["link", "mode", "directory"])
def test_a_file_that_others_could_have_written_is_refused(
    memory: VersionMemory, state_directory: Path, how: str
) -> None:
    _remember(memory, "1.0")
    path = _file(state_directory)
    if how == "mode":
        path.chmod(0o666)
    else:
        path.rename(path.with_name("real"))
        if how == "link":
            path.symlink_to("real")
        else:
            path.mkdir()
    _refuse(memory, "")


def test_the_file_is_for_its_owner_alone(memory: VersionMemory, state_directory: Path) -> None:
    _remember(memory, "1.0")
    assert _file(state_directory).stat().st_mode & 0o777 == 0o600
    assert (state_directory / "trust").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_a_full_disk_is_a_failure_and_loses_nothing(
    memory: VersionMemory, log: Log, state_directory: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    _remember(memory, "1.0")

    def fail(*_: object) -> None:
        raise OSError(number, "no")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(RecordUnwritable):
            VersionMemory(log)._write(parse_memory(_file(state_directory).read_bytes()))
    assert [p.name for p in (state_directory / "trust").iterdir() if ".new" in p.name] == []
    assert str(memory.read()["acme/llama"].version) == "1.0"


def test_archiving_the_record_keeps_what_was_remembered(
    memory: VersionMemory, log: Log, state_directory: Path
) -> None:
    _remember(memory, "1.0")
    _remember(memory, "2.0", TWO)
    for _ in range(50):
        log.emit(ModelFailed(correlation_id="c", name="x", code="HOUSE_INTERNAL"))
    assert archive_entries(log, keep_bytes=0, correlation_id="c") is not None
    _file(state_directory).write_bytes(EMPTY_FILE)
    assert str(memory.read()["acme/llama"].version) == "2.0"


@pytest.mark.parametrize("kind", ["model.remembered", "repository.remembered"])
def test_words_of_others_in_the_record_do_not_pass_for_memory(memory: VersionMemory, log: Log, kind: str) -> None:
    log.emit(ModelFailed(correlation_id="c", name=f'"kind":"{kind}","n":0', code="HOUSE_INTERNAL"))
    assert memory.read() == {}
    _remember(memory, "1.0")
    log.emit(ModelFailed(correlation_id="c", name=f'","kind":"{kind}","n":1,"x":"', code="HOUSE_INTERNAL"))
    assert str(memory.read()["acme/llama"].version) == "1.0"
    assert memory.read_repository() is None


def test_the_repository_that_is_followed_is_remembered_beside_the_models(
    memory: VersionMemory, log: Log, state_directory: Path
) -> None:
    memory.remember_repository(ONE, correlation_id="c")
    assert (memory.read(), memory.read_repository()) == ({}, ONE)
    _remember(memory, "1.0")
    assert VersionMemory(log).read_repository() == ONE
    before = _file(state_directory).read_bytes()
    memory.remember_repository(ONE, correlation_id="c")
    assert _file(state_directory).read_bytes() == before
    memory.remember_repository(None, correlation_id="c")
    assert memory.read_repository() is None
    assert set(memory.read()) == {"acme/llama"}


@pytest.mark.parametrize("older", ["empty", "gone", "before"])
def test_a_repository_is_not_forgotten_with_the_file(
    memory: VersionMemory, log: Log, state_directory: Path, older: str
) -> None:
    _remember(memory, "1.0")
    before = _file(state_directory).read_bytes()
    memory.remember_repository(ONE, correlation_id="c")
    for _ in range(50):
        log.emit(ModelFailed(correlation_id="c", name="x", code="HOUSE_INTERNAL"))
    assert archive_entries(log, keep_bytes=0, correlation_id="c") is not None
    if older == "gone":
        _file(state_directory).unlink()
        _refuse(memory, "is gone")
        memory.rebuild()
    else:
        _file(state_directory).write_bytes(EMPTY_FILE if older == "empty" else before)
    assert memory.read_repository() == ONE


@pytest.mark.parametrize("new", ["null", f'"{TWO}"', '"x"', "7", "[]"])
def test_a_repository_that_was_edited_is_refused(memory: VersionMemory, state_directory: Path, new: str) -> None:
    memory.remember_repository(ONE, correlation_id="c")
    text = _file(state_directory).read_text()
    assert text.count(f'"repository":"{ONE}"') == 1
    _file(state_directory).write_text(text.replace(f'"repository":"{ONE}"', f'"repository":{new}'))
    with pytest.raises(TrustRefused) as refused:
        memory.read_repository()
    assert refused.value.code == "TRUST_TAMPERED"


def test_many_processes_at_once(state_directory: Path) -> None:
    with open_log():
        pass
    program = """
import sys
from ostiary.record.begin import open_log
from ostiary.trust.rollback import VersionMemory
from ostiary.trust.version import parse_version
me = sys.argv[1]
with open_log() as log:
    memory = VersionMemory(log)
    for n in range(5):
        memory.remember(f"acme/{me}", parse_version(str(n)), f"{n:064x}", correlation_id=me)
"""
    running = [subprocess.Popen([sys.executable, "-c", program, str(n)], env=dict(os.environ)) for n in range(4)]
    assert [process.wait(60) for process in running] == [0, 0, 0, 0]
    with open_log() as log:
        found = VersionMemory(log).read()
    assert {name: str(seen.version) for name, seen in found.items()} == {f"acme/{n}": "4" for n in range(4)}
