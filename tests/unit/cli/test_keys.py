"""`ostiary keys`: what operators do with keys of clients, what they see, and what the record hears."""

from __future__ import annotations

import errno
import json
import os
import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from ostiary.cli import ui
from ostiary.cli.keys_when import parse_when
from ostiary.cli.main import main
from ostiary.core.callers import Scope
from ostiary.errors import OUTPUT_UNWRITABLE, Misuse, OutputUnwritable
from ostiary.gateway.client_key import KEYS_FILE
from ostiary.gateway.keys import open_keys
from ostiary.gateway.keys_file import read_kept_keys
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry

SCHEMA = json.loads((Path(__file__).resolve().parents[3] / "docs/reference/keys-list.schema.json").read_text())
KEY = re.compile(r"ost_([0-9a-f]{12})_[A-Za-z0-9_-]{43}\n")
NOW = 1_800_000_000
DAY = 86_400


class Desk:
    """Where an operator types."""

    def __init__(self, capfd: pytest.CaptureFixture[str]) -> None:
        self._capfd = capfd

    def do(self, *words: str, status: int = 0) -> tuple[str, str]:
        assert main(["keys", *words]) == status
        told = self._capfd.readouterr()
        return told.out, told.err

    def create(self, *words: str) -> str:
        """The id of the new key."""
        found = KEY.fullmatch(self.do("create", *words)[0])
        assert found is not None
        return found[1]


@pytest.fixture
def desk(capfd: pytest.CaptureFixture[str]) -> Desk:
    return Desk(capfd)


def read_events(state: Path) -> list[tuple[str, Any]]:
    with open_reader(state) as reader:
        entries = [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]
    return [(entry.kind, entry.data) for entry in entries if entry.kind.startswith("keys.")]


def test_a_key_is_shown_once_alone_on_stdout(desk: Desk, state_directory: Path) -> None:
    out, err = desk.do("create", "alice")
    found = KEY.fullmatch(out)
    assert found is not None
    assert out.strip() not in err
    assert f"key {found[1]} of alice: tenant alice, may infer, models all, for ever" in err
    kept = b"".join(path.read_bytes() for path in state_directory.rglob("*") if path.is_file())
    assert out.strip().split("_", 2)[2].encode() not in kept
    (key,) = read_kept_keys(state_directory)
    assert (key.name, key.tenant, key.scopes, key.models, key.expires) == (
        "alice",
        "alice",
        {Scope.INFER},
        None,
        None,
    )
    ((kind, data),) = read_events(state_directory)
    assert (kind, data["key"], data["name"], data["scopes"]) == ("keys.created", found[1], "alice", ["infer"])


def test_what_a_key_may_do_is_what_was_said(desk: Desk, state_directory: Path) -> None:
    desk.create(
        "bob", "--tenant", "acme", "--scope", "admin", "--scope", "infer", "--model", "llama", "--model",
        "acme/qwen", "--expires", "2090-01-31",
    )  # fmt: skip
    (key,) = read_kept_keys(state_directory)
    assert (key.tenant, key.scopes, key.models) == ("acme", {Scope.ADMIN, Scope.INFER}, {"llama", "acme/qwen"})
    ((_, data),) = read_events(state_directory)
    assert (data["expires"], data["models"], data["scopes"]) == (
        "2090-01-31T23:59:59Z",
        ["acme/qwen", "llama"],
        ["admin", "infer"],
    )
    out, _ = desk.do("list")
    assert re.search(r"bob +acme +infer,admin +2090-01-31 23:59:59Z +acme/qwen,llama$", out, re.MULTILINE)


def test_keys_made_before_the_first_server_are_those_it_goes_by(desk: Desk, state_directory: Path) -> None:
    desk.create("alice")
    keys, first = open_keys(state_directory)
    assert (keys.count, first) == (1, None)


def test_the_list_says_of_each_whether_it_lets_in(
    desk: Desk, state_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, err = desk.do("list")
    assert (out, "no key in this state directory" in err) == ("", True)
    assert not state_directory.exists(), "looking makes nothing"
    ids = [desk.create(name, "--expires", "1h") for name in ("alice", "bob")]
    desk.create("alice")
    desk.do("revoke", ids[0])
    later = time.time() + 3_600
    monkeypatch.setattr("time.time", lambda: later)
    lines = desk.do("list")[0].splitlines()
    assert lines[0].split() == ["ID", "NAME", "TENANT", "MAY", "UNTIL", "MODELS"]
    assert [re.split(r"  +", line)[4].split()[0] for line in lines[1:]] == ["revoked", "expired", "for"]
    told = json.loads(desk.do("list", "--json")[0])
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert [key["state"] for key in told["keys"]] == ["revoked", "expired", "valid"]
    assert "sha256" not in json.dumps(told)
    shown = json.loads(desk.do("show", ids[1], "--json")[0])
    jsonschema.Draft202012Validator(SCHEMA).validate(shown)
    assert shown["keys"] == told["keys"][1:2]
    assert desk.do("show", ids[1])[0].splitlines()[:2] == [f"id       {ids[1]}", "name     bob"]


def test_revoking_is_for_ever_and_of_several_at_once(desk: Desk, state_directory: Path) -> None:
    ids = [desk.create(name) for name in ("alice", "bob", "carl")]
    out, err = desk.do("revoke", ids[0], ids[1], ids[0])
    assert (out, len(err.splitlines())) == ("", 2)
    before = (state_directory / KEYS_FILE).read_bytes()
    desk.do("revoke", ids[0])
    assert (state_directory / KEYS_FILE).read_bytes() == before, "since when does not change"
    assert [key.revoked is None for key in read_kept_keys(state_directory)] == [False, False, True]
    assert [data["key"] for kind, data in read_events(state_directory) if kind == "keys.revoked"] == ids[:2]
    _, err = desk.do("expire", ids[0], "--at", "never", status=2)
    assert "for ever" in err


def test_of_several_that_are_named_all_or_none_are_changed(desk: Desk, state_directory: Path) -> None:
    key = desk.create("alice")
    before = (state_directory / KEYS_FILE).read_bytes()
    for words in (["revoke"], ["expire", "--at", "1h"], ["forget"]):
        _, err = desk.do(*words, key, "0" * 12, status=2)
        assert "no key with this id" in err
    assert (state_directory / KEYS_FILE).read_bytes() == before
    assert [kind for kind, _ in read_events(state_directory)] == ["keys.created"]


def test_whoever_finds_a_whole_key_can_revoke_it_by_it(desk: Desk, state_directory: Path) -> None:
    out, _ = desk.do("create", "alice")
    _, err = desk.do("revoke", out.strip())
    assert out.strip() not in err
    assert read_kept_keys(state_directory)[0].revoked is not None


def test_when_a_key_expires_can_be_said_later(desk: Desk, state_directory: Path) -> None:
    key = desk.create("alice")
    _, err = desk.do("expire", key, "--at", "2090-01-31T12:00Z")
    assert "expires 2090-01-31T12:00:00Z" in err
    _, err = desk.do("expire", key, "--at", "never")
    assert "never expires" in err
    assert read_kept_keys(state_directory)[0].expires is None
    told = [data.get("expires") for kind, data in read_events(state_directory) if kind == "keys.expiry_set"]
    assert told == ["2090-01-31T12:00:00Z", None]


def test_only_what_lets_nobody_in_is_forgotten(desk: Desk, state_directory: Path) -> None:
    key = desk.create("alice")
    _, err = desk.do("forget", key, status=2)
    assert "Revoke it first" in err
    desk.do("revoke", key)
    desk.do("forget", key)
    assert read_kept_keys(state_directory) == ()
    assert read_events(state_directory)[-1][0] == "keys.forgotten"


@pytest.mark.parametrize(
    "words",
    [
        ["../x"],
        ["a b"],
        [""],
        ["x" * 65],
        ["default"],
        ["\x1b[31mred"],
        ["alice", "--tenant", "/"],
        ["alice", "--tenant", ""],
        ["alice", "--scope", "root"],
        ["alice", "--model", "../etc"],
        ["alice", "--scope", "metrics", "--model", "llama"],
        ["alice", *(word for number in range(65) for word in ("--model", f"m{number}"))],
        ["alice", "--expires", "yesterday"],
        ["alice", "--expires", "2020-01-01"],
    ],
)
def test_what_is_held_wrong_makes_no_key(desk: Desk, state_directory: Path, words: Sequence[str]) -> None:
    out, err = desk.do("create", *words, status=2)
    assert (out, len(err.splitlines())) == ("", 1)
    assert "\x1b" not in err
    assert not (state_directory / KEYS_FILE).exists()


def test_a_broken_file_is_told_and_left_as_it_is(desk: Desk, state_directory: Path) -> None:
    key = desk.create("alice")
    path = state_directory / KEYS_FILE
    path.write_text("{")
    for words in (["list"], ["create", "bob"], ["revoke", key], ["show", key]):
        _, err = desk.do(*words, status=2)
        assert "KEY_UNUSABLE: server-keys.json is not JSON" in err
    told = json.loads(desk.do("list", "--json", status=2)[0])
    jsonschema.Draft202012Validator(SCHEMA).validate(told)
    assert path.read_text() == "{"


def test_a_key_that_could_not_be_shown_is_revoked(
    desk: Desk, state_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_text: str) -> None:
        raise OutputUnwritable(OUTPUT_UNWRITABLE, "standard output cannot be written")

    monkeypatch.setattr(ui, "stream", fail)
    _, err = desk.do("create", "alice", status=4)
    assert "so it was revoked" in err
    (key,) = read_kept_keys(state_directory)
    assert key.revoked is not None
    assert [kind for kind, _ in read_events(state_directory)] == ["keys.created", "keys.revoked"]


def test_a_key_whose_reader_went_away_is_revoked_too(
    desk: Desk, state_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ui, "stream", lambda _: False)
    _, err = desk.do("create", "alice", status=4)
    assert "so it was revoked" in err
    assert "whoever was to read the key went away" in err
    (kept,) = read_kept_keys(state_directory)
    assert kept.revoked is not None


def test_revoking_does_not_wait_for_a_record_that_cannot_be_written(desk: Desk, state_directory: Path) -> None:
    key = desk.create("alice")
    database = state_directory / "record" / "log.db"
    database.write_bytes(b"")
    _, err = desk.do("revoke", key, status=4)
    assert "revoked, but the record could not be told" in err
    assert read_kept_keys(state_directory)[0].revoked is not None
    _, err = desk.do("create", "bob", status=4)
    assert len(read_kept_keys(state_directory)) == 1, "but no key is made that the record knows nothing of"


def test_a_full_disk_makes_no_key_and_shows_none(
    desk: Desk, state_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.create("alice")
    before = (state_directory / KEYS_FILE).read_bytes()
    replace = Path.replace

    def fail(path: Path, target: Path) -> Path:
        if Path(target).name == KEYS_FILE:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail)
    out, err = desk.do("create", "bob", status=4)
    assert (out, "Make room" in err) == ("", True)
    assert (state_directory / KEYS_FILE).read_bytes() == before


@pytest.mark.parametrize(
    ("text", "when"),
    [
        ("never", None),
        ("1s", NOW + 1),
        ("90min", NOW + 5_400),
        ("12 h", NOW + 43_200),
        ("30d", NOW + 30 * DAY),
        ("2w", NOW + 14 * DAY),
        ("1y", NOW + 365 * DAY),
        ("2030-01-31", 1_896_048_000 + DAY - 1),
        ("2030-01-31T12:00Z", 1_896_091_200),
        ("2030-01-31T12:00:07Z", 1_896_091_207),
    ],
)
def test_times_are_read_as_written(text: str, when: int | None) -> None:
    assert parse_when(text, NOW) == when


@pytest.mark.parametrize(
    "text",
    ["", "30", "d", "-1d", "0s", "1.5d", "30D", "1m", "٣d", "2030-02-30", "2030-1-1", "2030-01-31T12:00",
     "2030-01-31T25:00Z", "2020-01-01", "9999-12-31", "999999999w", "30d ", "30d\n", "tomorrow"],
)  # fmt: skip
def test_what_is_no_time_to_expire_at_is_refused(text: str) -> None:
    with pytest.raises(Misuse) as caught:
        parse_when(text, NOW)
    assert caught.value.code == "USAGE"


def test_a_list_stays_a_list_where_a_key_names_many_models(desk: Desk) -> None:
    words = [word for number in range(9) for word in ("--model", f"m{number}")]
    key = desk.create("alice", *words)
    assert desk.do("list")[0].splitlines()[1].endswith("m0,m1,m2 and 6 more")
    assert "m0, m1, m2, m3, m4, m5, m6, m7, m8" in desk.do("show", key)[0]
    desk.create("ops", "--scope", "metrics")
    assert desk.do("list")[0].splitlines()[2].endswith(" -"), "what it may do is about no model"
    desk.create("ops", "--scope", "admin", "--model", "llama")
    assert desk.do("list")[0].splitlines()[3].endswith(" llama"), "which is all that it may administer"


@pytest.mark.parametrize("words", [["create", "bob"], ["revoke"], ["expire", "--at", "1h"], ["forget"]])
def test_whoever_is_another_user_is_told_as_whom_to_do_it(
    desk: Desk, state_directory: Path, monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    key = desk.create("alice")
    before = (state_directory / KEYS_FILE).read_bytes(), len(read_events(state_directory))
    with monkeypatch.context() as patch:
        patch.setattr(os, "geteuid", lambda: 12_345)
        _, err = desk.do(*words, *(() if words[0] == "create" else (key,)), status=2)
    assert "sudo -u USER" in err
    assert ((state_directory / KEYS_FILE).read_bytes(), len(read_events(state_directory))) == before
