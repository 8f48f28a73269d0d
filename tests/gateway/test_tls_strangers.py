"""Strangers at the door that encrypts: old, slow, many, rubbish. Others do not notice, and nothing is left behind."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from door_tools import QUICK, RunningDoor, head, read_all
from tls_door_tools import HELLO, ROUTES, ask, either_loop, make_route, read_answer, serving, speaking  # noqa: F401
from tls_forge import make_authority, trust

from ostiary.gateway import handshake
from ostiary.gateway.asked import Asked
from ostiary.gateway.reply import EventsReply, Reply, ServerEvent

DESCRIPTORS = Path("/dev/fd")


@pytest.mark.parametrize("version", ["-tls1_1", "-tls1", "-ssl3"])
def test_old_versions_are_not_spoken(tmp_path: Path, version: str) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl")
    with serving(tmp_path) as (door, _):
        command = [program, "s_client", "-connect", f"127.0.0.1:{door.port}", version, "-cipher", "ALL:@SECLEVEL=0"]
        ended = subprocess.run(command, input=b"", capture_output=True, timeout=30, check=False)
        said = ended.stdout + ended.stderr
        assert ended.returncode != 0, said
        assert b"Cipher is ECDHE" not in said
        assert ask(door, HELLO).status == 200


def test_only_the_newest_where_the_operator_says_so(tmp_path: Path) -> None:
    older = trust()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with serving(tmp_path) as (door, _):
        assert ask(door, HELLO, older).status == 200
    with serving(tmp_path, version="1.3") as (door, _), pytest.raises((ssl.SSLError, ConnectionResetError)):
        ask(door, HELLO, older)


def test_nobody_agrees_anew_on_a_connection(tmp_path: Path) -> None:
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("there is no openssl")
    with serving(tmp_path) as (door, _):
        command = [program, "s_client", "-connect", f"127.0.0.1:{door.port}", "-tls1_2", "-legacy_renegotiation"]
        ended = subprocess.run(command, input=b"R\n", capture_output=True, timeout=30, check=False)
        assert b"Cipher is ECDHE" in ended.stdout + ended.stderr
        assert b"renegotiation" in ended.stderr.lower() or ended.returncode != 0
        assert ask(door, HELLO).status == 200


@pytest.mark.usefixtures("either_loop")
@pytest.mark.parametrize(
    "sent",
    [
        b"GET /hello HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\xff\xff" + b"\x00" * 2_000,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x80\x2e\x01\x00\x02",
        b"\x15\x03\x03\x00\x02\x02\x28",
        bytes(range(256)) * 40,
        b"",
    ],
)
def test_what_is_no_handshake(tmp_path: Path, sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path) as (door, _):
        assert b"HTTP" not in door.exchange(sent, ends=True)
        assert ask(door, HELLO).status == 200
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("either_loop")
def test_a_slow_handshake_ends_in_its_time(tmp_path: Path) -> None:
    with serving(tmp_path, handshake_time=1) as (door, _), door.connect() as slow:
        slow.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert read_all(slow) == b"", "closed by the server, without a word"
        assert ask(door, HELLO).status == 200


@pytest.mark.usefixtures("either_loop")
def test_crowds_that_never_agree_keep_nobody_out(tmp_path: Path) -> None:
    """The oldest of them gives way, one for each that comes."""
    with serving(tmp_path, handshakes=8, handshake_time=120) as (door, _), ExitStack() as stack:
        crowd = [stack.enter_context(door.connect()) for _ in range(40)]
        for _ in range(4):
            assert ask(door, HELLO).status == 200
        for one in crowd[:20]:
            assert read_all(one) == b""


@pytest.mark.usefixtures("either_loop")
def test_a_crowd_that_comes_at_one_moment_is_let_in_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handshake, "_GRACE_SECONDS", 60)
    with serving(tmp_path, handshakes=3) as (door, _), ThreadPoolExecutor(24) as crowd:
        answers = list(crowd.map(lambda _: ask(door, HELLO).status, range(48)))
    assert answers == [200] * 48


@pytest.mark.usefixtures("either_loop")
def test_a_stopped_server_does_not_wait_for_strangers(tmp_path: Path) -> None:
    stranger = None
    server = replace(QUICK, drain_time=1)
    with serving(tmp_path, handshake_time=60, server=server) as (door, _):
        stranger = door.connect()
        assert ask(door, HELLO).status == 200
    with stranger:
        assert read_all(stranger) == b""


class Floods:
    """A stream that nobody reads, and when it was given up."""

    def __init__(self) -> None:
        self.ended = threading.Event()

    async def pour(self, _asked: Asked, _body: bytes) -> Reply:
        async def events() -> AsyncIterator[ServerEvent]:
            try:
                while True:
                    yield ServerEvent("x" * 65_536)
            finally:
                self.ended.set()

        return EventsReply(events())


@pytest.mark.usefixtures("either_loop")
def test_a_client_that_takes_nothing_of_its_answer(tmp_path: Path) -> None:
    floods = Floods()
    routes = (*ROUTES, make_route("POST", "/flood", floods.pour))
    with serving(tmp_path, server=replace(QUICK, write_time=1), routes=routes) as (door, _):
        with speaking(door) as connection:
            connection.sendall(head("POST", "/flood", "content-length: 0"))
            assert floods.ended.wait(30)
        assert ask(door, HELLO).status == 200


@pytest.mark.usefixtures("either_loop")
@pytest.mark.parametrize(
    "sent", [b"", b"GET /hello HTTP/1.1\r\nhost: ", head("POST", "/count", "content-length: 9")]
)
def test_clients_that_agree_and_then_say_too_little(tmp_path: Path, sent: bytes) -> None:
    server = replace(QUICK, head_time=1, body_time=1)
    with serving(tmp_path, server=server) as (door, _), speaking(door) as connection:
        connection.sendall(sent)
        answer = read_answer(connection)
        assert (b"GATEWAY_TOO_SLOW" in answer) == bool(sent)
        assert ask(door, HELLO).status == 200


@pytest.mark.usefixtures("either_loop")
def test_more_connections_than_there_may_be(tmp_path: Path) -> None:
    """Who has agreed and asks nothing gives way, as without encryption."""
    with serving(tmp_path, connections=4) as (door, _), ExitStack() as stack:
        for _ in range(12):
            stack.enter_context(speaking(door))
        assert ask(door, HELLO).status == 200


@pytest.mark.usefixtures("either_loop")
@pytest.mark.parametrize(
    "sent", [bytes(range(1, 200)), b"\x17\x03\x03\x00\x20" + b"x" * 32, b"\x15\x03\x03\x00\x02\x01\x00"]
)
def test_rubbish_after_both_have_agreed(tmp_path: Path, sent: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    with serving(tmp_path) as (door, _):
        with speaking(door) as connection:
            connection.sendall(b"GET /hello HT")
            os.write(connection.fileno(), sent)  # past the encryption
            with suppress(ssl.SSLError, ConnectionResetError):
                assert b"HTTP/1.1 200" not in read_all(connection)
        assert ask(door, HELLO).status == 200
    assert capfd.readouterr().err == ""


@pytest.mark.usefixtures("either_loop")
def test_strangers_leave_nothing_behind(tmp_path: Path) -> None:
    """No descriptor, however a connection ends."""

    def go_wrong(door: RunningDoor) -> None:
        for sent in (b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x28"):
            with door.connect() as raw:
                raw.sendall(sent)
        with pytest.raises(ssl.SSLCertVerificationError), speaking(door, trust(make_authority("Nobody"))):
            pass
        with speaking(door):
            pass
        with speaking(door) as connection:
            connection.sendall(b"GET /hello HT")

    with serving(tmp_path, handshakes=4, handshake_time=120) as (door, _):
        go_wrong(door)
        assert ask(door, HELLO).status == 200
        before = len(list(DESCRIPTORS.iterdir()))
        for _ in range(30):
            go_wrong(door)
        for _ in range(500):  # turns of its loop, in which it closes what has ended
            assert ask(door, HELLO).status == 200
            if len(list(DESCRIPTORS.iterdir())) <= before + 4:
                return
        assert len(list(DESCRIPTORS.iterdir())) <= before + 4
