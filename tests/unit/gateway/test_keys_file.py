"""The file of clients' keys: nothing of a key but its hash, ours alone, and never half of it, whoever changes it."""

from __future__ import annotations

import errno
import json
import os
import stat
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from ostiary.core.callers import Scope
from ostiary.core.limits import MAX_CLIENT_KEYS
from ostiary.errors import Misuse, OutputUnwritable
from ostiary.gateway import keys_file
from ostiary.gateway.client_key import KEYS_FILE, ClientKey, make_key, parse_keys, render_keys
from ostiary.gateway.keys_file import LOCK_FILE, change_keys, check_owner, make_first_key, read_kept_keys

NOW = 2_000_000_000
OLD_ENTRY = {"id": "0" * 12, "name": "first", "sha256": "a" * 64, "created": "2026-01-02T03:04:05+00:00"}
OLD = {"schema": 1, "keys": [OLD_ENTRY]}
ENTRY = {
    "id": "0" * 12,
    "name": "alice",
    "tenant": "acme",
    "sha256": "a" * 64,
    "created": "2026-01-02T03:04:05Z",
    "scopes": ["infer"],
    "models": None,
    "expires": None,
    "revoked": None,
}


def write(state: Path, text: str, mode: int = 0o600) -> Path:
    path = state / KEYS_FILE
    path.write_text(text)
    path.chmod(mode)
    return path


def list_files(state: Path) -> set[str]:
    return {path.name for path in state.iterdir()}


def add(kept: ClientKey, state: Path) -> None:
    change_keys(state, lambda before: (*before, kept))


def test_nothing_of_a_key_is_kept_but_its_id_and_its_hash(tmp_path: Path) -> None:
    made = make_first_key(tmp_path, NOW)
    assert made is not None
    kept, key = made
    path = tmp_path / KEYS_FILE
    assert key.split("_", 2)[2] not in path.read_text()
    assert {stat.S_IMODE(found.stat().st_mode) for found in tmp_path.iterdir()} == {0o600}
    assert list_files(tmp_path) == {KEYS_FILE, LOCK_FILE}, "no other file is left"
    assert read_kept_keys(tmp_path) == (kept,)
    assert make_first_key(tmp_path, NOW) is None


def test_a_directory_that_is_made_for_it_is_ours_alone(tmp_path: Path) -> None:
    make_first_key(tmp_path / "new" / "state", NOW)
    assert stat.S_IMODE((tmp_path / "new" / "state").stat().st_mode) == 0o700


def test_what_is_written_is_read_again() -> None:
    keys = (
        make_key("alice", NOW)[0],
        make_key(
            "bob@example.org",
            NOW,
            tenant="acme",
            scopes=frozenset(Scope),
            models=frozenset({"llama", "acme/qwen"}),
            expires=NOW + 1,
        )[0],
        replace(make_key("carl", NOW)[0], revoked=NOW, models=frozenset()),
    )
    assert parse_keys(render_keys(keys)) == keys


def test_a_file_of_the_first_version_is_read_and_becomes_one_of_this(tmp_path: Path) -> None:
    write(tmp_path, json.dumps(OLD))
    (kept,) = read_kept_keys(tmp_path)
    assert (kept.id, kept.name, kept.tenant, kept.scopes) == ("0" * 12, "first", "first", {Scope.INFER})
    add(make_key("alice", NOW)[0], tmp_path)
    assert json.loads((tmp_path / KEYS_FILE).read_text())["schema"] == 2
    assert read_kept_keys(tmp_path)[0] == kept


def test_a_name_of_the_first_version_that_is_none_now_gives_way_to_the_id() -> None:
    (kept,) = parse_keys(json.dumps({"schema": 1, "keys": [{**OLD_ENTRY, "name": "the \x1b[31mfirst"}]}).encode())
    assert (kept.name, kept.tenant) == (kept.id, kept.id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": 3, "keys": []}',
        '{"schema": true, "keys": []}',
        '{"schema": 2.0, "keys": []}',
        '{"schema": [], "keys": []}',
        '{"schema": 1, "keys": [], "more": 1}',
        '{"schema": 1, "keys": {}}',
        '{"schema": 1, "keys": [1]}',
        '{"schema": 1, "keys": [{"id": "x", "name": "", "sha256": "", "created": ""}]}',
        '{"schema": 1, "keys": [{"id": 1, "name": 1, "sha256": 1, "created": 1}]}',
        '{"schema": 1, "keys": [], "keys": []}',
        json.dumps({"schema": 1, "keys": [ENTRY]}),
        json.dumps({"schema": 2, "keys": [OLD_ENTRY]}),
        json.dumps({"schema": 2, "keys": [ENTRY, ENTRY]}),
        json.dumps({"schema": 2, "keys": [{**ENTRY, "id": f"{n:012x}"} for n in range(MAX_CLIENT_KEYS + 1)]}),
    ],
)
def test_what_is_no_file_of_keys_is_not_used_and_not_overwritten(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    for attempt in (lambda: read_kept_keys(tmp_path), lambda: add(make_key("alice", NOW)[0], tmp_path)):
        with pytest.raises(Misuse) as caught:
            attempt()
        assert caught.value.code == "KEY_UNUSABLE"
    assert path.read_text() == text


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "0" * 13),
        ("id", "\u0660" * 12),
        ("id", "0" * 11 + "\n"),
        ("name", "a b"),
        ("name", None),
        ("name", "default"),
        ("tenant", "../x"),
        ("tenant", "x" * 129),
        ("tenant", "a "),
        ("tenant", None),
        ("sha256", "A" * 64),
        ("created", "2026-01-02"),
        ("created", "2026-13-02T03:04:05Z"),
        ("created", 1),
        ("scopes", "infer"),
        ("scopes", ["root"]),
        ("scopes", [["infer"]]),
        ("scopes", None),
        ("models", "llama"),
        ("models", [1]),
        ("models", ["../etc"]),
        ("models", [f"m{n}" for n in range(65)]),
        ("expires", "never"),
        ("expires", 0),
        ("expires", "0000-01-01T00:00:00Z"),
        ("revoked", False),
        ("more", None),
    ],
)
def test_every_field_of_an_entry_is_judged(field: str, value: object) -> None:
    assert parse_keys(json.dumps({"schema": 2, "keys": [ENTRY]}).encode())
    with pytest.raises(Misuse) as caught:
        parse_keys(json.dumps({"schema": 2, "keys": [{**ENTRY, field: value}]}).encode())
    assert caught.value.code == "KEY_UNUSABLE"


def test_a_file_that_others_can_read_or_that_is_a_link_is_not_used(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps(OLD), 0o640)
    with pytest.raises(Misuse, match="by others"):
        read_kept_keys(tmp_path)
    path.chmod(0o600)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    with pytest.raises(Misuse, match="cannot be read"):
        read_kept_keys(tmp_path)
    with pytest.raises(Misuse, match="cannot be read"):
        add(make_key("alice", NOW)[0], tmp_path)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(Misuse, match="cannot be read"):
        make_first_key(tmp_path, NOW) or read_kept_keys(tmp_path)
    assert not (tmp_path / "nowhere").exists()


def test_a_lock_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).symlink_to("nowhere")
    with pytest.raises(OutputUnwritable):
        make_first_key(tmp_path, NOW)
    assert list_files(tmp_path) == {LOCK_FILE}


def test_what_belongs_to_another_user_is_neither_used_nor_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_first_key(tmp_path, NOW)
    other = os.geteuid() + 1
    check_owner(tmp_path)
    check_owner(tmp_path / "none")
    monkeypatch.setattr(os, "geteuid", lambda: other)
    if other != 1:
        with pytest.raises(Misuse, match="belongs to another user") as refused:
            read_kept_keys(tmp_path)
        assert "sudo -u" in (refused.value.hint or "")
    for place in (tmp_path, tmp_path / "bare"):
        place.mkdir(exist_ok=True)
        with pytest.raises(Misuse, match="another user's") as caught:
            check_owner(place)
        assert "sudo -u" in (caught.value.hint or "")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO])
def test_where_the_disk_is_full_the_keys_are_as_they_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    make_first_key(tmp_path, NOW)
    before = (tmp_path / KEYS_FILE).read_bytes()

    def fail(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OutputUnwritable) as caught:
        add(make_key("alice", NOW)[0], tmp_path)
    assert ("Make room" in (caught.value.hint or "")) == (number in (errno.ENOSPC, errno.EDQUOT))
    assert (tmp_path / KEYS_FILE).read_bytes() == before
    assert list_files(tmp_path) == {KEYS_FILE, LOCK_FILE}


def test_where_the_record_refuses_no_key_is_made(tmp_path: Path) -> None:
    class RecordSaysNo(Exception):
        pass

    def announce(_key: object = None) -> None:
        raise RecordSaysNo

    with pytest.raises(RecordSaysNo):
        make_first_key(tmp_path, NOW, announce)
    assert list_files(tmp_path) == {LOCK_FILE}


def test_more_keys_than_there_is_room_for_are_refused(tmp_path: Path) -> None:
    keys = tuple(replace(make_key("alice", NOW)[0], id=f"{n:012x}") for n in range(MAX_CLIENT_KEYS))
    change_keys(tmp_path, lambda _: keys)
    with pytest.raises(Misuse, match="room for 1,024 keys") as caught:
        add(make_key("alice", NOW)[0], tmp_path)
    assert "forget" in (caught.value.hint or "")
    assert read_kept_keys(tmp_path) == keys


def test_nothing_is_written_where_nothing_changed(tmp_path: Path) -> None:
    make_first_key(tmp_path, NOW)
    before = (tmp_path / KEYS_FILE).stat().st_ino
    change_keys(tmp_path, lambda keys: keys, lambda: pytest.fail("nothing is announced"))
    assert (tmp_path / KEYS_FILE).stat().st_ino == before


def test_of_many_that_make_the_first_key_at_once_one_does(tmp_path: Path) -> None:
    """flock is of an open file, so threads exclude each other as programs do."""
    start, made = threading.Barrier(8), []

    def make() -> None:
        start.wait()
        made.append(make_first_key(tmp_path, NOW))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ((kept, _),) = [one for one in made if one is not None]
    assert read_kept_keys(tmp_path) == (kept,)


_CREATE = """
import sys
from pathlib import Path
from ostiary.gateway.client_key import make_key
from ostiary.gateway.keys_file import change_keys, make_first_key
state = Path(sys.argv[1])
if sys.argv[2] == "server":
    make_first_key(state, 1)
else:
    for number in range(5):
        change_keys(state, lambda before: (*before, make_key(f"{sys.argv[2]}{number}", 1)[0]))
"""


def test_programs_that_change_the_keys_at_once_lose_none(tmp_path: Path) -> None:
    """Two operators, and a server that starts for the first time between them."""
    who = ("alice", "bob", "server")
    running = [subprocess.Popen([sys.executable, "-c", _CREATE, str(tmp_path), one]) for one in who]
    assert [process.wait() for process in running] == [0, 0, 0]
    names = {key.name for key in read_kept_keys(tmp_path)}
    assert names - {"first"} == {f"{one}{number}" for one in ("alice", "bob") for number in range(5)}
    assert list_files(tmp_path) == {KEYS_FILE, LOCK_FILE}


def test_a_lock_that_somebody_keeps_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys_file, "_LOCK_SECONDS", 0.0)

    def change_again(before: tuple[ClientKey, ...]) -> tuple[ClientKey, ...]:
        add(make_key("alice", NOW)[0], tmp_path)
        return before

    with pytest.raises(OutputUnwritable, match="by another program"):
        change_keys(tmp_path, change_again)


def test_an_id_that_comes_twice_is_not_written(tmp_path: Path) -> None:
    kept = make_key("alice", NOW)[0]
    add(kept, tmp_path)
    with pytest.raises(Misuse, match="this id already"):
        add(kept, tmp_path)
    assert read_kept_keys(tmp_path) == (kept,)


def test_what_a_killed_program_left_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / f".{KEYS_FILE}.1.abcd.new"
    left.write_text("half")
    add(make_key("alice", NOW)[0], tmp_path)
    assert list_files(tmp_path) == {KEYS_FILE, LOCK_FILE}
