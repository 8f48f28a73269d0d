# ruff: noqa: E402 (the client is imported once it is known that it is there)
"""OpenAI's own client over encrypted connections: with a certificate of its own, with a signed token, streamed or not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

openai = pytest.importorskip("openai")
pytest.importorskip("jwt")

import httpx
from served_models import Served, only_loopback, serve
from tls_forge import make_authority, make_client, make_server, trust
from token_forge import NOW, RULES, make_set, make_signer

from ostiary.gateway.authenticators import Shown
from ostiary.gateway.bearer_tokens import BearerTokens
from ostiary.gateway.client_certificates import CertifiedClients
from ostiary.gateway.tls import Tls
from ostiary.gateway.tls_settings import ClientEntry, TlsSettings
from ostiary.gateway.token_source import TokenSource
from ostiary.testing import FakeEngine, HostilePublisher, sign_model

HELLO: list[Any] = [{"role": "user", "content": "hello there"}]
ISSUER = make_signer("RS256")


class Ways:
    """Tokens, then certificates."""

    def __init__(self, tokens: BearerTokens, clients: CertifiedClients) -> None:
        self._tokens, self._clients = tokens, clients

    def find(self, shown: Shown) -> Any:
        return self._tokens.find(shown) or self._clients.find(shown)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    place: Path = tmp_path_factory.mktemp("served")
    settings = TlsSettings(certificate=place / "c.pem", key=place / "c.key", client_ca=place / "ca.pem")
    make_server().write(settings.certificate, settings.key)
    (place / "ca.pem").write_bytes(make_authority("Clients").pem)
    tls = Tls(settings, lambda _: None)
    source = TokenSource(RULES, lambda _count, _problem: None, fetch=lambda _url, _ca: make_set(ISSUER))
    source.fetch_now()
    listed = {"dns:app.example": ClientEntry(tenant="acme", models=frozenset({"one"}))}
    ways: Any = Ways(BearerTokens(RULES, source, lambda: NOW), CertifiedClients(listed, lambda: 0))
    model = HostilePublisher(place).publish_honest()
    key = sign_model(model)
    with (
        FakeEngine(),
        only_loopback() as tried,
        serve(place / "state", ("one", model, key), ("two", model, key), keys=ways, tls=tls) as door,
    ):
        yield door
    assert tried == []
    assert door.door.failures == []


def make_openai(served: Served, secret: str, certificate: Path | None) -> Any:
    context = trust() if certificate is None else trust(client=make_client("app", "Clients"), place=certificate)
    return openai.OpenAI(
        base_url=served.openai,
        api_key=secret,
        max_retries=0,
        http_client=httpx.Client(verify=context, trust_env=False),
    )


@pytest.mark.parametrize("way", ["certificate", "token"])
def test_who_is_let_in(served: Served, way: str, tmp_path: Path) -> None:
    has_certificate = way == "certificate"
    secret = "unused" if has_certificate else ISSUER.make()
    with make_openai(served, secret, tmp_path if has_certificate else None) as client:
        answer = client.chat.completions.create(model="one", messages=HELLO, max_tokens=8)
        assert answer.choices[0].message.content == "hello there"
        stream = client.chat.completions.create(model="one", messages=HELLO, max_tokens=8, stream=True)
        assert "".join(piece.choices[0].delta.content or "" for piece in stream if piece.choices) == "hello there"
        names = [model.id for model in client.models.list()]
        assert names == (["one"] if has_certificate else ["one", "two"])
        if has_certificate:
            with pytest.raises(openai.NotFoundError):
                client.chat.completions.create(model="two", messages=HELLO)


def test_who_is_not(served: Served, tmp_path: Path) -> None:
    for secret, certificate in (
        ("unused", None),
        (make_signer("RS256", "other").make(), None),
        (ISSUER.make({}), tmp_path),
    ):
        with make_openai(served, secret, certificate) as client, pytest.raises(openai.AuthenticationError):
            client.models.list()
    with (
        openai.OpenAI(base_url=served.openai, api_key="unused", max_retries=0) as client,
        pytest.raises(openai.APIConnectionError),
    ):
        client.models.list()
