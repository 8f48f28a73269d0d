"""Encrypted connections to the real server on loopback: who is let in, who is not, and that others do not notice."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from door_tools import QUICK, Answer, RunningDoor, head, parse_answer, read_all, running_door
from tls_forge import CLIENT, SERVER, Made, make_authority, make_certificate, make_client, make_server, trust

from ostiary.gateway import handshake
from ostiary.gateway.asked import Asked
from ostiary.gateway.client_certificates import CertifiedClients
from ostiary.gateway.reply import EventsReply, JsonReply, Reply, ServerEvent
from ostiary.gateway.route import Dialect, Route
from ostiary.gateway.tls import Tls
from ostiary.gateway.tls_settings import ClientEntry, TlsSettings


async def _greet(asked: Asked, _body: bytes) -> Reply:
    return JsonReply({"tenant": asked.caller.tenant, "way": asked.caller.way.value})


async def _count(_asked: Asked, body: bytes) -> Reply:
    return JsonReply({"bytes": len(body)})


def _route(method: str, path: str, handle: Any, **more: Any) -> Route:
    return Route(method=method, path=path, handle=handle, dialect=Dialect.PROBLEM, summary="", **more)


ROUTES = (
    _route("GET", "/hello", _greet),
    _route("GET", "/open", _greet, is_open=True),
    _route("POST", "/count", _count),
)
DESCRIPTORS = Path("/dev/fd")
ENTRIES = {"dns:app.example": ClientEntry(tenant="acme", models=frozenset({"tiny"}))}


@contextmanager
def serving(place: Path, **changed: Any) -> Iterator[tuple[RunningDoor, Tls]]:
    """`has_clients`: certificates are asked for, and looked up in ENTRIES."""
    has_clients = changed.pop("has_clients", False)
    door_bounds = {"server": changed.pop("server", QUICK), "connections": changed.pop("connections", 100)}
    routes = changed.pop("routes", ROUTES)
    certificate, key, ca = place / "server.pem", place / "server.key", place / "clients.pem"
    make_server().write(certificate, key)
    ca.write_bytes(make_authority("Clients").pem)
    settings = TlsSettings(certificate=certificate, key=key, client_ca=ca if has_clients else None, **changed)
    tls = Tls(settings, lambda _: None)
    ways = CertifiedClients(ENTRIES, lambda: tls.current.issuers) if has_clients else None
    with running_door(routes, tls=tls, keys=ways, **door_bounds) as door:
        yield door, tls
    assert door.failures == []


@contextmanager
def speaking(door: RunningDoor, context: ssl.SSLContext | None = None) -> Iterator[ssl.SSLSocket]:
    with (context or trust()).wrap_socket(door.connect(), server_hostname="localhost") as connection:
        yield connection


def ask(door: RunningDoor, sent: bytes, context: ssl.SSLContext | None = None) -> Answer:
    with speaking(door, context) as connection:
        connection.sendall(sent)
        return parse_answer(read_answer(connection))


def read_answer(connection: ssl.SSLSocket) -> bytes:
    """Its end is told by its length: a connection that was refused is listened to for a while."""
    data = b""
    while True:
        part = connection.recv(65_536)
        data += part
        top, _, body = data.partition(b"\r\n\r\n")
        length = re.search(rb"content-length: (\d+)", top)
        if not part or (length is not None and len(body) == int(length[1])):
            return data


HELLO = head("GET", "/hello", "connection: close")


def test_an_answer_over_the_newest_tls(tmp_path: Path) -> None:
    with serving(tmp_path) as (door, _), speaking(door) as connection:
        assert connection.version() == "TLSv1.3"
        connection.sendall(HELLO)
        answer = parse_answer(read_all(connection))
    assert (answer.status, answer.json["tenant"]) == (200, "anybody")


@pytest.fixture(params=["asyncio", "uvloop"])
def either_loop(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one of the tests, and the one of `ostiary serve`."""
    if request.param == "uvloop":
        uvloop = pytest.importorskip("uvloop")

        def run(main: Coroutine[Any, Any, None]) -> None:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(main)

        monkeypatch.setattr(asyncio, "run", run)


@pytest.mark.usefixtures("either_loop")
def test_who_is_let_in_and_who_is_not(tmp_path: Path) -> None:
    with serving(tmp_path, has_clients=True) as (door, _):
        client = trust(client=make_client("app", "Clients"), place=tmp_path)
        assert ask(door, HELLO, client).json == {"tenant": "acme", "way": "certificate"}
        big = head("POST", "/count", "connection: close", "content-length: 3000000") + b"x" * 3_000_000
        assert ask(door, big, client).json == {"bytes": 3_000_000}
        assert ask(door, HELLO).status == 401
        with door.connect() as raw:
            raw.sendall(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n")
            assert read_all(raw).find(b"HTTP") == -1


def test_many_requests_on_one_connection_and_all_at_once(tmp_path: Path) -> None:
    with serving(tmp_path) as (door, _), speaking(door) as connection:
        connection.sendall(head("GET", "/hello") * 5 + HELLO)
        assert read_all(connection).count(b'"tenant":"anybody"') == 6


@pytest.mark.usefixtures("either_loop")
def test_what_comes_with_the_last_word_of_the_handshake(tmp_path: Path) -> None:
    """Both in one piece, so that the server reads them at once."""
    with serving(tmp_path) as (door, _), door.connect() as raw:
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = trust().wrap_bio(incoming, outgoing, server_hostname="localhost")
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                raw.sendall(outgoing.read())
                incoming.write(raw.recv(65_536))
        client.write(HELLO)
        raw.sendall(outgoing.read())
        data = b""
        while True:
            try:
                part = client.read(65_536)
            except ssl.SSLWantReadError:
                got = raw.recv(65_536)
                assert got, "the answer came whole"
                incoming.write(got)
                continue
            except ssl.SSLZeroReturnError:
                break
            if not part:
                break
            data += part
    assert parse_answer(data).status == 200


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"GET /hello HTTP/1.1\nhost: localhost\n\n", 400, "GATEWAY_FRAMING"),
        (
            head("POST", "/count", "content-length: 5", "transfer-encoding: chunked") + b"0\r\n\r\n",
            400,
            "GATEWAY_FRAMING",
        ),
        (head("GET", "/hello", "x: " + "y" * 20_000), 431, "GATEWAY_HEAD_TOO_LARGE"),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, "GATEWAY_HTTP_VERSION"),
        (head("GET", "/hello", "connection: close", host="evil.example"), 421, "GATEWAY_HOST"),
        (head("GET", "/hello", "connection: close", "origin: https://evil.example"), 403, "GATEWAY_ORIGIN"),
        (
            head(
                "OPTIONS",
                "/hello",
                "connection: close",
                "origin: https://evil.example",
                "access-control-request-method: GET",
            ),
            403,
            "GATEWAY_ORIGIN",
        ),
    ],
)
def test_the_judge_of_framing_reads_what_was_decrypted(tmp_path: Path, sent: bytes, status: int, code: str) -> None:
    with serving(tmp_path) as (door, _):
        answer = ask(door, sent)
        assert (answer.status, answer.code) == (status, code)
        assert "access-control-allow-origin" not in answer.headers
        assert ask(door, HELLO).status == 200


@pytest.mark.usefixtures("either_loop")
def test_a_refusal_arrives_though_the_client_sends_on(tmp_path: Path) -> None:
    """It sends all that it has to say before it reads."""
    with serving(tmp_path) as (door, _):
        sent = head("POST", "/count", "content-length: 9000000") + b"x" * 9_000_000
        answer = ask(door, sent)
        assert (answer.status, answer.code) == (413, "GATEWAY_BODY_TOO_LARGE")


# --- strangers ---


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
    routes = (*ROUTES, _route("POST", "/flood", floods.pour))
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


# --- the server's certificate ---


@pytest.mark.usefixtures("either_loop")
def test_a_certificate_is_renewed_while_the_server_runs(tmp_path: Path) -> None:
    """What is open goes on; what comes takes the new one."""
    with serving(tmp_path) as (door, tls), speaking(door) as old:
        new = make_certificate("server", make_authority(), hosts=("localhost",))
        new.write(tls.settings.certificate, tls.settings.key)
        tls.look()
        with speaking(door) as connection:
            assert connection.getpeercert(binary_form=True) == new.der
        assert old.getpeercert(binary_form=True) == make_server().der
        old.sendall(HELLO)
        assert parse_answer(read_all(old)).status == 200
        tls.settings.key.write_bytes(b"broken")
        tls.look()
        tls.look()
        with speaking(door) as connection:
            assert connection.getpeercert(binary_form=True) == new.der


# --- certificates of clients ---


def test_a_client_with_a_certificate(tmp_path: Path) -> None:
    with serving(tmp_path, has_clients=True) as (door, _):
        client = trust(client=make_client("app", "Clients"), place=tmp_path)
        with speaking(door, client) as connection:
            for _ in range(2):
                connection.sendall(head("GET", "/hello"))
                answer = b""
                while b'"tenant":"acme"' not in answer:
                    answer += connection.recv(65_536)
                    assert answer.startswith(b"HTTP/1.1 200")
        assert ask(
            door, head("GET", "/hello", "connection: close", "authorization: Bearer unused"), client
        ).json == {
            "tenant": "acme",
            "way": "certificate",
        }
        without = ask(door, HELLO)
        assert (without.status, without.code) == (401, "ADMISSION_UNAUTHENTICATED")
        assert ask(door, head("GET", "/open", "connection: close")).status == 200


def _made(name: str, authority: str = "Clients", **more: Any) -> Made:
    return make_certificate(name, make_authority(authority), usage=more.pop("usage", CLIENT), **more)


def _is_cut_off(door: RunningDoor, client: ssl.SSLContext) -> bool:
    try:
        return ask(door, HELLO, client).status == 0
    except (ssl.SSLError, ConnectionResetError, BrokenPipeError, IndexError, ValueError):
        return True


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    "make",
    [
        lambda: make_client("app"),
        lambda: make_certificate("app", hosts=("app.example",), usage=CLIENT),
        lambda: _made("app", hosts=("app.example",), usage=SERVER),
        lambda: _made("app", hosts=("app.example",), begins=_days(-9), ends=_days(-1)),
        lambda: _made("app", hosts=("app.example",), begins=_days(1)),
    ],
    ids=["of another authority", "of its own", "of a server", "expired", "of tomorrow"],
)
def test_certificates_that_end_the_connection(
    tmp_path: Path, make: Callable[[], Made], version: ssl.TLSVersion
) -> None:
    client = trust(client=make(), place=tmp_path)
    client.maximum_version = version
    with serving(tmp_path, has_clients=True) as (door, _):
        assert _is_cut_off(door, client)
        assert ask(door, head("GET", "/open", "connection: close")).status == 200


def _days(count: int) -> Any:
    from tls_forge import DAY

    return count * DAY


def test_a_certificate_that_is_listed_nowhere_is_nobody(tmp_path: Path) -> None:
    with serving(tmp_path, has_clients=True) as (door, _):
        for made in (_made("app.example"), make_client("other", "Clients"), _made("", hosts=("APP.example.evil",))):
            answer = ask(door, HELLO, trust(client=made, place=tmp_path))
            assert (answer.status, answer.code) == (401, "ADMISSION_UNAUTHENTICATED")


@pytest.mark.usefixtures("either_loop")
def test_where_a_certificate_is_required(tmp_path: Path) -> None:
    with serving(tmp_path, has_clients=True, client_required=True) as (door, _):
        assert _is_cut_off(door, trust())
        assert ask(door, HELLO, trust(client=make_client("app", "Clients"), place=tmp_path)).status == 200


@pytest.mark.usefixtures("either_loop")
def test_other_issuers_end_what_the_old_ones_vouched_for(tmp_path: Path) -> None:
    with serving(tmp_path, has_clients=True) as (door, tls):
        client = trust(client=make_client("app", "Clients"), place=tmp_path)
        with speaking(door, client) as connection:
            connection.sendall(head("GET", "/hello"))
            answer = b""
            while b"}" not in answer:
                answer += connection.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 200")
            assert tls.settings.client_ca is not None
            tls.settings.client_ca.write_bytes(make_authority("Others").pem)
            tls.look()
            connection.sendall(HELLO)
            assert parse_answer(read_all(connection)).code == "ADMISSION_UNAUTHENTICATED"
        assert _is_cut_off(door, client)


def test_a_connection_that_is_resumed_is_looked_at_like_any_other(tmp_path: Path) -> None:
    """Over 1.2 the library remembers sessions, and with them the client's certificate."""
    with serving(tmp_path, has_clients=True) as (door, tls):
        client = trust(client=make_client("app", "Clients"), place=tmp_path)
        client.maximum_version = ssl.TLSVersion.TLSv1_2

        def connect(session: ssl.SSLSession | None) -> ssl.SSLSocket:
            return client.wrap_socket(door.connect(), server_hostname="localhost", session=session)

        with connect(None) as first:
            session = first.session
        with connect(session) as second:
            second.sendall(HELLO)
            assert parse_answer(read_all(second)).json["tenant"] == "acme"
        with pytest.MonkeyPatch.context() as patch:
            patch.delitem(ENTRIES, "dns:app.example")
            with connect(session) as third:
                third.sendall(HELLO)
                assert parse_answer(read_all(third)).status == 401
        assert tls.settings.client_ca is not None
        tls.settings.client_ca.write_bytes(make_authority("Others").pem)
        tls.look()
        with pytest.raises((ssl.SSLError, ConnectionResetError, BrokenPipeError)):
            connect(session).close()
    newest = trust()
    with serving(tmp_path) as (door, _):
        with speaking(door, newest) as first:
            first.sendall(HELLO)
            read_all(first)
            session = first.session
        with newest.wrap_socket(door.connect(), server_hostname="localhost", session=session) as second:
            assert not second.session_reused


# --- clients that nobody here wrote ---


def test_httpx(tmp_path: Path) -> None:
    with serving(tmp_path, has_clients=True) as (door, _):
        with httpx.Client(
            verify=trust(client=make_client("app", "Clients"), place=tmp_path), trust_env=False
        ) as client:
            assert client.get(f"https://localhost:{door.port}/hello").json()["tenant"] == "acme"
        with httpx.Client(trust_env=False) as client, pytest.raises(httpx.ConnectError):
            client.get(f"https://localhost:{door.port}/hello")


def test_curl(tmp_path: Path) -> None:
    program = shutil.which("curl")
    if program is None:
        pytest.skip("there is no curl")
    made = make_client("app", "Clients")
    made.write(tmp_path / "c.pem", tmp_path / "c.key")
    (tmp_path / "ca.pem").write_bytes(make_authority().pem)
    with serving(tmp_path, has_clients=True) as (door, _):
        command = [program, "-s", "-q", "--noproxy", "*", "--cacert", str(tmp_path / "ca.pem")]
        command += ["--cert", str(tmp_path / "c.pem"), "--key", str(tmp_path / "c.key")]
        ended = subprocess.run(
            [*command, f"https://localhost:{door.port}/hello"], capture_output=True, timeout=30, check=False
        )
    assert b'"tenant":"acme"' in ended.stdout
