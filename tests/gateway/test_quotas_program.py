"""Quotas of the program itself: held to over `kill -9`, SIGHUP and SIGTERM, and told by `ostiary usage`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from cell_tools import LINUX_ONLY, PATIENCE
from program_tools import Program, serving
from quota_tools import sum_usage, wait_for

from ostiary.admission.usage_file import read_usage
from ostiary.cli.main import main
from ostiary.testing import HostilePublisher, sign_model

pytestmark = LINUX_ONLY
LIMITS = "[tenants.default]\nrequests_per_minute = 100\ntokens_per_day = {}\n"


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("OSTIARY_CONFIG", raising=False)
    sign_model(HostilePublisher(tmp_path).publish_honest(), model_id="acme/honest")
    (tmp_path / "ostiary.toml").write_text(LIMITS.format(100))
    return tmp_path


def ask(program: Program, key: str, words: int = 30) -> tuple[int, object]:
    status, answer = program.ask(
        "/v1/completions", {"model": "honest", "prompt": [5] * 10, "max_tokens": words}, key
    )
    return status, answer.get("usage") or answer["error"]["code"]


ARGUMENTS = ("honest", "--key", "honest.pub", "--config", "ostiary.toml")


def test_a_restart_after_kill_9_remembers_to_the_token(house: Path, state_directory: Path) -> None:
    with serving(house, *ARGUMENTS) as program:
        key = program.key
        assert ask(program, key)[0] == 200
        program.process.kill()
        program.process.communicate(timeout=PATIENCE)
    used = sum_usage(state_directory)
    assert used[0] == 1
    assert used[1] + used[2] >= 11
    with serving(house, *ARGUMENTS, slow=50) as program:
        left = 100 - used[1] - used[2]
        assert ask(program, key, left)[1] == "ADMISSION_QUOTA"
        running = subprocess.Popen([sys.executable, "-c", _ASK, program.address, key], cwd=house)
        wait_for(lambda: bool(read_usage(state_directory).open))
        program.process.kill()
        program.process.communicate(timeout=PATIENCE)
        running.wait(PATIENCE)
    with serving(house, *ARGUMENTS) as program:
        assert ask(program, key, left - 10)[1] == "ADMISSION_QUOTA", "what ran when it was killed counts as held"
        assert sum_usage(state_directory) == (4, used[1], used[2], 30), "two of them refused at the gate"
        status, _ = program.stop()
        assert status == 0


_ASK = """
import json, sys
from urllib.request import Request, urlopen
body = json.dumps({"model": "honest", "prompt": [5] * 10, "max_tokens": 20}).encode()
headers = {"content-type": "application/json", "authorization": "Bearer " + sys.argv[2]}
try:
    urlopen(Request(sys.argv[1] + "/v1/completions", body, headers)).read()
except OSError:
    pass
"""


def test_limits_that_are_read_anew_hold_at_once(house: Path, state_directory: Path) -> None:
    with serving(house, *ARGUMENTS) as program:
        key = program.key
        assert ask(program, key, 91)[1] == "ADMISSION_QUOTA"
        (house / "ostiary.toml").write_text(LIMITS.format(10_000))
        program.process.send_signal(signal.SIGHUP)
        wait_for(lambda: ask(program, key, 91)[0] == 200)
        (house / "ostiary.toml").write_text("[tenants.default]\nrequests_per_minute = 0\n")
        program.process.send_signal(signal.SIGHUP)
        assert ask(program, key, 91)[0] == 200, "a mistake changes nothing"
        assert program.stop()[0] == 0
    assert sum_usage(state_directory)[3] == 0


def test_a_server_that_is_stopped_leaves_nothing_held_and_its_usage_is_told(
    house: Path, state_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(house, *ARGUMENTS, slow=20) as program:
        running = subprocess.Popen([sys.executable, "-c", _ASK, program.address, program.key], cwd=house)
        wait_for(lambda: bool(read_usage(state_directory).open))
        assert program.stop()[0] == 0
        running.wait(PATIENCE)
    assert read_usage(state_directory).open == {}
    assert main(["usage", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["usage"]
    assert (row["requests"], row["prompt_tokens"], row["cut_tokens"]) == (1, 10, 0)
    assert 1 <= row["answer_tokens"] <= 20


def test_a_damaged_file_is_said_and_recorded(house: Path, state_directory: Path) -> None:
    with serving(house, *ARGUMENTS) as program:
        ask(program, program.key)
        program.stop()
    path = state_directory / "usage.journal"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:1], b"00000000 [1]\n", *lines[1:]]))
    with serving(house, *ARGUMENTS) as program:
        assert "1 lines of the file of usage could not be read" in program.said
        program.stop()
    assert sum_usage(state_directory)[0] == 1
    assert (state_directory / "usage.journal.damaged-1").exists()
