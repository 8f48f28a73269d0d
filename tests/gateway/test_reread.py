"""SIGHUP: `ostiary serve` reads its settings anew, as a program; what is wrong with them changes nothing."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cell_tools import LINUX_ONLY, PATIENCE
from door_tools import QUICK
from keeper_tools import keeping, publish, speaking, wait_for

from ostiary.errors import RECORD_DISK_FULL, RecordUnwritable
from ostiary.gateway.reread import Configured, Rereader
from ostiary.gateway.settings import SERVER_SETTINGS
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import HostilePublisher, sign_model

pytestmark = LINUX_ONLY

ADMIN = "admin"


class House:
    """A directory with a model and settings, and a server that runs in it."""

    def __init__(self, folder: Path, state: Path) -> None:
        self.folder, self.state = folder, state
        sign_model(HostilePublisher(folder).publish_honest(), model_id="acme/honest")
        self.lines: list[str] = []

    def write(self, server: str = "", **models: str) -> None:
        tables = [
            f'[models.{name}]\npath = "honest"\nkey = ["honest.pub"]\n{rest}' for name, rest in models.items()
        ]
        (self.folder / "ostiary.toml").write_text("\n".join([f"[server]\n{server}", *tables]))

    def start(self, first: str = "", *arguments: str, pass_fds: tuple[int, ...] = ()) -> None:
        program = f"{first}\n{PROGRAM}"
        command = [sys.executable, "-c", program, "serve", "--config", "ostiary.toml", "--port", "0"]
        self.process = subprocess.Popen(
            [*command, "--unsafe-without-keys", *arguments],
            cwd=self.folder,
            pass_fds=pass_fds,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        listening = self.process.stdout.readline()
        assert listening.startswith("listening at http://"), self.process.communicate(timeout=PATIENCE)
        self.address = listening.split()[-1]
        self.hearing = threading.Thread(target=self._hear)
        self.hearing.start()

    def kill(self) -> None:
        """Where it still runs."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.hearing.join(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            assert stream is not None
            stream.close()

    def _hear(self) -> None:
        for line in self.process.stderr or ():
            self.lines.append(line.rstrip("\n"))

    def reread(self, *expected: str) -> None:
        """Sends the signal, and waits for what it says then."""
        before = len(self.lines)
        self.process.send_signal(signal.SIGHUP)
        self.hear(*expected, before=before)

    def hear(self, *expected: str, before: int = 0) -> None:
        """Waits until it said each of these."""
        for part in expected:
            wait_for(lambda part=part: any(part in line for line in self.lines[before:]))

    def ask(self, path: str, body: object = None) -> tuple[int, Any]:
        from urllib.error import HTTPError
        from urllib.request import Request, urlopen

        data = None if body is None else json.dumps(body).encode()
        request = Request(f"{self.address}{path}", data, {"content-type": "application/json"})  # noqa: S310
        try:
            with urlopen(request, timeout=PATIENCE) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def say(self, model: str) -> object:
        status, answer = self.ask("/v1/completions", {"model": model, "prompt": "a b", "max_tokens": 2})
        return answer["choices"][0]["text"] if status == 200 else answer["error"]["code"]

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def kinds(self) -> list[tuple[str, dict[str, Any]]]:
        with open_reader(self.state) as reader:
            entries = [parse_entry(body, number) for number, body in reader.read_bodies(0, reader.read_size())]
        return [(entry.kind, dict(entry.data)) for entry in entries]


PROGRAM = """
import sys
from ostiary.cli.main import main
from ostiary.testing import FakeEngine
with FakeEngine():
    sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def house(tmp_path: Path, state_directory: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("OSTIARY_CONFIG", raising=False)
    house = House(tmp_path, state_directory)
    yield house
    house.kill()


def test_models_and_settings_that_are_read_anew(house: House) -> None:
    house.write(one="", two='load = "demand"')
    house.start()
    wait_for(lambda: "ostiary: two is loaded when somebody asks it" in house.lines)
    assert [house.say("one"), house.say("two"), house.say("three")] == ["a b", "a b", "GATEWAY_MODEL_UNKNOWN"]
    house.write('body = "2 KiB"\nconnections = 99', two="workers = 2", three="")
    house.reread(
        "settings were read anew: added: three; removed: one; opening anew: two; "
        "changed: body; for the next start: connections",
        "served as three",
        "served as two by 2 processes",
    )
    assert [house.say("one"), house.say("two"), house.say("three")] == ["GATEWAY_MODEL_UNKNOWN", "a b", "a b"]
    assert house.ask("/livez")[1]["workers"]["running"] == 3
    status, answer = house.ask("/v1/completions", {"model": "two", "prompt": "a" * 3_000})
    assert (status, answer["error"]["code"]) == (413, "GATEWAY_BODY_TOO_LARGE")
    house.reread("settings were read anew: for the next start: connections")
    (house.folder / "honest" / "README.md").write_text("the second edition")
    (house.folder / "honest" / "model.sig").unlink()
    sign_model(house.folder / "honest", model_id="acme/honest")
    house.reread("opening anew: two, three")
    assert house.stop() == 0
    rereads = [data for kind, data in house.kinds() if kind == "settings.reloaded"]
    assert [data["changed"] for data in rereads] == [["two"], [], ["two", "three"]]


def test_settings_that_are_wrong_change_nothing(house: House) -> None:
    house.write(one="")
    house.start()
    (house.folder / "ostiary.toml").write_text("[server]\nport = 90000\n")
    house.reread(
        "SETTINGS_MALFORMED: ostiary.toml, line 2: server.port: not between 0 and 65535; the settings before"
    )
    assert house.say("one") == "a b"
    house.write("")
    house.reread("USAGE: there is no model to serve; the settings before go on")
    assert house.say("one") == "a b"
    house.write('memory = "256 MiB"', one="")
    house.reread("CELL_MEMORY_BUDGET: the model may need")  # no server starts like this
    assert house.ask("/livez")[1]["models"]["loaded"] == 1
    house.write(one='id = "somebody/else"', two="")
    house.reread("one: the new version was refused: TRUST_", "served as two")
    assert [house.say("one"), house.say("two")] == ["a b", "a b"]
    house.write(one="", two="")
    house.reread("settings were read anew: nothing changed")
    house.write('memory = "600 MiB"\n[limits]\nmemory = "256 MiB"', one="", two="")
    house.reread("opening anew: one, two; changed: memory")  # less for each of them as well
    assert [house.say("one"), house.say("two")] == ["a b", "a b"]
    assert house.stop() == 0
    kinds = house.kinds()
    refused = [data["code"] for kind, data in kinds if kind == "settings.refused"]
    assert refused == ["SETTINGS_MALFORMED", "USAGE", "CELL_MEMORY_BUDGET"]
    assert [data["name"] for kind, data in kinds if kind == "model.kept"] == ["one"]


def test_what_was_taken_stays_taken_though_the_record_is_full_before_all_models_are_there(tmp_path: Path) -> None:
    red = speaking(replace(publish(tmp_path), is_on_demand=False), "red")
    after = Configured((replace(red, said="otherwise"), replace(red, name="more", is_on_demand=True)), QUICK)
    with keeping([red]) as kennel:
        told: list[Any] = []
        notes: list[str] = []
        rereader = Rereader(
            Configured((red,), QUICK),
            lambda: after,
            kennel.keeper,
            kennel.door.door,
            emit=told.append,
            correlation_id="a-server",
            on_note=notes.append,
        )
        versions: Any = kennel.keeper._versions
        emit, versions._emit = versions._emit, _refuse
        kennel.door.run(rereader.reread())
        assert notes[-1].startswith("honest: ")
        assert notes[-1].endswith("; the version before goes on")
        versions._emit = emit
        more = kennel.kept("more")
        kennel.door.run(rereader.reread())
        kennel.door.run(rereader.reread())
        assert kennel.kept("more") is more
        assert [(event.added, event.changed) for event in told] == [
            (("more",), ("honest",)),
            ((), ("honest",)),
            ((), ()),
        ]


def _refuse(_event: object) -> None:
    raise RecordUnwritable(RECORD_DISK_FULL, "the disk is full")


def test_a_second_server_does_not_start_with_the_same_state(house: House) -> None:
    house.write(one="")
    house.start()
    command = [sys.executable, "-c", PROGRAM, "serve", "--config", "ostiary.toml", "--port", "0"]
    second = subprocess.run(
        command, cwd=house.folder, text=True, capture_output=True, timeout=PATIENCE, check=False
    )
    assert (second.returncode, "SERVER_STATE_IN_USE" in second.stderr) == (4, True), second.stderr
    assert house.say("one") == "a b"
    house.kill()
    house.start()
    assert house.say("one") == "a b", "what was killed has no lock any more"
    assert house.stop() == 0


def test_every_setting_says_whether_it_needs_a_new_start() -> None:
    from ostiary.gateway.reread import CHANGEABLE

    assert {setting.name for setting in SERVER_SETTINGS} >= CHANGEABLE


def test_a_server_in_a_terminal_ends_with_it(house: House) -> None:
    house.write(one="")
    ours, theirs = pty.openpty()
    attach = "import fcntl, os, sys, termios; os.setsid(); fcntl.ioctl(int(sys.argv.pop()), termios.TIOCSCTTY, 0)"
    house.start(attach, str(theirs), pass_fds=(theirs,))
    os.close(theirs)
    assert house.say("one") == "a b"
    os.close(ours)
    assert house.process.wait(PATIENCE) == 0
    assert house.kinds()[-2][0] == "server.stopped"


def test_a_server_that_is_to_outlive_its_terminal_does(house: House) -> None:
    """As `nohup` has it."""
    house.write(one="")
    ours, theirs = pty.openpty()
    attach = "import fcntl, os, signal, sys, termios; os.setsid(); signal.signal(signal.SIGHUP, signal.SIG_IGN)"
    attach += "; fcntl.ioctl(int(sys.argv.pop()), termios.TIOCSCTTY, 0)"
    house.start(attach, str(theirs), pass_fds=(theirs,))
    os.close(theirs)
    os.close(ours)
    house.hear("read anew: nothing changed")
    assert house.say("one") == "a b"
    assert house.stop() == 0


def test_a_signal_that_comes_while_models_are_loaded_waits(house: House) -> None:
    """By itself it would end the program, and supervisors take that for an end that was meant."""
    house.write(one="")
    house.start(_SENT_BY.format(name="open_quotas", signals="signal.SIGHUP"))
    house.hear("read anew: nothing changed")
    assert house.say("one") == "a b"
    assert house.stop() == 0


def test_whoever_asks_twice_cuts_the_end_not_short(house: House) -> None:
    house.write(one="")
    house.start(_SENT_BY.format(name="_tell_stopped", signals="signal.SIGTERM, signal.SIGINT, signal.SIGHUP"))
    assert house.stop() == 0
    assert house.kinds()[-2][0] == "server.stopped"


_SENT_BY = """
import os, signal
from ostiary.gateway import serving
def send(*given, then=serving.{name}):
    for number in ({signals},):
        os.kill(os.getpid(), number)
    return then(*given)
serving.{name} = send
"""
