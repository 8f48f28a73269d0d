"""Encrypted connections to the real server on loopback: who is let in, who is not, and that others do not notice."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from door_tools import RunningDoor, head, parse_answer, read_all
from tls_door_tools import ENTRIES, HELLO, ask, either_loop, serving, speaking  # noqa: F401
from tls_forge import CLIENT, SERVER, Made, make_authority, make_certificate, make_client, make_server, trust


def test_an_answer_over_the_newest_tls(tmp_path: Path) -> None:
    with serving(tmp_path) as (door, _), speaking(door) as connection:
        assert connection.version() == "TLSv1.3"
        connection.sendall(HELLO)
        answer = parse_answer(read_all(connection))
    assert (answer.status, answer.json["tenant"]) == (200, "anybody")


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
