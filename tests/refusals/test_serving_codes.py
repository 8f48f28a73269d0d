"""What is refused of models that come and go, and of servers that would share a state directory."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, PATIENCE
from door_tools import QUICK
from keeper_tools import LIMIT, ask, keeping, publish, speaking, wait_for

from ostiary.errors import ServerFailed
from ostiary.gateway.state_lock import locked_state

pytestmark = LINUX_ONLY


def test_codes_of_models_that_come_and_go(tmp_path: Path) -> None:
    one = speaking(publish(tmp_path), "slow", milliseconds=60_000)
    two, large = (replace(one, name=name) for name in ("two", "large"))
    large = replace(large, options=replace(large.options, workers=2))
    server = replace(QUICK, load_time=1)
    with (
        keeping([one, two, large], memory=LIMIT, server=server) as kennel,
        kennel.door.connect(PATIENCE) as holding,
    ):
        holding.sendall(ask("honest", "who", 60, stream=True))
        wait_for(lambda: kennel.loaded == {"honest"})
        (one.path / "config.json").write_text("{}")
        assert kennel.reload("honest").code == "GATEWAY_NOT_RELOADED"
        assert kennel.say("large") == "GATEWAY_MODEL_FAILED"
        kennel.keeper._waits.change(0)
        assert kennel.say("two") == "GATEWAY_MODEL_LOADING"


def test_no_room_while_others_are_asked(tmp_path: Path) -> None:
    one = speaking(publish(tmp_path), "slow", milliseconds=60_000)
    server = replace(QUICK, load_time=1)
    with (
        keeping([one, replace(one, name="two")], memory=LIMIT, server=server) as kennel,
        kennel.door.connect(PATIENCE) as holding,
    ):
        holding.sendall(ask("honest", "who", 60, stream=True))
        wait_for(lambda: kennel.loaded == {"honest"})
        assert kennel.say("two") == "GATEWAY_NO_ROOM"


def test_a_state_directory_that_another_server_has(tmp_path: Path) -> None:
    with locked_state(tmp_path / "state"):
        with pytest.raises(ServerFailed) as caught, locked_state(tmp_path / "state"):
            pytest.fail("both have it")
        assert caught.value.code == "SERVER_STATE_IN_USE"
    with locked_state(tmp_path / "state"):
        pass
