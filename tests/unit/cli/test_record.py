"""`ostiary record ...`, each verb as a person or a script runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from record_tools import edit, fill, make_event, make_refusal

from ostiary.cli.main import main
from ostiary.record.begin import open_log


@pytest.fixture
def state(state_directory: Path) -> Path:
    with open_log(state_directory) as log:
        log.append_many([make_event(i, location=b"/models/private") for i in range(10)])
        log.append_many([make_refusal(i) for i in range(3)])
    return state_directory


class Told:
    """What one run said."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> object:
        return json.loads(self.out)


@pytest.fixture
def record(capsys: pytest.CaptureFixture[str]) -> object:
    def run(*words: object) -> Told:
        status = main(["record", *map(str, words)])
        told = capsys.readouterr()
        return Told(status, told.out, told.err)

    return run


def test_tail_shows_the_newest(state: Path, record) -> None:  # type: ignore[no-untyped-def]
    told = record("tail", "-n", "2")
    assert told.status == 0
    lines = told.out.splitlines()
    assert [line.split()[0] for line in lines] == ["12", "13"]
    assert "model.refused" in lines[1]
    assert " INTAKE_MALFORMED " in lines[1]
    assert "hmac-sha256" not in told.out
    told = record("tail", "-n", "1", "--json")
    assert json.loads(told.out)["n"] == 13


def test_show_shows_one_whole_and_tests_content(state: Path, record, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "right").write_bytes(b"/models/private")
    (tmp_path / "wrong").write_bytes(b"/models/other")
    told = record("show", "3")
    assert told.status == 0
    assert "model-2" in told.out
    assert "/models" not in told.out
    told = record("show", "3", "--content", f"location={tmp_path}/right", "--json")
    assert told.status == 0
    assert told.json["is_content"] is True
    assert told.json["testable"] == ["location"]
    told = record("show", "3", "--content", f"location={tmp_path}/wrong")
    assert told.status == 3
    assert "is NOT" in told.out
    told = record("show", "99")
    assert told.status == 2
    assert "RECORD_NO_ENTRY" in told.err


def test_hostile_text_in_an_entry_cannot_reach_the_terminal(state_directory: Path, record) -> None:  # type: ignore[no-untyped-def]
    from dataclasses import replace

    with open_log(state_directory) as log:
        log.emit(replace(make_event(), name="\x1b[2J\u202egnp.exe\n"))
    for words in (("tail",), ("show", "1"), ("query", "--kind", "model")):
        told = record(*words)
        assert "\x1b" not in told.out
        assert "\u202e" not in told.out
        assert "\\x1b[2J\\u202egnp.exe\\n" in told.out


def test_query_finds(state: Path, record) -> None:  # type: ignore[no-untyped-def]
    assert len(record("query", "--code", "INTAKE_MALFORMED").out.splitlines()) == 3
    assert len(record("query", "--kind", "model", "--since", "1d", "--json").out.splitlines()) == 13
    assert record("query", "--until", "2001-01-01").out == ""
    assert record("query", "--since", "yesterday").status == 2


def test_verify_says_what_its_answer_rests_on(state: Path, record, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    told = record("verify")
    assert told.status == 0
    assert told.out.startswith("Verified: 14 entries of ostiary.local/")
    assert "Nothing kept elsewhere" in told.err
    assert record("checkpoint", "--output", tmp_path / "kept").status == 0
    (tmp_path / "keys").write_text(record("keys").out)
    told = record("verify", "--checkpoint", tmp_path / "kept", "--key", tmp_path / "keys", "--json")
    assert told.status == 0
    assert told.err == ""
    assert told.json["verdict"] == "verified"
    assert told.json["outside_checkpoints"] == 1


def test_verify_refuses_and_lists_every_problem(state: Path, record) -> None:  # type: ignore[no-untyped-def]
    edit(state, "DELETE FROM entry WHERE n IN (4, 9)")
    told = record("verify")
    assert told.status == 3
    assert "RECORD_REMOVED: entry 4 is not there" in told.err
    assert "RECORD_REMOVED: entry 9 is not there" in told.err
    told = record("verify", "--json")
    assert told.status == 3
    assert told.json["verdict"] == "refused"
    assert len(told.json["problems"]) >= 2


def test_a_fault_is_not_an_answer(state: Path, record) -> None:  # type: ignore[no-untyped-def]
    (state / "record" / "log.db").write_bytes(b"")
    told = record("verify")
    assert told.status == 4
    assert "RECORD_CORRUPT" in told.err


def test_a_proof_verifies_without_the_record(state: Path, record, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "keys").write_text(record("keys").out)
    assert record("prove", "5", "-o", tmp_path / "5.tlog-proof").status == 0
    elsewhere = tmp_path / "elsewhere"
    told = record("verify", "--proof", tmp_path / "5.tlog-proof", "--key", tmp_path / "keys", "--state", elsewhere)
    assert told.status == 0
    assert "model-4" in told.out
    assert not elsewhere.exists()
    assert record("verify", "--proof", tmp_path / "5.tlog-proof").status == 2
    changed = (tmp_path / "5.tlog-proof").read_text().replace("index 5", "index 4")
    (tmp_path / "changed").write_text(changed)
    told = record("verify", "--proof", tmp_path / "changed", "--key", tmp_path / "keys", "--json")
    assert told.status == 3
    assert told.json["error"]["code"] == "RECORD_BAD_PROOF"
    told = record("prove", "5")
    assert told.out == (tmp_path / "5.tlog-proof").read_text()
    assert record("prove", "5", "--json").json["text"] == told.out
    assert record("prove", "99").status == 2


def test_checkpoint_gives_it_to_the_hook_and_says_when_that_fails(state: Path, record, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    told = record("checkpoint", "--hook", f"cp /dev/stdin {tmp_path}/kept")
    assert told.status == 0
    assert (tmp_path / "kept").read_text() == told.out
    told = record("checkpoint", "--hook", "false")
    assert told.status == 4
    assert "was not kept" in told.err


def test_export_as_lines_ocsf_and_tiles(state: Path, record, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    lines = record("export").out.splitlines()
    assert [json.loads(line)["n"] for line in lines] == list(range(14))
    assert json.loads(record("export", "--format", "ocsf").out.splitlines()[13])["class_uid"] == 6007
    assert record("export", "-o", tmp_path / "all.jsonl").status == 0
    assert (tmp_path / "all.jsonl").read_text().splitlines() == lines
    told = record("export", "--format", "tiles", "-o", tmp_path / "tiles", "--json")
    assert told.json == {"size": 14, "files": 3, "minimum_index": 0}
    assert record("export", "--format", "tiles").status == 2


def test_archive_and_verify_the_file_alone(state: Path, record, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "keys").write_text(record("keys").out)
    told = record("archive", "--keep", "1kB", "--json")
    assert told.status == 0
    path = told.json["file"]
    assert record("verify").status == 0
    told = record("verify", "--archive-file", path, "--key", tmp_path / "keys")
    assert told.status == 0
    assert told.out.startswith("Verified: entries 0 to ")
    assert record("archive", "--older-than", "90d").out == "Nothing to archive.\n"
    assert record("archive").status == 2
    assert record("archive", "--older-than", "soon").status == 2
    assert record("archive", "--keep", "much").status == 2


def test_rotate_key_and_forget(state: Path, record, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    before = record("keys").out
    told = record("rotate-key", "--json")
    assert told.status == 0
    assert "\n".join(told.json["keys"]) in record("keys").out
    assert before in record("keys").out
    assert record("verify").status == 0
    assert record("forget", "1", "10", "--json").json == {"forgotten": 10}
    assert record("forget", "1").out == "Deleted 0 salts.\n"
    (tmp_path / "content").write_bytes(b"/models/private")
    assert record("show", "3", "--content", f"location={tmp_path}/content").status == 2


@pytest.mark.parametrize(
    "words",
    [("tail",), ("show", "0"), ("query",), ("verify",), ("prove", "0"), ("checkpoint",), ("keys",), ("export",),
     ("archive", "--keep", "1"), ("rotate-key",), ("forget", "0")],
)  # fmt: skip
def test_no_verb_begins_a_record(state_directory: Path, record, words: tuple[str, ...]) -> None:  # type: ignore[no-untyped-def]
    told = record(*words)
    assert told.status == 2
    assert "RECORD_NONE" in told.err
    assert not state_directory.exists()


def test_the_state_directory_can_be_named(record, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    fill(tmp_path / "other", 4)
    assert record("verify", "--state", tmp_path / "other").out.startswith("Verified: 5 entries")
