"""`ostiary serve` with certificates and tokens, as a program: who is let in, and what changes while it runs."""

from __future__ import annotations

import json
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest
from cell_tools import LINUX_ONLY, PATIENCE
from tls_forge import DAY, make_authority, make_certificate, make_client, make_server, trust
from token_forge import CLAIMS, make_set, make_signer

from ostiary.cli.main import main
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import HostilePublisher, sign_model

pytest.importorskip("jwt")
pytestmark = LINUX_ONLY

PROGRAM = """
import sys
from ostiary.cli.main import main
from ostiary.testing import FakeEngine
with FakeEngine(token_milliseconds=0):
    sys.exit(main(sys.argv[1:]))
"""
SETTINGS = """
[server]
port = 0

[server.tls]
certificate = "server.pem"
key = "server.key"
client_ca = "clients.pem"

[models.honest]
path = "honest"
key = ["honest.pub"]

[clients."dns:app.example"]
tenant = "acme"

[auth.token]
issuer = "https://issuer.example"
audience = ["models"]
keys = "keys.json"
tenant = "acme"
"""
ISSUER = make_signer("ES256")


def make_token(**changed: Any) -> str:
    now = int(time.time())
    return ISSUER.make({**CLAIMS, "iat": now, "exp": now + 600, **changed})


class Program:
    """One that listens."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.process = process
        self.url = url
        self.key = ""

    def hear(self, what: str) -> str:
        """Its next line on standard error that has this in it."""
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if "ost_" in line:
                self.key = line.strip()
            if what in line:
                return line
        raise AssertionError(what)

    def ask(self, context: ssl.SSLContext, secret: str = "") -> int:
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        with httpx.Client(verify=context, trust_env=False, timeout=PATIENCE) as client:
            return client.get(f"{self.url}/v1/models", headers=headers).status_code


@contextmanager
def serving(house: Path) -> Iterator[Program]:
    command = [sys.executable, "-c", PROGRAM, "serve", "--config", "ostiary.toml"]
    process = subprocess.Popen(command, cwd=house, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    watchdog = threading.Timer(4 * PATIENCE, process.kill)
    watchdog.start()
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("listening at https://"), process.communicate(timeout=PATIENCE)
        yield Program(process, line.split()[-1])
    finally:
        watchdog.cancel()
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("OSTIARY_CONFIG", raising=False)
    sign_model(HostilePublisher(tmp_path).publish_honest(), model_id="acme/honest")
    make_server().write(tmp_path / "server.pem", tmp_path / "server.key")
    (tmp_path / "clients.pem").write_bytes(make_authority("Clients").pem)
    (tmp_path / "keys.json").write_bytes(make_set(ISSUER))
    (tmp_path / "ostiary.toml").write_text(SETTINGS)
    return tmp_path


def test_every_way_to_show_who_asks_and_what_changes_meanwhile(house: Path, state_directory: Path) -> None:
    with serving(house) as program:
        program.hear("up to")
        plain, client = trust(), trust(client=make_client("app", "Clients"), place=house)
        assert program.key
        # who
        assert program.ask(plain) == 401
        assert program.ask(plain, program.key) == 200
        assert program.ask(plain, make_token()) == 200
        assert program.ask(plain, make_token(aud="others")) == 401
        assert program.ask(plain, make_token(scope="openid")) == 403
        assert program.ask(client) == 200
        assert program.ask(client, program.key[:-1] + "#") == 401, (
            "what calls itself a key is tried as nothing else"
        )
        # the certificate
        new = make_certificate("server", make_authority(), hosts=("127.0.0.1",))
        new.write(house / "server.pem", house / "server.key")
        program.hear("the certificate was renewed")
        with (
            httpx.Client(verify=plain, trust_env=False) as asking,
            asking.stream("GET", f"{program.url}/livez") as got,
        ):
            shown = got.extensions["network_stream"].get_extra_info("ssl_object").getpeercert(True)
        assert shown == new.der
        (house / "server.key").write_text("broken")
        assert "TLS: the key file holds no private key" in program.hear("the certificate before goes on")
        assert program.ask(client) == 200
        # the issuer's keys
        (house / "keys.json").write_bytes(make_set(make_signer("ES256", "two")))
        program.hear("tokens are checked with 1 key")
        assert program.ask(plain, make_token()) == 401
        # who is listed
        (house / "ostiary.toml").write_text(SETTINGS.replace("app.example", "other.example"))
        program.process.send_signal(signal.SIGHUP)
        assert "clients" in program.hear("read anew")
        assert program.ask(client) == 401
        program.process.send_signal(signal.SIGTERM)
        assert program.hear("stopped")
        assert program.process.wait(PATIENCE) == 0
    with open_reader(state_directory) as reader:
        kinds = [parse_entry(body, n).kind for n, body in reader.read_bodies(0, reader.read_size())]
    for kind in ("certificate.renewed", "certificate.refused", "token_keys.renewed"):
        assert kinds.count(kind) == 1


@contextmanager
def issuing(data: bytes) -> Iterator[str]:
    """The address of an issuer's keys."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            pass

    with TemporaryDirectory() as place, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as issuer:
        certificate, key = Path(place) / "c", Path(place) / "k"
        make_server().write(certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        issuer.socket = context.wrap_socket(issuer.socket, server_side=True)
        thread = threading.Thread(target=issuer.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"https://127.0.0.1:{issuer.server_port}/keys"
        finally:
            issuer.shutdown()
            thread.join()


def test_tokens_are_taken_from_the_first_request_on(house: Path) -> None:
    """The server listens once it has had the issuer's keys."""
    (house / "ca.pem").write_bytes(make_authority().pem)
    with issuing(make_set(ISSUER)) as url:
        text = SETTINGS.replace('keys = "keys.json"', f'keys_url = "{url}"\nkeys_ca = "ca.pem"')
        (house / "ostiary.toml").write_text(text)
        with serving(house) as program:
            assert program.ask(trust(), make_token()) == 200
            assert program.ask(trust(), make_token(iss="https://evil.example")) == 401


def test_an_issuer_that_cannot_be_reached_keeps_nobody_else_out(house: Path) -> None:
    text = SETTINGS.replace('keys = "keys.json"', 'keys_url = "https://127.0.0.1:9/keys"')
    (house / "ostiary.toml").write_text(text)
    with serving(house) as program:
        assert "no token is let in until then" in program.hear("the issuer's keys: their address cannot be reached")
        program.hear("up to")
        assert program.ask(trust(), program.key) == 200
        assert program.ask(trust(), make_token()) == 401


def test_what_a_check_says_before(
    house: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    made = make_certificate("server", make_authority(), hosts=("127.0.0.1", "models.example"), ends=1.5 * DAY)
    made.write(house / "server.pem", house / "server.key")
    assert main(["config", "check", "--config", str(house / "ostiary.toml")]) == 0
    said = " ".join(capfd.readouterr().out.split())
    assert "It is for models.example, 127.0.0.1, and expires at" in said
    assert "UTC, 1 day from now" in said
    assert "NOT AMONG hosts, so whoever calls it so is refused: models.example." in said
    assert "TRIED: the file has 1 key that tokens can be checked with" in said
    assert '[clients."dns:app.example"]' in said
    assert str(house / "server.key") in said


def refuse(house: Path, capfd: pytest.CaptureFixture[str]) -> str:
    assert main(["serve", "--config", str(house / "ostiary.toml")]) == 2
    out, err = capfd.readouterr()
    assert "listening" not in out
    return err


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ('"server.pem"', '"none.pem"', "TLS: none.pem cannot be read"),
        ('"keys.json"', '"none.json"', "the issuer's keys: the file cannot be read"),
        ('client_ca = "clients.pem"', "", "clients: there is no server.tls.client_ca"),
        ('key = "server.key"', "", "server.tls.key: missing"),
    ],
)
def test_what_keeps_it_from_starting(
    house: Path, capfd: pytest.CaptureFixture[str], before: str, after: str, expected: str
) -> None:
    (house / "ostiary.toml").write_text(SETTINGS.replace(before, after))
    assert expected in refuse(house, capfd)


def test_a_key_that_others_can_read_keeps_it_from_starting(house: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (house / "server.key").chmod(0o644)
    assert "can be read or written by others" in refuse(house, capfd)


def test_no_port_beyond_this_machine_where_nobody_would_know_who_asks(
    house: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    text = SETTINGS.replace("port = 0", 'port = 0\nhost = "0.0.0.0"\nkeys = false')
    bare = text[: text.index("[clients")]
    (house / "ostiary.toml").write_text(bare)
    assert "SERVER_UNPROTECTED" in refuse(house, capfd), "a certificate that leads to nobody is no way"
    for table in ('[clients."dns:app.example"]', text[text.index("[auth") :]):
        (house / "ostiary.toml").write_text(bare + table)
        assert main(["config", "check", "--config", str(house / "ostiary.toml"), "--json"]) == 0
        assert json.loads(capfd.readouterr().out)["verdict"] == "good"
