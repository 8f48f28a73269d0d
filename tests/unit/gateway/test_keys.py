"""Keys of clients: who is let in with which, and that a change of their file holds from the next request on."""

from __future__ import annotations

import errno
import hmac
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from ostiary.core.callers import Caller, Scope
from ostiary.errors import AdmissionRefused, Misuse
from ostiary.gateway import keys as keys_module
from ostiary.gateway.authenticators import Authenticators, Shown
from ostiary.gateway.client_key import KEYS_FILE, ClientKey, make_key
from ostiary.gateway.keys import ClientKeys, WatchedKeys, find_key, open_keys
from ostiary.gateway.keys_file import change_keys

NOW = 2_000_000_000


def find(keys: ClientKeys | WatchedKeys, key: str) -> Caller:
    return Authenticators([keys]).find({"authorization": f"Bearer {key}"})


def is_let_in(keys: WatchedKeys, key: str) -> bool:
    return find(keys, key).id == key.split("_")[1]


def refuse(keys: ClientKeys | WatchedKeys, headers: dict[str, str]) -> str:
    with pytest.raises(AdmissionRefused) as caught:
        Authenticators([keys]).find(headers)
    return caught.value.code


def at(keys: Sequence[ClientKey], now: float) -> ClientKeys:
    return ClientKeys(keys, clock=lambda: now)


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, str]:
    _, key = open_keys(tmp_path)
    assert key is not None
    return tmp_path / KEYS_FILE, key


def test_the_first_key_is_shown_once_and_lets_in(made: tuple[Path, str]) -> None:
    path, key = made
    keys, shown = open_keys(path.parent)
    assert shown is None
    for headers in (
        {"authorization": f"Bearer {key}"},
        {"authorization": f"bearer  {key} "},
        {"x-api-key": key},
        {"authorization": f"Bearer {key}", "x-api-key": key},
    ):
        assert Authenticators([keys]).find(headers).id == key.split("_")[1]
    caller = find(keys, key)
    assert (caller.tenant, caller.scopes, caller.models) == ("first", {Scope.INFER}, None)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Basic b3N0Og=="},
        {"x-api-key": "ost_000000000000_" + "A" * 43},
        {"x-api-key": "ost_"},
        {"x-api-key": "ost_" + "\u0660" * 12 + "_" + "A" * 43},
        {"x-api-key": "ost_" + "A" * 10_000},
        {"x-api-key": "sk-ant-" + "A" * 43},
        {"x-api-key": "A" * 10_000},
        {"authorization": "Bearer \xe9\xff"},
        {"authorization": "Bearer ost_\ud800"},
    ],
)
def test_everybody_else_stays_outside(made: tuple[Path, str], headers: dict[str, str]) -> None:
    keys, _ = open_keys(made[0].parent)
    assert refuse(keys, headers) == "ADMISSION_UNAUTHENTICATED"


def test_a_key_that_differs_in_one_letter_stays_outside(made: tuple[Path, str]) -> None:
    path, key = made
    keys, _ = open_keys(path.parent)
    for place in (-1, 20):
        other = "A" if key[place] != "A" else "B"
        changed = key[:place] + other + key[place + 1 :] if place != -1 else key[:-1] + other
        assert refuse(keys, {"x-api-key": changed}) == "ADMISSION_UNAUTHENTICATED"
    assert refuse(keys, {"x-api-key": f"{key}\n"}) == "ADMISSION_UNAUTHENTICATED"


def test_two_keys_that_differ_are_none(made: tuple[Path, str]) -> None:
    path, key = made
    keys, _ = open_keys(path.parent)
    assert refuse(keys, {"authorization": f"Bearer {key}", "x-api-key": "other"}) == "ADMISSION_UNAUTHENTICATED"
    for other in ("", "Bearer", "Basic b3N0Og==", key):
        assert refuse(keys, {"authorization": other, "x-api-key": key}) == "ADMISSION_UNAUTHENTICATED"


def test_a_key_lets_in_until_it_expires_whatever_the_clock_does() -> None:
    kept, key = make_key("alice", NOW, expires=NOW + 60)
    assert find(at([kept], NOW + 59.9), key).tenant == "alice"
    for later in (NOW + 60, NOW + 10**9):
        assert refuse(at([kept], later), {"x-api-key": key}) == "ADMISSION_EXPIRED"
    assert find(at([kept], NOW - 10**9), key).id == kept.id, "a clock that was set back makes no key invalid"


def test_a_revoked_key_lets_nobody_in_though_it_has_not_expired() -> None:
    kept, key = make_key("alice", NOW, expires=NOW + 60)
    assert refuse(at([replace(kept, revoked=NOW)], NOW), {"x-api-key": key}) == "ADMISSION_REVOKED"


def test_why_a_key_is_refused_hears_only_who_has_the_whole_of_it() -> None:
    kept, key = make_key("alice", NOW, expires=NOW)
    guessed = f"ost_{kept.id}_{'A' * 43}"
    for known in (kept, replace(kept, revoked=NOW)):
        assert refuse(at([known], NOW), {"x-api-key": guessed}) == "ADMISSION_UNAUTHENTICATED"
        assert refuse(at([known], NOW), {"x-api-key": key}) != "ADMISSION_UNAUTHENTICATED"


def test_hashes_are_compared_in_constant_time_also_where_no_key_has_the_id(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[str, str]] = []

    def compare(one: str, other: str) -> bool:
        compared.append((one, other))
        return one == other

    monkeypatch.setattr(hmac, "compare_digest", compare)
    kept, key = make_key("alice", NOW)
    keys = at([kept], NOW)
    find(keys, key)
    refuse(keys, {"x-api-key": key[:-1] + "~"})
    refuse(keys, {"x-api-key": f"ost_{'0' * 12}_{'A' * 43}"})
    assert [{len(one), len(other)} for one, other in compared] == [{64}] * 3


def test_several_keys_let_in_at_once_each_with_its_own_rights() -> None:
    alice, first = make_key("alice", NOW, tenant="acme", models=frozenset({"llama"}))
    operator, second = make_key("ops", NOW, scopes=frozenset({Scope.ADMIN, Scope.METRICS}))
    keys = at([alice, operator], NOW)
    asking = find(keys, first)
    assert (asking.tenant, asking.may_ask("llama"), asking.may_ask("qwen")) == ("acme", True, False)
    ruling = find(keys, second)
    assert (ruling.may(Scope.ADMIN), ruling.may(Scope.INFER), ruling.may_ask("llama")) == (True, False, False)
    assert keys.count == 2


def test_what_does_not_look_like_a_key_is_left_to_other_ways_but_a_bad_key_is_not() -> None:
    someone = Caller(id="x", tenant="x", scopes=frozenset())

    class Other:
        def find(self, _shown: Shown) -> Caller | None:
            return someone

    kept, key = make_key("alice", NOW)
    ways = Authenticators([at([replace(kept, revoked=NOW)], NOW), Other()])
    assert ways.find({"x-api-key": "ey.ey.ey"}) is someone
    assert ways.find({}) is someone
    with pytest.raises(AdmissionRefused):
        ways.find({"x-api-key": key})


# --- a file that changes under a running server ---


@pytest.fixture
def watched(tmp_path: Path) -> tuple[WatchedKeys, str, list[tuple[int, str]]]:
    keys, key = open_keys(tmp_path)
    assert key is not None
    heard: list[tuple[int, str]] = []
    keys.on_change = lambda count, problem: heard.append((count, problem))
    return keys, key, heard


Watched = tuple[WatchedKeys, str, list[tuple[int, str]]]


def test_the_request_after_a_change_goes_by_it(tmp_path: Path, watched: Watched) -> None:
    keys, first, heard = watched
    kept, key = make_key("alice", NOW)
    assert refuse(keys, {"x-api-key": key}) == "ADMISSION_UNAUTHENTICATED"
    change_keys(tmp_path, lambda before: (*before, kept))
    assert (find(keys, key).id, find(keys, first).tenant) == (kept.id, "first")
    change_keys(tmp_path, lambda before: tuple(replace(one, revoked=NOW) for one in before))
    assert {refuse(keys, {"x-api-key": one}) for one in (key, first)} == {"ADMISSION_REVOKED"}
    assert heard == [(2, ""), (0, "")]


def test_the_file_is_read_once_for_each_change(
    tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, first, _ = watched
    read = keys_module.read_keys
    times = []
    monkeypatch.setattr(keys_module, "read_keys", lambda path: (times.append(path), read(path))[1])
    for _ in range(3):
        find(keys, first)
    change_keys(tmp_path, lambda before: (*before, make_key("alice", NOW)[0]))
    for _ in range(3):
        find(keys, first)
    assert len(times) == 1


def test_without_a_file_nobody_is_let_in_until_there_is_one_again(tmp_path: Path, watched: Watched) -> None:
    keys, first, heard = watched
    path = tmp_path / KEYS_FILE
    path.rename(tmp_path / "away")
    assert refuse(keys, {"x-api-key": first}) == "ADMISSION_UNAUTHENTICATED"
    (tmp_path / "away").rename(path)
    assert is_let_in(keys, first)
    assert heard == [(0, ""), (1, "")]


@pytest.mark.parametrize("content", [b"", b"{", b'{"schema": 3, "keys": []}', b"\xff" * 100, b" " * (5 << 20)])
def test_a_file_that_cannot_be_used_changes_nothing_and_is_told_once(
    tmp_path: Path, watched: Watched, content: bytes
) -> None:
    keys, first, heard = watched
    path = tmp_path / KEYS_FILE
    good = path.read_bytes()
    path.write_bytes(content)
    for _ in range(3):
        assert is_let_in(keys, first)
    assert [count for count, _ in heard] == [1]
    assert heard[0][1].startswith(KEYS_FILE)
    assert str(tmp_path) not in heard[0][1]
    path.write_bytes(good)
    assert is_let_in(keys, first)
    assert heard[1:] == [(1, "")]


def test_what_others_could_have_written_is_not_believed(tmp_path: Path, watched: Watched) -> None:
    keys, first, heard = watched
    path = tmp_path / KEYS_FILE
    path.chmod(0o660)
    assert is_let_in(keys, first)
    path.chmod(0o600)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to("elsewhere")
    assert is_let_in(keys, first)
    path.unlink()
    os.mkfifo(path, 0o600)
    assert is_let_in(keys, first), "and nobody waits for whoever may write to a pipe"
    assert [problem.partition(": ")[0] for _, problem in heard] == [
        f"{KEYS_FILE} can be read or written by others",
        f"{KEYS_FILE} cannot be read",
        f"{KEYS_FILE} is not a regular file",
    ]


def test_where_the_system_cannot_open_it_now_the_next_request_tries_again(
    tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, first, heard = watched
    kept, key = make_key("alice", NOW)
    change_keys(tmp_path, lambda before: (*before, kept))
    real = os.open
    with monkeypatch.context() as patch:

        def fail(path: object, *rest: object, **named: object) -> int:
            if str(path).endswith(KEYS_FILE):
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            return real(path, *rest, **named)  # type: ignore[arg-type]

        patch.setattr(os, "open", fail)
        for _ in range(3):
            assert is_let_in(keys, first)
        assert refuse(keys, {"x-api-key": key}) == "ADMISSION_UNAUTHENTICATED"
    assert is_let_in(keys, key)
    assert [count for count, _ in heard] == [1, 2]


def test_a_disk_that_does_not_answer_changes_nothing(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    keys, first, heard = watched

    def fail(_path: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(keys_module, "read_stamp", fail)
    assert is_let_in(keys, first)
    assert heard == []


def test_a_key_is_found_by_its_id_or_by_the_whole_of_it() -> None:
    kept, key = make_key("alice", NOW)
    assert find_key([kept], kept.id) is find_key([kept], key) is kept
    for other in ("alice", kept.id[:6], "", f"ost_{kept.id}"):
        with pytest.raises(Misuse, match="no key with this id"):
            find_key([kept], other)
