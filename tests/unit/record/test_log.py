from __future__ import annotations

import json
import os
import stat
import threading
from pathlib import Path

import pytest
from record_tools import ToldClock, database_of, edit, find_problems, make_event, verify

from ostiary.core import limits
from ostiary.errors import RecordDamaged, RecordUnwritable
from ostiary.record import log as log_module
from ostiary.record import store
from ostiary.record.archive import archive_entries
from ostiary.record.begin import open_log, open_reader
from ostiary.record.checkpoint import parse_checkpoint
from ostiary.record.events import EVENT_TYPES, ModelInspected
from ostiary.record.forget import is_content


def kinds(state: Path) -> list[str]:
    with open_reader(state) as reader:
        return [reader.read_entry(index).kind for index in range(reader.read_size())]


def test_the_first_use_begins_a_record_for_this_user_alone(tmp_path: Path) -> None:
    state = tmp_path / "new" / "state"
    with open_log(state) as log:
        assert log.is_new
        assert log.append(make_event()) == 1
    with open_log(state) as log:
        assert not log.is_new
    assert stat.S_IMODE(state.stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "record").stat().st_mode) == 0o700
    assert stat.S_IMODE((state / "record" / "log.key").stat().st_mode) == 0o600
    assert kinds(state) == ["record.begun", "model.inspected"]
    assert sorted(p.name for p in state.iterdir()) == ["record"]


def test_the_environment_says_where_the_record_is(state_directory: Path) -> None:
    with open_log() as log:
        log.emit(make_event())
    assert database_of(state_directory).is_file()


def test_an_emitted_event_is_there_when_emit_returns(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.emit(make_event(41))
        with open_reader(tmp_path) as reader:
            entry = reader.read_entry(1)
    assert entry.data["name"] == "model-41"
    assert entry.pid == os.getpid()
    assert entry.uid == os.getuid()


def test_closing_signs_what_is_not_yet_signed(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append_many([make_event(i) for i in range(5)])
    with open_reader(tmp_path) as reader:
        latest = reader.read_latest_checkpoint()
        assert latest is not None
        assert latest[0] == reader.read_size() == 6
        assert parse_checkpoint(latest[1]).root == reader.read_root(6)
        assert len(reader.read_checkpoints()) == 1
    assert verify(tmp_path).checkpoints == 1


def test_a_long_run_is_signed_on_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "MAX_CHECKPOINT_GAP", 10)
    with open_log(tmp_path) as log:
        for i in range(25):
            log.append(make_event(i))
        with open_reader(tmp_path) as reader:
            latest = reader.read_latest_checkpoint()
    assert latest is not None
    assert latest[0] >= 20


def test_many_threads_lose_nothing_and_share_commits(tmp_path: Path) -> None:
    numbers: list[int] = []
    with open_log(tmp_path) as log:

        def write(thread: int) -> None:
            for i in range(20):
                numbers.append(log.append(make_event(thread * 100 + i)))

        threads = [threading.Thread(target=write, args=(n,)) for n in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(numbers) == list(range(1, 241))
    with open_reader(tmp_path) as reader:
        names = {reader.read_entry(i).data["name"] for i in range(1, 241)}
    assert len(names) == 240
    assert verify(tmp_path).size == 241


def test_two_logs_in_one_process_take_turns(tmp_path: Path) -> None:
    with open_log(tmp_path) as first, open_log(tmp_path) as second:
        for i in range(6):
            assert (first, second)[i % 2].append(make_event(i)) == i + 1
    assert verify(tmp_path).size == 7


def test_a_single_event_finds_its_number_whatever_others_did(tmp_path: Path) -> None:
    # A writer that trusted what it knew would put its entry into the gap that the archive left.
    with open_log(tmp_path) as first, open_log(tmp_path) as second:
        assert first.append(make_event()) == 1
        second.append_many([make_event(i) for i in range(8)])
        archive_entries(second, correlation_id="a", keep_bytes=0)
        assert first.append(make_event()) == 11
        assert second.append(make_event()) == 12
    assert verify(tmp_path).size == 13


def test_a_single_event_may_have_salts(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        assert log.append(make_event()) == 1
        assert log.append(make_event(location=b"/models/x")) == 2
    with open_reader(tmp_path) as reader:
        assert not reader.read_salts(1)
        assert is_content(reader, 2, "location", b"/models/x")


@pytest.mark.parametrize("count", [1, 500])
def test_a_failed_commit_fails_all_of_its_group_and_the_log_goes_on(tmp_path: Path, count: int) -> None:
    with open_log(tmp_path) as log:
        log.append(make_event())
        # SQLite's own way of running out of room.
        pages = log._store._connection.execute("PRAGMA page_count").fetchone()[0]
        log._store._connection.execute(f"PRAGMA max_page_count = {pages}")

        def append_until_full() -> None:
            while True:
                done.append(log.append_many([make_event(i) for i in range(count)]))

        done: list[int] = []
        with pytest.raises(RecordUnwritable) as refused:
            append_until_full()
        assert refused.value.code == "RECORD_DISK_FULL"
        size = 2 + len(done) * count
        log._store._connection.execute("PRAGMA max_page_count = 1000000")
        assert log.append(make_event()) == size
    assert verify(tmp_path).size == size + 1


def test_every_member_of_a_failed_group_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[BaseException] = []
    with open_log(tmp_path) as log:

        def write() -> None:
            try:
                log.append(make_event())
            except RecordUnwritable as error:
                errors.append(error)

        def fail(*_: object) -> list[int]:
            raise RecordUnwritable(log_module.RECORD_UNWRITABLE, "no")

        threads = [threading.Thread(target=write) for _ in range(5)]
        with monkeypatch.context() as patch:
            patch.setattr(log._group, "_write_group", fail)
            with log._group.exclusively():
                for thread in threads:
                    thread.start()
                while len(log._group._queue) < len(threads):
                    threading.Event().wait(0.001)
            for thread in threads:
                thread.join()
        assert len(errors) == len(set(map(id, errors))) == 5
        assert log.append(make_event()) == 1


@pytest.mark.parametrize("count", [1, 2])
def test_an_interrupted_writer_fails_and_lets_others_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    with open_log(tmp_path) as log:
        with monkeypatch.context() as patch:
            patch.setattr(store, "place_event", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                log.append_many([make_event(i) for i in range(count)])
        assert log.append(make_event()) == 1
    assert verify(tmp_path).size == 2


def test_an_interrupted_waiter_records_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_log(tmp_path) as log:
        with monkeypatch.context() as patch, log._group.exclusively():
            patch.setattr(log._group, "_wait", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                log.append(make_event(1))
        assert log.append(make_event(2)) == 1
    assert verify(tmp_path).size == 2


def test_a_closed_log_records_nothing(tmp_path: Path) -> None:
    log = open_log(tmp_path)
    log.close()
    log.close()
    with pytest.raises(RecordUnwritable):
        log.emit(make_event())
    log.offer(make_event())


def test_a_forked_process_must_open_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_log(tmp_path) as log:
        monkeypatch.setattr(os, "getpid", lambda: -1)
        with pytest.raises(RecordUnwritable):
            log.emit(make_event())
        log.close()
        monkeypatch.undo()
        log.emit(make_event())


def test_a_small_step_back_of_the_clock_is_held_still(tmp_path: Path) -> None:
    from datetime import timedelta

    clock = ToldClock()
    with open_log(tmp_path, clock) as log:
        log.append(make_event())
        clock.now -= timedelta(milliseconds=500)
        log.append(make_event())
    with open_reader(tmp_path) as reader:
        assert reader.read_entry(1).at == reader.read_entry(2).at
    assert verify(tmp_path).size == 3


def test_a_clock_set_back_is_told_by_an_entry(tmp_path: Path) -> None:
    from datetime import timedelta

    clock = ToldClock()
    with open_log(tmp_path, clock) as log:
        log.append(make_event())
        clock.now -= timedelta(hours=2)
        assert log.append(make_event()) == 3
    with open_reader(tmp_path) as reader:
        told, after = reader.read_entry(2), reader.read_entry(3)
        assert told.kind == "record.clock_stepped_back"
        assert told.data["last"] == reader.read_entry(1).at
        assert told.data["seconds"] == 7199
        assert after.at == told.at < told.data["last"]
    assert verify(tmp_path).size == 4


def test_offers_are_written_in_the_background(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        for i in range(30):
            log.offer(make_event(i))
    assert kinds(tmp_path).count("model.inspected") == 30
    assert "record.dropped" not in kinds(tmp_path)


def test_what_finds_no_room_is_counted_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ostiary.record import offers

    monkeypatch.setattr(offers, "MAX_OFFERED_EVENTS", 8)
    with open_log(tmp_path) as log, log._group.exclusively():
        for i in range(100):
            log.offer(make_event(i))
    with open_reader(tmp_path) as reader:
        entries = [reader.read_entry(i) for i in range(reader.read_size())]
    written = sum(entry.kind == "model.inspected" for entry in entries)
    dropped = sum(entry.data["counts"]["model.inspected"] for entry in entries if entry.kind == "record.dropped")
    assert written + dropped == 100
    assert written >= 8
    assert dropped > 0


def test_offers_that_cannot_be_written_never_raise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_log(tmp_path) as log:

        def fail(*_: object) -> list[int]:
            raise RecordUnwritable(log_module.RECORD_UNWRITABLE, "no")

        with monkeypatch.context() as patch:
            patch.setattr(log._group, "_write_group", fail)
            for i in range(5):
                log.offer(make_event(i))
            with pytest.raises(RecordUnwritable):
                log._offers.close()
    with open_reader(tmp_path) as reader:
        last = reader.read_entry(reader.read_size() - 1)
    assert last.data["counts"] == {"model.inspected": 5}


def test_the_hook_is_given_each_checkpoint(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    hook = ["/bin/sh", "-c", f"cat >> {kept}"]
    with open_log(tmp_path / "state", hook=hook) as log:
        log.emit(make_event())
        note = log.sign_checkpoint()
    assert kept.read_bytes() == note
    assert verify(tmp_path / "state", kept.read_bytes()).outside_checkpoints == 1


def test_the_hook_of_the_record_is_used_where_none_is_given(tmp_path: Path) -> None:
    with open_log(tmp_path):
        pass
    hook = tmp_path / "record" / "hook.json"
    hook.write_text(json.dumps(["/bin/sh", "-c", f"cat > {tmp_path}/kept"]))
    hook.chmod(0o600)
    with open_log(tmp_path) as log:
        log.emit(make_event())
    assert parse_checkpoint((tmp_path / "kept").read_bytes()).size == 2
    hook.chmod(0o622)
    with pytest.raises(RecordDamaged):
        open_log(tmp_path)


def test_a_failing_hook_is_said_and_recorded(tmp_path: Path) -> None:
    with open_log(tmp_path, hook=["/bin/false"]) as log:
        log.emit(make_event())
    assert log.notices == ["The checkpoint of size 2 was not kept: the hook ended with status 1."]
    assert kinds(tmp_path)[-1] == "record.hook_failed"
    with open_log(tmp_path, hook=["/bin/false"]) as log:
        log.sign_checkpoint()
        log.emit(make_event())
    assert kinds(tmp_path).count("record.hook_failed") == 2
    with open_log(tmp_path, hook=["/nonexistent/hook"]) as log:
        log.sign_checkpoint()
    assert "could not be started" in log.notices[0]


def test_a_record_that_does_not_fit_its_checkpoint_is_not_continued(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append_many([make_event(i) for i in range(9)])
    edit(tmp_path, "DELETE FROM entry WHERE n = 9")
    with pytest.raises(RecordDamaged, match="checkpoint"):
        open_log(tmp_path)
    assert find_problems(tmp_path) == {"RECORD_TRUNCATED"}


def test_a_record_whose_past_was_rewritten_is_not_continued(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log.append_many([make_event(i) for i in range(8)])
    edit(tmp_path, "UPDATE entry SET hashes = CAST(zeroblob(128) AS BLOB) WHERE n = 7")
    with pytest.raises(RecordDamaged, match="does not fit its own last checkpoint"):
        open_log(tmp_path)


def test_an_entry_takes_at_most_five_hundred_bytes_all_included(tmp_path: Path) -> None:
    count = 4_000
    inspected = ModelInspected(
        name="Qwen3-0.6B-4bit",
        root="ab" * 32,
        files=9,
        bytes=351_400_000,
        format="safetensors",
        architecture="qwen3",
        findings={"config.unknown-key": 3, "tree.readme": 1},
        correlation_id="cd" * 8,
    )
    with open_log(tmp_path) as log:
        empty = database_of(tmp_path).stat().st_size
        log.append_many([inspected] * count)
    assert (database_of(tmp_path).stat().st_size - empty) / count <= 500


def test_every_event_type_is_registered_under_its_own_kind() -> None:
    for kind, event in EVENT_TYPES.items():
        assert event.kind == kind
        assert event.schema >= 1
        assert event.__doc__


def test_the_ceilings_of_the_record_have_reasons() -> None:
    assert limits.MAX_OFFERED_EVENTS.unit == "events"


def test_every_commit_reaches_the_disk_before_it_is_acknowledged(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        pragmas = {
            name: log._store._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "secure_delete", "trusted_schema", "fullfsync")
        }
    assert pragmas == {
        "journal_mode": "wal",
        "synchronous": 2,
        "secure_delete": 1,
        "trusted_schema": 0,
        "fullfsync": 1,
    }
