from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from record_tools import database_of, edit, fill, find_problems, make_event, verify

from ostiary.errors import RecordDamaged, RecordRefused
from ostiary.record.begin import open_log, open_reader
from ostiary.record.entry import EncodedEvent, place_event
from ostiary.record.merkle import add_leaf, hash_leaf
from ostiary.record.note import parse_verifier_key
from ostiary.record.rotate import rotate_keys
from ostiary.record.verify import verify_record


def rewrite(state: Path, bodies: list[bytes]) -> None:
    """What somebody does who knows the format but has no key: every hash is made right again."""
    peaks: list[bytes] = []
    edit(
        state,
        "DELETE FROM entry",
        *(
            (
                "INSERT INTO entry (n, hashes, body) VALUES (?, ?, ?)",
                (index, add_leaf(peaks, index, hash_leaf(body)), body),
            )
            for index, body in enumerate(bodies)
        ),
    )


def read_bodies(state: Path) -> list[bytes]:
    with open_reader(state) as reader:
        return [body for _, body in reader.read_bodies(0, reader.read_size())]


def renumber(bodies: list[bytes], first: int) -> list[bytes]:
    return bodies[:first] + [
        body.replace(f'"n":{index + 1},'.encode(), f'"n":{index},'.encode())
        for index, body in enumerate(bodies[first:], first)
    ]


def test_an_untouched_record_is_whole(tmp_path: Path) -> None:
    note = fill(tmp_path, 70)
    verified = verify(tmp_path, note)
    assert (verified.size, verified.archived, verified.outside_checkpoints) == (71, 0, 1)


def test_a_changed_entry_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    edit(
        tmp_path,
        "UPDATE entry SET body = CAST(replace(CAST(body AS TEXT), 'model-7', 'model-8') AS BLOB) WHERE n = 8",
    )
    with pytest.raises(RecordRefused, match="entry 8 is not the one that was recorded there") as refused:
        verify(tmp_path)
    assert refused.value.code == "RECORD_CHANGED"


def test_a_changed_entry_whose_hashes_were_made_right_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    bodies = read_bodies(tmp_path)
    bodies[8] = bodies[8].replace(b"model-7", b"model-6")
    rewrite(tmp_path, bodies)
    with pytest.raises(RecordRefused, match="the first 21 entries are not those"):
        verify(tmp_path)


def test_a_removed_entry_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    edit(tmp_path, "DELETE FROM entry WHERE n = 8")
    with pytest.raises(RecordRefused, match="entry 8 is not there") as refused:
        verify(tmp_path)
    assert refused.value.code == "RECORD_REMOVED"


def test_a_removed_entry_is_found_when_the_rest_moves_up(tmp_path: Path) -> None:
    note = fill(tmp_path, 20)
    bodies = read_bodies(tmp_path)
    rewrite(tmp_path, bodies[:8] + bodies[9:])
    assert "RECORD_REORDERED" in find_problems(tmp_path)
    rewrite(tmp_path, renumber(bodies[:8] + bodies[9:], 8))
    assert find_problems(tmp_path, note) == {"RECORD_TRUNCATED", "RECORD_ROLLED_BACK"}


def test_swapped_entries_are_found(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    bodies = read_bodies(tmp_path)
    bodies[5], bodies[9] = bodies[9], bodies[5]
    rewrite(tmp_path, bodies)
    with pytest.raises(RecordRefused, match="at number 5 stands what was recorded as number 9") as refused:
        verify(tmp_path)
    assert refused.value.code == "RECORD_REORDERED"


def test_a_cut_end_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    edit(tmp_path, "DELETE FROM entry WHERE n > 12")
    with pytest.raises(RecordRefused, match="covers 21 entries, the record has 13") as refused:
        verify(tmp_path)
    assert refused.value.code == "RECORD_TRUNCATED"


def test_a_cut_end_is_found_when_its_checkpoint_goes_too(tmp_path: Path) -> None:
    note = fill(tmp_path, 20)
    edit(tmp_path, "DELETE FROM entry WHERE n > 12", "DELETE FROM checkpoint")
    assert find_problems(tmp_path) == {"RECORD_TRUNCATED"}
    assert find_problems(tmp_path, note) == {"RECORD_TRUNCATED", "RECORD_ROLLED_BACK"}


def test_an_older_copy_of_the_whole_file_is_found_by_any_later_checkpoint(tmp_path: Path) -> None:
    fill(tmp_path / "state", 10)
    shutil.copytree(tmp_path / "state", tmp_path / "older")
    note = fill(tmp_path / "state", 10)
    assert verify(tmp_path / "state", note)
    assert verify(tmp_path / "older")
    assert find_problems(tmp_path / "older", note) == {"RECORD_ROLLED_BACK"}


def test_a_history_that_forked_is_found_by_a_checkpoint_of_the_other_branch(tmp_path: Path) -> None:
    fill(tmp_path / "state", 10)
    shutil.copytree(tmp_path / "state", tmp_path / "other")
    note = fill(tmp_path / "other", 3)
    fill(tmp_path / "state", 30)
    assert find_problems(tmp_path / "state", note) == {"RECORD_CHANGED"}


def test_a_whole_new_record_is_found_by_a_checkpoint_or_a_key_kept_elsewhere(tmp_path: Path) -> None:
    note = fill(tmp_path / "state", 10)
    with open_reader(tmp_path / "state") as reader:
        key = parse_verifier_key(reader.read_keys()[0][1][0])
    fill(tmp_path / "forged", 10)
    assert find_problems(tmp_path / "forged") == set()
    assert find_problems(tmp_path / "forged", note) == {"RECORD_BAD_SIGNATURE"}
    with (
        open_reader(tmp_path / "forged") as reader,
        pytest.raises(RecordRefused, match="verifier key that you trust"),
    ):
        verify_record(reader, trusted_keys=[key])
    with open_reader(tmp_path / "state") as reader:
        assert verify_record(reader, trusted_keys=[key])


def test_a_forged_own_checkpoint_is_found(tmp_path: Path) -> None:
    fill(tmp_path / "state", 10)
    forged = fill(tmp_path / "forged", 10)
    edit(tmp_path / "state", ("UPDATE checkpoint SET note = ?", (forged,)))
    assert find_problems(tmp_path / "state") == {"RECORD_BAD_SIGNATURE"}
    edit(tmp_path / "state", ("UPDATE checkpoint SET note = ?", (b"nonsense",)))
    assert find_problems(tmp_path / "state") == {"RECORD_BAD_SIGNATURE"}


def test_changed_subtree_hashes_are_found(tmp_path: Path) -> None:
    fill(tmp_path, 20)
    edit(tmp_path, "UPDATE entry SET hashes = CAST(substr(hashes, 1, 32) || zeroblob(96) AS BLOB) WHERE n = 7")
    with pytest.raises(RecordRefused, match="subtrees that entry 7 completes"):
        verify(tmp_path)


def test_a_record_after_rotations_is_whole_and_its_old_checkpoints_too(tmp_path: Path) -> None:
    notes = [fill(tmp_path, 5)]
    for turn in range(3):
        with open_log(tmp_path) as log:
            rotate_keys(log, correlation_id=f"turn-{turn}")
            notes.append(log.sign_checkpoint())
            log.append_many([make_event(i) for i in range(4)])
            notes.append(log.sign_checkpoint())
    verified = verify(tmp_path, *notes)
    assert verified.size == 6 + 3 * 5
    assert verified.outside_checkpoints == 7


def test_a_rotation_that_the_old_keys_do_not_cover_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    with open_log(tmp_path) as log:
        rotate_keys(log, correlation_id="turn")
        log.append(make_event())
    edit(tmp_path, "DELETE FROM checkpoint WHERE is_kept")
    assert find_problems(tmp_path) == {"RECORD_BAD_SIGNATURE"}


def test_keys_that_no_entry_announces_are_found(tmp_path: Path) -> None:
    fill(tmp_path / "state", 5)
    fill(tmp_path / "forged", 5)
    with open_reader(tmp_path / "forged") as reader:
        keys = reader.read_keys()[0][1]
    edit(tmp_path / "state", ("UPDATE vkey SET keys = ?", ("\n".join(keys),)))
    assert find_problems(tmp_path / "state") == {"RECORD_CHANGED"}


def test_a_second_beginning_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    bodies = read_bodies(tmp_path)
    rewrite(tmp_path, [*bodies, bodies[0].replace(b'"n":0,', b'"n":6,')])
    assert "RECORD_CHANGED" in find_problems(tmp_path)


def test_an_entry_older_than_the_one_before_it_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 5)
    bodies = read_bodies(tmp_path)
    early = place_event(
        EncodedEvent("model.failed", 1, "{}", ()),
        6,
        "2001-01-01T00:00:00.000000Z",
        bodies[1].split(b'"by":')[1].split(b',"data"')[0].decode(),
    )
    rewrite(tmp_path, [*bodies, early])
    assert find_problems(tmp_path) == {"RECORD_REORDERED"}


def test_a_removed_body_that_no_archive_announces_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    edit(
        tmp_path,
        "INSERT INTO archived SELECT n, hashes FROM entry WHERE n IN (4, 5)",
        "DELETE FROM entry WHERE n IN (4, 5)",
    )
    assert find_problems(tmp_path) == {"RECORD_REMOVED"}


def test_an_archive_row_that_no_entry_announces_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    edit(
        tmp_path,
        "INSERT INTO archived SELECT n, hashes FROM entry WHERE n IN (4, 5)",
        "DELETE FROM entry WHERE n IN (4, 5)",
        "INSERT INTO archive VALUES (4, 6, 'x', 'y', 12)",
    )
    assert find_problems(tmp_path) == {"RECORD_CHANGED"}


def test_a_row_given_twice_is_found(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    edit(tmp_path, "INSERT INTO archived SELECT n, hashes FROM entry WHERE n = 4")
    assert "RECORD_REORDERED" in find_problems(tmp_path)


def test_an_empty_table_is_no_record(tmp_path: Path) -> None:
    fill(tmp_path, 3)
    edit(tmp_path, "DELETE FROM entry", "DELETE FROM checkpoint")
    assert {"RECORD_CHANGED", "RECORD_TRUNCATED"} <= find_problems(tmp_path)


def test_problems_are_listed_and_bounded(tmp_path: Path) -> None:
    fill(tmp_path, 300)
    edit(tmp_path, "UPDATE entry SET body = CAST('{}' AS BLOB)")
    with pytest.raises(RecordRefused) as refused:
        verify(tmp_path)
    assert 3 <= len(refused.value.problems) <= 100


def test_a_damaged_page_is_a_fault_and_not_an_answer(tmp_path: Path) -> None:
    fill(tmp_path, 200)
    database = database_of(tmp_path)
    content = bytearray(database.read_bytes())
    # The header of a b-tree page in the middle.
    content[10 * 4096 : 10 * 4096 + 16] = b"\xff" * 16
    database.write_bytes(content)
    with pytest.raises(RecordDamaged) as damaged:
        verify(tmp_path)
    assert damaged.value.code == "RECORD_CORRUPT"
    assert "page" in damaged.value.message
