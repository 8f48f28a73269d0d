"""One server for a state directory, whatever becomes of the file that says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from ostiary.errors import OutputUnwritable, ServerFailed
from ostiary.gateway.state_lock import LOCK_FILE, locked_state


def try_second(state: Path) -> str:
    with pytest.raises(ServerFailed) as caught, locked_state(state):
        pytest.fail("there are two")
    return caught.value.code


def test_a_second_server_is_refused_and_a_later_one_is_not(tmp_path: Path) -> None:
    for _ in range(2):
        with locked_state(tmp_path / "state"):
            assert try_second(tmp_path / "state") == "SERVER_STATE_IN_USE"


def test_whoever_clears_the_file_away_lets_no_second_server_in(tmp_path: Path) -> None:
    with locked_state(tmp_path):
        (tmp_path / LOCK_FILE).unlink()
        assert try_second(tmp_path) == "SERVER_STATE_IN_USE"
        (tmp_path / LOCK_FILE).unlink(missing_ok=True)
        (tmp_path / LOCK_FILE).touch()
        assert try_second(tmp_path) == "SERVER_STATE_IN_USE"


def test_a_link_in_its_place_is_no_lock(tmp_path: Path) -> None:
    (tmp_path / LOCK_FILE).symlink_to("elsewhere")
    with pytest.raises(OutputUnwritable), locked_state(tmp_path):
        pytest.fail("a link was followed")
    assert not (tmp_path / "elsewhere").exists()
