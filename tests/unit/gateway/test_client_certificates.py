"""Whose certificate it is: by the names that are listed, at this moment, and of nobody else."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from tls_forge import CLIENT, DAY, Made, make_authority, make_certificate

from ostiary.core.callers import Scope, Way
from ostiary.errors import AdmissionRefused
from ostiary.gateway.authenticators import NO_PEER, Peer, Shown
from ostiary.gateway.client_certificates import CertifiedClients, read_client_certificate
from ostiary.gateway.tls_settings import ClientEntry

ACME = ClientEntry(tenant="acme")
OTHER = ClientEntry(tenant="other", scopes=frozenset({Scope.METRICS}))


def make(name: str = "app", **more: object) -> Made:
    return make_certificate(name, make_authority(), usage=CLIENT, **more)  # type: ignore[arg-type]


WHOLE = make(
    hosts=("App.Example", "b.example"),
    uris=("spiffe://example/app",),
    emails=("app@example.org",),
    organization="Example, Ltd",
)


def clients(**entries: ClientEntry) -> CertifiedClients:
    return CertifiedClients(entries, lambda: 0)


@pytest.mark.parametrize(
    "name",
    [
        "dns:app.example",
        "dns:b.example",
        "uri:spiffe://example/app",
        "email:app@example.org",
        "subject:CN=app,O=Example\\, Ltd",
        f"sha256:{WHOLE.sha256}",
    ],
)
def test_each_kind_of_name(name: str) -> None:
    caller = CertifiedClients({name: ACME}, lambda: 0).find(Shown("", Peer(WHOLE.der)))
    assert caller is not None
    assert (caller.tenant, caller.way, caller.scopes) == ("acme", Way.CERTIFICATE, {Scope.INFER})
    assert caller.id == f"cert-{WHOLE.sha256[:12]}"


@pytest.mark.parametrize(
    ("made", "name"),
    [
        (make("app.example"), "dns:app.example"),
        (make("dns:app.example"), "dns:app.example"),
        (make(uris=("dns:app.example",)), "dns:app.example"),
        (make(emails=("app@example.org",)), "dns:example.org"),
        (make(hosts=("x.app.example",)), "dns:app.example"),
        (make(hosts=("*.example",)), "dns:app.example"),
        (make(hosts=("app.example.evil",)), "dns:app.example"),
        (make(uris=("SPIFFE://example/app",)), "uri:spiffe://example/app"),
        (make("app,O=Example"), "subject:CN=app,O=Example"),
        (make("app", organization="Example"), "subject:O=Example,CN=app"),
        (make("app", organization="Example"), "subject:CN=app"),
        (make("APP"), "subject:CN=app"),
        (make(""), "subject:"),
    ],
)
def test_names_that_only_look_alike(made: Made, name: str) -> None:
    with pytest.raises(AdmissionRefused) as caught:
        CertifiedClients({name: ACME}, lambda: 0).find(Shown("", Peer(made.der)))
    assert "none that is known" in caught.value.message


def test_two_tables_have_to_agree() -> None:
    shown = Shown("", Peer(WHOLE.der))
    same = CertifiedClients({"dns:app.example": ACME, "dns:b.example": ACME}, lambda: 0)
    assert same.find(shown) is not None
    differing = CertifiedClients({"dns:app.example": ACME, "dns:b.example": OTHER}, lambda: 0)
    with pytest.raises(AdmissionRefused) as caught:
        differing.find(shown)
    assert "two clients" in caught.value.message


def test_it_is_looked_at_with_every_request_how_old_it_is() -> None:
    made = make(hosts=("app.example",), ends=DAY)
    now = datetime.now(UTC)
    moment = [now.timestamp()]
    found = CertifiedClients({"dns:app.example": ACME}, lambda: 0, lambda: moment[0])
    shown = Shown("", Peer(made.der))
    assert found.find(shown) is not None
    moment[0] = (now + 2 * DAY).timestamp()
    with pytest.raises(AdmissionRefused) as caught:
        found.find(shown)
    assert caught.value.code == "ADMISSION_EXPIRED"
    moment[0] = (now - 2 * DAY - timedelta(hours=1)).timestamp()
    with pytest.raises(AdmissionRefused) as caught:
        found.find(shown)
    assert "not good yet" in caught.value.message


def test_other_issuers_since_the_connection_was_made() -> None:
    found = CertifiedClients({"dns:app.example": ACME}, lambda: 3)
    made = make(hosts=("app.example",))
    for issuers in (3, None):
        assert found.find(Shown("", Peer(made.der, issuers))) is not None
    with pytest.raises(AdmissionRefused):
        found.find(Shown("", Peer(made.der, 2)))


def test_nothing_was_shown() -> None:
    assert clients().find(Shown("", NO_PEER)) is None
    assert clients().find(Shown("secret", NO_PEER)) is None


@pytest.mark.parametrize("der", [b"", b"\x30\x00", WHOLE.der[:-1], WHOLE.der + b"x", WHOLE.pem])
def test_what_is_no_certificate(der: bytes) -> None:
    with pytest.raises(AdmissionRefused):
        read_client_certificate(der)


def test_more_names_than_are_looked_at() -> None:
    with pytest.raises(AdmissionRefused) as caught:
        read_client_certificate(make(hosts=[f"a{number}.example" for number in range(101)]).der)
    assert "more names" in caught.value.message
