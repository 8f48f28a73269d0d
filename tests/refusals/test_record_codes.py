"""One test for each error code of the record, named by what brings it about."""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from record_tools import database_of, edit, fill, make_event, verify

from ostiary import errors
from ostiary.record import store
from ostiary.record.begin import open_log, open_reader
from ostiary.record.note import parse_verifier_key
from ostiary.record.proof import parse_proof, prove_entry, render_proof, verify_proof

Act = Callable[[Path, pytest.MonkeyPatch], object]


def _no_room(tmp_path: Path, number: int, patch: pytest.MonkeyPatch) -> object:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    patch.setattr("ostiary.record.begin.prepare_state_directory", fail)
    return open_log(tmp_path / "new")


def an_input_output_error(tmp_path: Path, patch: pytest.MonkeyPatch) -> object:
    return _no_room(tmp_path, 5, patch)


def a_full_disk(tmp_path: Path, patch: pytest.MonkeyPatch) -> object:
    return _no_room(tmp_path, 28, patch)


def a_read_only_file_system(tmp_path: Path, patch: pytest.MonkeyPatch) -> object:
    return _no_room(tmp_path, 30, patch)


def a_lock_that_is_never_given_back(tmp_path: Path, patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path, 1)
    patch.setattr(store, "MAX_RECORD_WAIT_MS", 5)
    holder = os.open(tmp_path / "record" / "log.lock", os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    try:
        return open_log(tmp_path)
    finally:
        os.close(holder)


def a_database_that_was_emptied(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path, 1)
    database_of(tmp_path).write_bytes(b"")
    return open_log(tmp_path)


def a_text_in_the_database_s_place(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path, 1)
    database_of(tmp_path).write_text("nothing of the sort " * 20)
    return open_log(tmp_path)


def a_database_that_was_deleted(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path, 1)
    database_of(tmp_path).unlink()
    return open_log(tmp_path)


def a_key_file_that_others_can_read(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path, 1)
    (tmp_path / "record" / "log.key").chmod(0o644)
    with open_log(tmp_path) as log:
        log.append(make_event())
        return log.sign_checkpoint()


def an_entry_with_another_verdict(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path, 5)
    edit(
        tmp_path,
        "UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), 'inspected', 'inspectee') AS BLOB) WHERE n = 3",
    )
    return verify(tmp_path)


def an_entry_taken_out(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path, 5)
    edit(tmp_path, "DELETE FROM entry WHERE n = 3")
    return verify(tmp_path)


def two_entries_swapped(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path, 5)
    edit(
        tmp_path,
        "UPDATE entry SET n = 100 WHERE n = 2",
        "UPDATE entry SET n = 2 WHERE n = 4",
        "UPDATE entry SET n = 4 WHERE n = 100",
    )
    return verify(tmp_path)


def an_end_cut_off(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path, 5)
    edit(tmp_path, "DELETE FROM entry WHERE n > 3")
    return verify(tmp_path)


def an_older_copy_put_back(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path / "state", 5)
    shutil.copytree(tmp_path / "state", tmp_path / "backup")
    kept_elsewhere = fill(tmp_path / "state", 5)
    return verify(tmp_path / "backup", kept_elsewhere)


def a_checkpoint_of_another_record(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path / "state", 5)
    return verify(tmp_path / "state", fill(tmp_path / "other", 5))


def a_proof_for_another_number(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    note = fill(tmp_path, 5)
    with open_reader(tmp_path) as reader:
        proof = parse_proof(prove_entry(reader, 2, note))
        keys = tuple(parse_verifier_key(key) for key in reader.read_keys()[0][1])
    return verify_proof(render_proof(type(proof)(3, proof.siblings, proof.checkpoint, proof.extra)), keys)


def a_state_directory_without_a_record(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    return open_reader(tmp_path)


def a_number_that_is_not_there_yet(tmp_path: Path, _patch: pytest.MonkeyPatch) -> object:
    fill(tmp_path, 1)
    with open_reader(tmp_path) as reader:
        return reader.read_entry(17)


ACTS: dict[str, Act] = {
    "RECORD_UNWRITABLE": an_input_output_error,
    "RECORD_DISK_FULL": a_full_disk,
    "RECORD_READ_ONLY": a_read_only_file_system,
    "RECORD_BUSY": a_lock_that_is_never_given_back,
    "RECORD_CORRUPT": a_database_that_was_emptied,
    "RECORD_FOREIGN": a_text_in_the_database_s_place,
    "RECORD_MISSING": a_database_that_was_deleted,
    "RECORD_KEY_UNUSABLE": a_key_file_that_others_can_read,
    "RECORD_CHANGED": an_entry_with_another_verdict,
    "RECORD_REMOVED": an_entry_taken_out,
    "RECORD_REORDERED": two_entries_swapped,
    "RECORD_TRUNCATED": an_end_cut_off,
    "RECORD_ROLLED_BACK": an_older_copy_put_back,
    "RECORD_BAD_SIGNATURE": a_checkpoint_of_another_record,
    "RECORD_BAD_PROOF": a_proof_for_another_number,
    "RECORD_NONE": a_state_directory_without_a_record,
    "RECORD_NO_ENTRY": a_number_that_is_not_there_yet,
}


@pytest.mark.parametrize("code", sorted(ACTS))
def test_the_act_brings_the_code(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(errors.OstiaryError) as caught:
        ACTS[code](tmp_path, monkeypatch)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    assert str(tmp_path) not in str(caught.value)


def test_every_code_of_the_record_is_here() -> None:
    assert set(ACTS) == {code for code in errors.CODES if code.startswith("RECORD_")}


def test_nothing_is_emitted_when_the_record_cannot_be_written(tmp_path: Path) -> None:
    with open_log(tmp_path) as log:
        log._store._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(errors.RecordUnwritable):
            log.emit(make_event())
        log._store._connection.execute("PRAGMA query_only = OFF")
    assert verify(tmp_path).size == 1
