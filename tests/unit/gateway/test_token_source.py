"""Where an issuer's keys come from: a file that changes, an address that misbehaves."""

from __future__ import annotations

import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tls_forge import make_authority, make_certificate, make_server
from token_forge import NOW, RULES, make_set, make_signer

from ostiary.errors import AdmissionRefused, Misuse
from ostiary.gateway.authenticators import NO_PEER, Shown
from ostiary.gateway.bearer_tokens import BearerTokens
from ostiary.gateway.token_fetch import fetch_keys
from ostiary.gateway.token_settings import TokenSettings
from ostiary.gateway.token_source import TokenSource

pytest.importorskip("jwt")

ONE, TWO = make_signer("ES256"), make_signer("ES256", "two")


class Watched:
    """A source, its clock, and what was told of it."""

    def __init__(self, settings: TokenSettings, answers: list[bytes | None] | None = None) -> None:
        self.told: list[tuple[int, str]] = []
        self.asked: list[str] = []
        self.now = 0.0
        self.answers = answers or []
        self.source = TokenSource(settings, self._tell, clock=lambda: self.now, fetch=self._fetch)

    def _tell(self, count: int, problem: Misuse | None) -> None:
        self.told.append((count, "" if problem is None else problem.message))

    def _fetch(self, url: str, _authority: Path | None) -> bytes:
        self.asked.append(url)
        answer = self.answers.pop(0)
        if answer is None:
            raise OSError
        return answer

    def look(self) -> None:
        """And what it begins has ended."""
        self.source.look()
        self.source.wait(10)

    @property
    def kids(self) -> list[str | None]:
        return [key.kid for key in self.source.current.keys]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "keys.json"
    made.write_bytes(make_set(ONE))
    return made


def from_file(path: Path) -> TokenSettings:
    return replace(RULES, keys=path, keys_url=None)


def test_a_file_that_changes(path: Path) -> None:
    watched = Watched(from_file(path))
    assert watched.kids == ["one"]
    watched.look()
    assert watched.told == []
    path.write_bytes(make_set(ONE, TWO))
    watched.look()
    assert watched.kids == ["one", "two"]
    assert watched.told == [(2, "")]


@pytest.mark.parametrize("data", [b"", b'{"keys": [', b'{"keys": []}', b"x" * 300_000, None])
def test_a_file_that_goes_bad_changes_nothing(path: Path, data: bytes | None) -> None:
    watched = Watched(from_file(path))
    if data is None:
        path.unlink()
    else:
        path.write_bytes(data)
    watched.look()
    assert watched.told == [], "it may be half written"
    watched.look()
    watched.look()
    assert watched.kids == ["one"]
    assert len(watched.told) == 1
    assert watched.told[0][0] == 1
    assert str(path.parent) not in watched.told[0][1]
    path.write_bytes(make_set(ONE))
    watched.look()
    assert watched.told[1:] == [(1, "")]


def test_a_secret_that_was_put_there_is_refused(path: Path) -> None:
    path.write_bytes(b'{"keys": [{"kty": "oct", "k": "c2VjcmV0"}]}')
    with pytest.raises(Misuse) as caught:
        Watched(from_file(path))
    assert "secret" in caught.value.message


def test_a_server_does_not_start_without_its_file(tmp_path: Path) -> None:
    with pytest.raises(Misuse) as caught:
        Watched(from_file(tmp_path / "none"))
    assert caught.value.code == "TOKEN_KEYS_UNUSABLE"


def test_an_address_is_asked_when_its_time_has_come(path: Path) -> None:
    watched = Watched(RULES, [make_set(ONE), make_set(ONE, TWO)])
    assert watched.kids == []
    watched.look()
    assert watched.kids == ["one"]
    for watched.now in (1, 30, 899):
        watched.look()
    assert len(watched.asked) == 1
    watched.now = 900
    watched.look()
    assert watched.kids == ["one", "two"]
    assert watched.told == [(1, ""), (2, "")]


def test_no_crowd_of_unknown_keys_makes_it_ask_more_often_than_it_may() -> None:
    watched = Watched(RULES, [make_set(ONE)] * 9)
    tokens = BearerTokens(RULES, watched.source, lambda: NOW)
    watched.look()
    for second in range(1, 61):
        watched.now = second
        for kid in ("a", "b", "c"):
            with pytest.raises(AdmissionRefused):
                tokens.find(Shown(ONE.make(kid=kid), NO_PEER))
        watched.look()
    assert len(watched.asked) == 3, "at once, and after every thirty seconds"


def test_a_new_key_is_known_soon_after_somebody_showed_it() -> None:
    watched = Watched(RULES, [make_set(ONE), make_set(ONE, TWO)])
    tokens = BearerTokens(RULES, watched.source, lambda: NOW)
    watched.look()
    shown = Shown(TWO.make(), NO_PEER)
    with pytest.raises(AdmissionRefused):
        tokens.find(shown)
    watched.now = 30
    watched.look()
    found = tokens.find(shown)
    assert found is not None
    assert found.tenant == "acme"
    assert tokens.find(Shown("", NO_PEER)) is None
    assert tokens.find(Shown("ost_0123456789ab_" + "A" * 43, NO_PEER)) is None


def test_an_address_that_fails_is_asked_again_and_told_once() -> None:
    watched = Watched(RULES, [make_set(ONE), None, None, b"{}", make_set(ONE)])
    for watched.now in (0, 900, 929, 930, 960, 990, 991):
        watched.look()
    assert watched.kids == ["one"]
    assert len(watched.asked) == 5
    assert [(count, bool(problem)) for count, problem in watched.told] == [
        (1, False),
        (1, True),
        (1, True),
        (1, False),
    ]


# --- the real address ---


@contextmanager
def answering(act: Callable[[ssl.SSLSocket], None], *, server: object = None) -> Iterator[str]:
    """One connection on loopback, and what becomes of it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = server or make_server()
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.MonkeyPatch.context() as patch:
        patch.setenv("https_proxy", "http://127.0.0.1:9")
        yield_at = f"https://127.0.0.1:{listening.getsockname()[1]}/keys?a=b"

        def serve() -> None:
            try:
                plain, _ = listening.accept()
                plain.settimeout(10)
                with plain, context.wrap_socket(plain, server_side=True) as connection:
                    act(connection)
            except OSError:
                pass

        with tempfile.TemporaryDirectory() as place:
            made.write(Path(place) / "c", Path(place) / "k")  # type: ignore[attr-defined]
            context.load_cert_chain(Path(place) / "c", Path(place) / "k")
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield yield_at
        finally:
            thread.join(20)


def _say(*parts: bytes) -> Callable[[ssl.SSLSocket], None]:
    def act(connection: ssl.SSLSocket) -> None:
        heard = b""
        while b"\r\n\r\n" not in heard:
            heard += connection.recv(65_536)
        assert heard.startswith(b"GET /keys?a=b HTTP/1.1\r\nHost: 127.0.0.1:")
        for part in parts:
            connection.sendall(part)

    return act


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    made = tmp_path / "ca.pem"
    made.write_bytes(make_authority().pem)
    return made


def test_keys_from_an_address(authority: Path) -> None:
    body = make_set(ONE)
    length = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body)
    with answering(_say(length, body[:9], body[9:])) as url:
        assert fetch_keys(url, authority) == body
    chunks = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(body), body)
    with answering(_say(chunks)) as url:
        assert fetch_keys(url, authority) == body


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ((b"HTTP/1.1 302 Found\r\nlocation: https://evil.example/\r\ncontent-length: 0\r\n\r\n",), "status 302"),
        ((b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n",), "status 500"),
        ((b"SSH-2.0-x\r\n",), "does not answer in HTTP"),
        ((b"",), "does not answer in HTTP"),
        ((b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nshort",), "does not answer in HTTP"),
        ((b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 400_000), "more bytes"),
        ((b"HTTP/1.1 200 OK\r\n" + b"a: b\r\n" * 200 + b"\r\n",), "does not answer in HTTP"),
        ((b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",), "does not answer in HTTP"),
    ],
)
def test_answers_that_are_none(authority: Path, parts: tuple[bytes, ...], expected: str) -> None:
    with answering(_say(*parts)) as url, pytest.raises(Misuse) as caught:
        fetch_keys(url, authority)
    assert expected in caught.value.message
    assert "evil" not in caught.value.message


def test_an_address_that_drips_is_not_waited_for(authority: Path) -> None:
    """Each byte comes in time, all of them never would."""
    is_over = threading.Event()

    def drip(connection: ssl.SSLSocket) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\n")
        while not is_over.wait(0.05):
            connection.sendall(b"a: b\r\n")

    with answering(drip) as url:
        with pytest.raises(Misuse) as caught:
            fetch_keys(url, authority, 500)
        is_over.set()
    assert "in time" in caught.value.message


def test_an_address_that_is_somebody_else(authority: Path) -> None:
    for made in (
        make_certificate("evil", hosts=("127.0.0.1",)),
        make_certificate("other", make_authority(), hosts=("other.example",)),
    ):
        with answering(_say(b""), server=made) as url, pytest.raises(Misuse) as caught:
            fetch_keys(url, authority)
        assert "vouched for" in caught.value.message
    with answering(_say(b"")) as url, pytest.raises(Misuse):
        fetch_keys(url, None)


def test_an_address_that_nobody_listens_at(authority: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Misuse) as caught:
        fetch_keys(f"https://127.0.0.1:{port}/", authority)
    assert "cannot be reached" in caught.value.message
