"""Certificates and tokens of a server that runs: what a new file of settings changes at once, and what is told of all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tls_forge import make_authority, make_certificate, make_client, make_server
from token_forge import RULES, make_set, make_signer

from ostiary.core.callers import Scope
from ostiary.errors import AdmissionRefused
from ostiary.gateway.authenticators import Peer
from ostiary.gateway.credential_settings import NO_CREDENTIALS, CredentialSettings
from ostiary.gateway.credentials import Credentials
from ostiary.gateway.tls_settings import ClientEntry, TlsSettings
from ostiary.record.event import Event

pytest.importorskip("jwt")

APP = make_client("app", "Clients")


class Watched:
    """One server's, with what its operator and its record heard."""

    def __init__(self, settings: CredentialSettings) -> None:
        self.said: list[str] = []
        self.recorded: list[Event] = []
        self.is_full = False
        self.credentials = Credentials(settings, self._emit, "a-server", self.said.append)

    def _emit(self, event: Event) -> None:
        if self.is_full:
            raise OSError
        self.recorded.append(event)

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in self.recorded]


@pytest.fixture
def settings(tmp_path: Path) -> CredentialSettings:
    tls = TlsSettings(certificate=tmp_path / "c.pem", key=tmp_path / "c.key", client_ca=tmp_path / "ca.pem")
    make_server().write(tls.certificate, tls.key)
    (tmp_path / "ca.pem").write_bytes(make_authority("Clients").pem)
    (tmp_path / "keys.json").write_bytes(make_set(make_signer("ES256")))
    token = replace(RULES, keys=tmp_path / "keys.json", keys_url=None)
    return CredentialSettings(tls, {"dns:app.example": ClientEntry(tenant="acme")}, token)


def test_without_any_way_nobody_is_asked() -> None:
    assert Watched(NO_CREDENTIALS).credentials.gather(None) is None


def test_encryption_alone_is_no_way(settings: CredentialSettings) -> None:
    watched = Watched(CredentialSettings(settings.tls))
    assert watched.credentials.gather(None) is None
    assert watched.credentials.tls is not None


@pytest.mark.parametrize(
    ("change", "taken", "waiting"),
    [
        (lambda s: s, (), ()),
        (lambda s: replace(s, clients={}), ("clients",), ()),
        (lambda s: replace(s, tls=replace(s.tls, handshakes=9)), (), ("server.tls",)),
        (lambda s: replace(s, tls=None, clients={}), ("clients",), ("server.tls",)),
        (lambda s: replace(s, token=replace(s.token, audience=("others",))), ("auth.token",), ()),
        (lambda s: replace(s, token=replace(s.token, keys=Path("/other"))), (), ("auth.token",)),
        (lambda s: replace(s, token=None), (), ("auth.token",)),
    ],
)
def test_what_a_new_file_of_settings_changes(
    settings: CredentialSettings,
    change: Callable[[CredentialSettings], CredentialSettings],
    taken: tuple[str, ...],
    waiting: tuple[str, ...],
) -> None:
    credentials = Watched(settings).credentials
    after = change(settings)
    assert credentials.compare(after) == (taken, waiting)
    credentials.change(after)
    assert credentials.compare(after) == ((), waiting), "what was taken is there"


def test_what_is_not_there_at_the_start_waits(settings: CredentialSettings) -> None:
    credentials = Watched(CredentialSettings(settings.tls)).credentials
    assert credentials.compare(settings) == ((), ("clients", "auth.token"))
    credentials.change(settings)
    assert credentials.gather(None) is None


def test_who_is_listed_changes_at_once(settings: CredentialSettings) -> None:
    credentials = Watched(settings).credentials
    ways = credentials.gather(None)
    assert ways is not None
    assert ways.find({}, Peer(APP.der)).tenant == "acme"
    credentials.change(replace(settings, clients={"dns:app.example": ClientEntry(tenant="other")}))
    assert ways.find({}, Peer(APP.der)).tenant == "other"
    credentials.change(replace(settings, clients={}))
    with pytest.raises(AdmissionRefused):
        ways.find({}, Peer(APP.der))


def test_a_scope_is_taken_away_at_once(settings: CredentialSettings) -> None:
    credentials = Watched(settings).credentials
    ways = credentials.gather(None)
    assert ways is not None
    assert settings.token is not None
    token = {"authorization": f"Bearer {_now()}"}
    assert ways.find(token).scopes == {Scope.INFER}
    credentials.change(replace(settings, token=replace(settings.token, scope_prefix="x:")))
    assert ways.find(token).scopes == frozenset()


def _now() -> str:
    import time

    from token_forge import CLAIMS

    return make_signer("ES256").make({**CLAIMS, "iat": int(time.time()), "exp": int(time.time()) + 600})


def test_a_key_or_token_that_is_no_good_is_refused_whatever_the_certificate(settings: CredentialSettings) -> None:
    ways = Watched(settings).credentials.gather(None)
    assert ways is not None
    for secret in ("a.b.c", make_signer("ES256", "other").make()):
        with pytest.raises(AdmissionRefused):
            ways.find({"authorization": f"Bearer {secret}"}, Peer(APP.der))
    assert ways.find({"authorization": "Bearer unused"}, Peer(APP.der)).tenant == "acme"


def test_a_full_disk_delays_what_the_record_hears_and_nothing_else(settings: CredentialSettings) -> None:
    watched = Watched(settings)
    assert settings.tls is not None
    new = make_certificate("server", hosts=("localhost",))
    new.write(settings.tls.certificate, settings.tls.key)
    watched.is_full = True
    with pytest.raises(OSError):  # noqa: PT011  the very one
        watched.credentials.look()
    assert watched.credentials.tls is not None
    assert watched.credentials.tls.current.facts.sha256 == new.sha256
    assert "renewed" in watched.said[0]
    settings.tls.key.write_text("broken")
    for _ in range(2):
        with pytest.raises(OSError):  # noqa: PT011  as above
            watched.credentials.look()
    watched.is_full = False
    watched.credentials.look()
    assert watched.kinds == ["certificate.renewed", "certificate.refused"]
    assert len(watched.said) == 2
    watched.credentials.look()
    assert len(watched.recorded) == 2


def test_no_path_is_told(settings: CredentialSettings, tmp_path: Path) -> None:
    watched = Watched(settings)
    (tmp_path / "keys.json").write_bytes(b"rubbish")
    (tmp_path / "c.key").unlink()
    watched.credentials.look()
    watched.credentials.look()
    assert watched.kinds == ["certificate.refused", "token_keys.refused"]
    assert not [line for line in watched.said if str(tmp_path) in line]
    assert str(tmp_path) not in repr(watched.recorded)
