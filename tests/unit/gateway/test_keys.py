"""Keys of clients: made once, shown once, kept as hashes in a file that is ours alone."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from ostiary.errors import AdmissionRefused, Misuse
from ostiary.gateway.authenticators import Authenticators
from ostiary.gateway.keys import KEYS_FILE, ClientKeys, open_keys, read_keys


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, str]:
    _, key = open_keys(tmp_path)
    assert key is not None
    return tmp_path / KEYS_FILE, key


def test_the_first_key_is_shown_once_and_lets_in(made: tuple[Path, str]) -> None:
    path, key = made
    keys, shown = open_keys(path.parent)
    assert shown is None
    for headers in ({"authorization": f"Bearer {key}"}, {"authorization": f"bearer  {key} "}, {"x-api-key": key}):
        assert Authenticators([keys]).find(headers).id == key.split("_")[1]
    assert Authenticators([keys]).find({"authorization": f"Bearer {key}", "x-api-key": key})


def test_nothing_of_the_key_is_kept_but_its_id_and_its_hash(made: tuple[Path, str]) -> None:
    path, key = made
    text = path.read_text()
    assert key.split("_", 2)[2] not in text
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(path.parent) == [KEYS_FILE], "no other file is left"  # noqa: PTH208
    assert json.loads(text)["keys"][0]["sha256"] == read_keys(path)[0].sha256


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": "Basic b3N0Og=="},
        {"x-api-key": "ost_000000000000_" + "A" * 43},
        {"x-api-key": "sk-ant-" + "A" * 43},
        {"x-api-key": "A" * 10_000},
        {"authorization": "Bearer \xe9\xff"},
    ],
)
def test_everybody_else_stays_outside(made: tuple[Path, str], headers: dict[str, str]) -> None:
    keys = ClientKeys(read_keys(made[0]))
    with pytest.raises(AdmissionRefused) as caught:
        Authenticators([keys]).find(headers)
    assert caught.value.code == "ADMISSION_UNAUTHENTICATED"


def test_a_key_that_differs_in_its_last_letter_stays_outside(made: tuple[Path, str]) -> None:
    path, key = made
    other = key[:-1] + ("A" if key[-1] != "A" else "B")
    with pytest.raises(AdmissionRefused):
        Authenticators([ClientKeys(read_keys(path))]).find({"x-api-key": other})


def test_two_keys_that_differ_are_none(made: tuple[Path, str]) -> None:
    path, key = made
    with pytest.raises(AdmissionRefused):
        Authenticators([ClientKeys(read_keys(path))]).find({"authorization": f"Bearer {key}", "x-api-key": "other"})
    for other in ("", "Bearer", "Basic b3N0Og==", key):
        with pytest.raises(AdmissionRefused):
            Authenticators([ClientKeys(read_keys(path))]).find({"authorization": other, "x-api-key": key})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"schema": 2, "keys": []}',
        '{"schema": 1, "keys": [], "more": 1}',
        '{"schema": 1, "keys": {}}',
        '{"schema": 1, "keys": [1]}',
        '{"schema": 1, "keys": [{"id": "x", "name": "", "sha256": "", "created": ""}]}',
        '{"schema": 1, "keys": [], "keys": []}',
    ],
)
def test_what_is_no_file_of_keys_lets_nobody_in(tmp_path: Path, text: str) -> None:
    path = tmp_path / KEYS_FILE
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(Misuse) as caught:
        open_keys(tmp_path)
    assert caught.value.code == "KEY_UNUSABLE"


def test_a_file_that_others_can_read_or_that_is_a_link_is_not_used(made: tuple[Path, str]) -> None:
    path, _ = made
    path.chmod(0o640)
    with pytest.raises(Misuse, match="by others"):
        open_keys(path.parent)
    path.chmod(0o600)
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")
    with pytest.raises(Misuse, match="cannot be read"):
        open_keys(path.parent)
