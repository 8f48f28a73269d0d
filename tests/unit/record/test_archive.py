from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from record_tools import ToldClock, database_of, edit, fill, find_problems, make_event, verify

from ostiary.errors import Misuse, RecordDamaged, RecordRefused, RecordUnwritable
from ostiary.record.archive import Archived, archive_entries
from ostiary.record.archive_file import verify_archive_file
from ostiary.record.begin import open_log, open_reader
from ostiary.record.note import parse_verifier_key
from ostiary.record.proof import prove_entry, verify_proof
from ostiary.record.rotate import rotate_keys


def keep(state: Path, size: int) -> Archived | None:
    with open_log(state) as log:
        return archive_entries(log, correlation_id="a", keep_bytes=size)


def test_archived_entries_leave_and_everything_stays_provable(tmp_path: Path) -> None:
    notes = [fill(tmp_path, 40)]
    with open_reader(tmp_path) as reader:
        keys = tuple(parse_verifier_key(key) for key in reader.read_keys()[0][1])
        old_proof = prove_entry(reader, 7, notes[0])
        old_body = reader.read_body(7)
    done = keep(tmp_path, 3_000)
    assert done is not None
    assert done.first == 0
    assert 30 < done.end < 41
    notes.append(fill(tmp_path, 10))
    verified = verify(tmp_path, *notes)
    assert verified.archived == done.end - 1  # the entry that begins the record stays
    assert verified.archive_files == 1
    assert verify_proof(old_proof, keys).entry.index == 7
    with open_reader(tmp_path) as reader:
        assert reader.read_body(7) is None
        with pytest.raises(Misuse, match="archived"):
            reader.read_entry(7)
        new_proof = prove_entry(reader, 7, notes[1])
    assert verify_proof(new_proof, keys, entry=old_body).entry.data["name"] == "model-6"
    with pytest.raises(RecordRefused, match="does not carry"):
        verify_proof(new_proof, keys)


def test_archives_follow_one_another_across_rotations(tmp_path: Path) -> None:
    files = []
    for _ in range(3):
        fill(tmp_path, 12)
        with open_log(tmp_path) as log:
            rotate_keys(log, correlation_id="r")
            log.append(make_event())
        done = keep(tmp_path, 0)
        assert done is not None
        files.append(done)
    assert [files[0].end, files[1].end] == [files[1].first, files[2].first]
    verified = verify(tmp_path)
    assert verified.archive_files == 3
    with open_reader(tmp_path) as reader:
        epochs = [tuple(parse_verifier_key(key) for key in keys) for _, keys in reader.read_keys()]
    for turn, done in enumerate(files):
        assert verify_archive_file(done.path, epochs[turn + 1]).header.first == done.first
        with pytest.raises(RecordRefused):
            verify_archive_file(done.path, epochs[turn])


def test_entries_are_archived_by_age(tmp_path: Path) -> None:
    clock = ToldClock()
    with open_log(tmp_path, clock) as log:
        log.append_many([make_event(i) for i in range(10)])
        clock.now += timedelta(days=10)
        limit = clock.now
        log.append_many([make_event(i) for i in range(10)])
        done = archive_entries(log, correlation_id="a", before=limit)
        assert done is not None
        assert (done.first, done.end) == (0, 11)
        assert archive_entries(log, correlation_id="a", before=limit) is None
    assert verify(tmp_path).archived == 10


def test_room_is_given_back(tmp_path: Path) -> None:
    fill(tmp_path, 2_000)
    before = database_of(tmp_path).stat().st_size
    assert keep(tmp_path, 10_000)
    assert database_of(tmp_path).stat().st_size < before / 3


def test_salts_leave_with_their_entries(tmp_path: Path) -> None:
    fill(tmp_path, 20, location=b"/models/x")
    assert keep(tmp_path, 0)
    with open_reader(tmp_path) as reader:
        assert reader.read_salts(3) == ()


def test_a_limit_is_needed_and_only_one(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        for wrong in ({}, {"before": ToldClock()(), "keep_bytes": 1}):
            with pytest.raises(Misuse):
                archive_entries(log, correlation_id="a", **wrong)  # type: ignore[arg-type]


def test_a_place_that_cannot_be_written_archives_nothing(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    (tmp_path / "file").write_text("")
    with open_log(tmp_path) as log, pytest.raises(RecordUnwritable):
        archive_entries(log, correlation_id="a", keep_bytes=0, directory=tmp_path / "file")
    assert verify(tmp_path).archived == 0


def test_a_run_that_was_killed_leaves_a_file_that_the_next_one_replaces(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, 20)
    with open_log(tmp_path) as log, monkeypatch.context() as patch:
        patch.setattr(log, "place", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            archive_entries(log, correlation_id="a", keep_bytes=0)
    assert verify(tmp_path).archived == 0
    assert keep(tmp_path, 0)
    assert verify(tmp_path).archive_files == 1


@pytest.mark.parametrize("line", [0, 1, 5, -2, -8])
def test_a_changed_archive_is_found(tmp_path: Path, line: int) -> None:
    fill(tmp_path, 20)
    done = keep(tmp_path, 0)
    assert done is not None
    with open_reader(tmp_path) as reader:
        keys = tuple(parse_verifier_key(key) for key in reader.read_keys()[0][1])
    lines = done.path.read_bytes().split(b"\n")
    at = len(lines[line]) // 2
    lines[line] = lines[line][:at] + bytes([lines[line][at] ^ 1]) + lines[line][at + 1 :] if lines[line] else b"x"
    done.path.write_bytes(b"\n".join(lines))
    with pytest.raises(RecordRefused):
        verify_archive_file(done.path, keys)
    assert find_problems(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"{}\n",
        b"[" * 9_000,
        b'{"archive":"ostiary.record/1","end":1,"first":0,"origin":"o","peaks":[]}\n',
        b'{"archive":"ostiary.record/1","end":5,"first":3,"origin":"o","peaks":[]}\n',
        b'{"archive":"ostiary.record/1","end":5,"first":1,"origin":"o","peaks":["AAAA"]}\n',
        b"x" * 50_000,
    ],
)
def test_what_is_not_an_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(RecordRefused):
        verify_archive_file(path, None)
    with pytest.raises(RecordDamaged):
        verify_archive_file(tmp_path / "none.jsonl", None)


def test_an_archive_file_of_the_right_form_but_another_time_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    done = keep(tmp_path, 0)
    assert done is not None
    edit(tmp_path, ("UPDATE archive SET sha256 = ?", ("0" * 64,)))
    assert find_problems(tmp_path) == {"RECORD_CHANGED"}
