"""Full disk, read-only place, foreign files, locks: each a clear sentence, and never a new record in the old one's place."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from record_tools import database_of, edit, fill, make_event, verify

from ostiary.errors import Misuse, RecordDamaged, RecordUnwritable
from ostiary.record import store as store_module
from ostiary.record.begin import open_log, open_reader
from ostiary.record.log import Log


def test_reading_where_nothing_is_begins_nothing(tmp_path: Path) -> None:
    with pytest.raises(Misuse) as missing:
        open_reader(tmp_path)
    assert missing.value.code == "RECORD_NONE"
    assert list(tmp_path.iterdir()) == []


def foreign_text(database: Path) -> None:
    database.write_bytes(b"this is a shopping list, long enough to be taken for a header " * 4)


def foreign_database(database: Path) -> None:
    database.unlink()
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE shopping (item TEXT)")
    connection.close()


def foreign_tables(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("CREATE TRIGGER t AFTER INSERT ON entry BEGIN DELETE FROM entry WHERE n = 1; END")
    connection.close()


def foreign_version(database: Path) -> None:
    connection = sqlite3.connect(database)
    connection.execute("PRAGMA user_version = 9")
    connection.close()


def a_directory(database: Path) -> None:
    database.unlink()
    database.mkdir()


def a_pipe(database: Path) -> None:
    database.unlink()
    os.mkfifo(database)


def a_link(database: Path) -> None:
    database.rename(database.with_name("moved"))
    database.symlink_to("moved")


def emptied(database: Path) -> None:
    database.write_bytes(b"")


def gone(database: Path) -> None:
    database.unlink()


def cut(database: Path) -> None:
    database.write_bytes(database.read_bytes()[:5000])


@pytest.mark.parametrize(
    ("harm", "code", "sentence"),
    [
        (foreign_text, "RECORD_FOREIGN", "log.db is not an SQLite database"),
        (foreign_database, "RECORD_FOREIGN", "of another program"),
        (foreign_tables, "RECORD_FOREIGN", "the tables in log.db are not those of a record"),
        (foreign_version, "RECORD_FOREIGN", "the record has format 9"),
        (a_directory, "RECORD_FOREIGN", "not a regular file"),
        (a_pipe, "RECORD_FOREIGN", "not a regular file"),
        (a_link, "RECORD_FOREIGN", "not a regular file"),
        (emptied, "RECORD_CORRUPT", "log.db was emptied"),
        (gone, "RECORD_MISSING", "log.db in it is not"),
        (cut, "RECORD_CORRUPT", "damaged"),
    ],
)
def test_what_is_not_the_record_is_neither_used_nor_replaced(
    tmp_path: Path, harm: object, code: str, sentence: str
) -> None:
    fill(tmp_path, 60)
    harm(database_of(tmp_path))  # type: ignore[operator]
    before = sorted(p.name for p in (tmp_path / "record").iterdir())
    with pytest.raises(RecordDamaged) as writing:
        open_log(tmp_path)
    with pytest.raises(RecordDamaged) as reading, open_reader(tmp_path) as reader:
        reader.read_root(61)
    assert writing.value.code == reading.value.code == code
    assert sentence in writing.value.message
    assert "\n" not in writing.value.message
    assert str(tmp_path) not in writing.value.message
    after = sorted(p.name for p in (tmp_path / "record").iterdir() if p.suffix not in {".db-wal", ".db-shm"})
    assert [name for name in before if not name.endswith(("-wal", "-shm"))] == [
        name for name in after if not name.endswith(("-wal", "-shm"))
    ]


def test_a_file_in_the_place_of_the_directory_is_said(tmp_path: Path) -> None:
    (tmp_path / "record").write_text("mine")
    with pytest.raises(RecordDamaged) as damaged:
        open_log(tmp_path)
    assert damaged.value.code == "RECORD_FOREIGN"
    assert (tmp_path / "record").read_text() == "mine"


def test_a_damaged_page_stops_the_writer_that_meets_it(tmp_path: Path) -> None:
    fill(tmp_path, 400)
    content = bytearray(database_of(tmp_path).read_bytes())
    for page in range(8, len(content) // 4096):
        content[page * 4096 : page * 4096 + 12] = b"\xff" * 12
    database_of(tmp_path).write_bytes(content)
    with pytest.raises(RecordDamaged) as damaged:
        open_log(tmp_path)
    assert damaged.value.code == "RECORD_CORRUPT"


def test_an_entry_that_lost_its_end_stops_the_writer(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    edit(tmp_path, "UPDATE entry SET body = CAST('x' AS BLOB) WHERE n = 5", "DELETE FROM checkpoint")
    with pytest.raises(RecordDamaged, match="last entry"):
        open_log(tmp_path)


def test_a_record_without_own_checkpoints_is_not_continued(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    edit(tmp_path, "DELETE FROM checkpoint")
    with pytest.raises(RecordDamaged, match="checkpoints are gone"):
        open_log(tmp_path)


def test_values_of_the_wrong_type_are_damage(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    edit(
        tmp_path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = replace(sql, ' STRICT', '') WHERE name = 'entry'",
    )
    edit(tmp_path, "UPDATE entry SET body = 99999999999 WHERE n = 3")
    edit(
        tmp_path,
        "PRAGMA writable_schema = ON",
        "UPDATE sqlite_schema SET sql = sql || ' STRICT' WHERE name = 'entry'",
    )
    with open_reader(tmp_path) as reader, pytest.raises(RecordDamaged):
        reader.read_body(3)
    with pytest.raises(RecordDamaged):
        verify(tmp_path)


def test_a_lock_that_somebody_holds_is_waited_for_and_then_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAX_RECORD_WAIT_MS", 20)
    with open_log(tmp_path) as log:
        log.append(make_event())
        holder = os.open(tmp_path / "record" / "log.lock", os.O_RDWR)
        fcntl.flock(holder, fcntl.LOCK_EX)
        with pytest.raises(RecordUnwritable) as busy:
            log.append(make_event())
        assert busy.value.code == "RECORD_BUSY"
        os.close(holder)
        assert log.append(make_event()) == 2
    assert verify(tmp_path).size == 3


def test_an_sqlite_tool_that_holds_the_database_is_said(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append(make_event())
        tool = sqlite3.connect(database_of(tmp_path), isolation_level=None)
        tool.execute("BEGIN IMMEDIATE")
        with pytest.raises(RecordUnwritable) as busy:
            log.append(make_event())
        assert busy.value.code == "RECORD_BUSY"
        tool.execute("ROLLBACK")
        tool.close()
        assert log.append(make_event()) == 2


FULL_DISK = """
import resource, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from record_tools import make_event
from ostiary.errors import RecordUnwritable
from ostiary.record.begin import open_log
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = open_log(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (600_000, resource.RLIM_INFINITY))
done = 0
try:
    while True:
        log.append_many([make_event(i) for i in range(10)])
        done += 10
except RecordUnwritable as error:
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    print(done, error.code)
log.close()
"""


def test_a_file_that_may_not_grow_stops_recording_and_loses_nothing(tmp_path: Path) -> None:
    tests = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), tests], capture_output=True, text=True, check=True
    )
    count, code = done.stdout.split()
    assert code in {"RECORD_UNWRITABLE", "RECORD_DISK_FULL"}
    assert int(count) > 0
    assert verify(tmp_path).size == int(count) + 1


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own with 400 kB where that is allowed, a plain directory otherwise."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=400k,mode=700", "none", str(place)]
    is_mounted = os.geteuid() == 0 and subprocess.run(mount, check=False).returncode == 0
    yield place
    if is_mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)  # noqa: S607


def write_until_it_fails(log: Log) -> int:
    done = 0
    try:
        while done < 5_000:
            log.append_many([make_event(i) for i in range(10)])
            done += 10
    except RecordUnwritable as full:
        return done if full.code == "RECORD_DISK_FULL" else -1
    pytest.skip("mounting is not allowed here")


def test_a_full_disk_is_said_and_loses_nothing(small_disk: Path) -> None:
    log = open_log(small_disk)
    done = write_until_it_fails(log)
    assert done > 0
    assert verify(small_disk).size == done + 1
    log.close()
    with pytest.raises(RecordUnwritable) as full:
        open_log(small_disk / "another")
    assert full.value.code == "RECORD_DISK_FULL"


@contextmanager
def made_read_only(state: Path) -> Iterator[None]:
    """Root writes wherever the file system lets it; anybody else, where the permissions do."""
    places = [state, *state.rglob("*")]
    if os.geteuid() == 0:
        if subprocess.run(["mount", "-o", "remount,ro", str(state)], check=False).returncode:  # noqa: S607
            pytest.skip("mounting is not allowed here")
        yield
        subprocess.run(["mount", "-o", "remount,rw", str(state)], check=True)  # noqa: S607
        return
    for path in places:
        path.chmod(0o500 if path.is_dir() else 0o400)
    yield
    for path in places:
        path.chmod(0o700 if path.is_dir() else 0o600)


@pytest.mark.parametrize("is_begun", [True, False])
def test_a_read_only_place_is_said_and_can_still_be_read(small_disk: Path, is_begun: bool) -> None:
    if is_begun:
        fill(small_disk, 3)
    with made_read_only(small_disk):
        with pytest.raises(RecordUnwritable) as refused, open_log(small_disk) as log:
            log.emit(make_event())
        assert refused.value.code == "RECORD_READ_ONLY"
        if is_begun:
            assert verify(small_disk).size == 4


def test_beginning_is_all_or_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(28, "no space")

    monkeypatch.setattr("ostiary.record.begin.create_database", fail)
    with pytest.raises(RecordUnwritable) as full:
        open_log(tmp_path)
    assert full.value.code == "RECORD_DISK_FULL"
    assert list(tmp_path.iterdir()) == []


def test_who_begins_second_uses_the_first_one_s_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ostiary.record import begin

    first = begin.publish_staging

    def race(staging: Path, state: Path) -> bool:
        monkeypatch.setattr(begin, "publish_staging", first)
        fill(state, 3)
        return first(staging, state)

    monkeypatch.setattr(begin, "publish_staging", race)
    with open_log(tmp_path) as log:
        assert not log.is_new
        assert log.append(make_event()) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["record"]
