"""The settings of certificates and tokens: read strictly, and the same as their schema says."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from ostiary.cell.limits_file import parse_config
from ostiary.core.callers import Scope
from ostiary.errors import Misuse
from ostiary.gateway.credential_settings import CredentialSettings
from ostiary.gateway.settings import ServerSetting
from ostiary.gateway.settings_file import parse_server_file
from ostiary.gateway.settings_mistakes import find_mistakes
from ostiary.gateway.tls_settings import TLS_SETTINGS, TlsSettings
from ostiary.gateway.token_settings import ALGORITHMS, TOKEN_SETTINGS, TokenSettings

SCHEMA = json.loads(
    (Path(__file__).resolve().parents[3] / "docs" / "reference" / "config.schema.json").read_text(encoding="utf-8")
)
TLS = b"[server.tls]\ncertificate = 'c.pem'\nkey = '/etc/k.pem'\n"
CLIENTS = TLS + b"client_ca = 'ca.pem'\n"
TOKEN = b"[auth.token]\nissuer = 'https://i'\naudience = ['a']\nkeys = 'k.json'\n"
WHOLE = (
    CLIENTS
    + b"""client_required = true
version = "1.3"
handshake_time = "5 s"
handshakes = 64

[clients."dns:app.example"]
tenant = "acme"
scopes = ["infer", "metrics"]
models = ["tiny"]

[clients."subject:CN=app,O=Example"]

[auth.token]
issuer = "https://i"
audience = ["a", "b"]
algorithms = ["ES256"]
keys_url = "https://i:8443/keys?a=b"
keys_ca = "ca.pem"
keys_time = "1 h"
leeway = "0 s"
longest = "1 h"
tenant_claim = "org"
scope_claim = "roles"
scope_prefix = "models/"
models_claim = "models"
"""
)
BAD = {
    b"[server.tls]\nkey = 'k'": "server.tls.certificate: missing",
    b"[server.tls]\ncertificate = 'k'": "server.tls.key: missing",
    TLS + b"version = '1.1'": "line 4: server.tls.version: '1.1' is none of 1.2, 1.3",
    TLS + b"version = 1.2": "line 4: server.tls.version: not a text",
    TLS + b"ciphers = 'ALL'": "line 4: server.tls.ciphers: there is no such field",
    TLS + b"handshake_time = '1 h'": "line 4: server.tls.handshake_time: not between 1 s and 2 min",
    TLS + b"handshakes = 0": "line 4: server.tls.handshakes: not between 1 and 4096",
    TLS + b"client_required = true": "server.tls.client_ca: missing",
    TLS + b"[clients.'dns:a']": "clients: there is no server.tls.client_ca",
    b"[clients.'dns:a']": "clients: there is no server.tls.client_ca",
    CLIENTS + b"[clients.app]": "clients.app: no name that a certificate can have",
    CLIENTS + b"[clients.'CN=app']": "clients.CN=app: no name that a certificate can have",
    CLIENTS + b"[clients.'sha256:AB']": "no name that a certificate can have",
    CLIENTS + b"[clients.'dns:a']\nscopes = ['root']": "scopes: 'root' is none of infer, admin, metrics",
    CLIENTS + b"[clients.'dns:a']\ntenant = '../x'": "tenant: '../x' is no name of a tenant",
    CLIENTS + b"[clients.'uri:" + b"a" * 130 + b"']": "tenant: missing",
    CLIENTS + rb"[clients.'subject:CN=a\\, b']": "tenant: missing",
    CLIENTS + b"[clients.'dns:a']\ntenant = 'default'": "tenant: 'default' is no name of a tenant",
    CLIENTS + b"[clients.'dns:a']\nkey = 'x'": "key: there is no such field",
    b"[auth]\nbasic = 1": "auth.basic: there is no such field",
    b"[auth.token]\nissuer = 'i'\nkeys = 'k'": "auth.token.audience: missing",
    b"[auth.token]\naudience = ['a']\nkeys = 'k'": "auth.token.issuer: missing",
    b"[auth.token]\nissuer = 'i'\naudience = ['a']": "auth.token.keys: missing",
    b"[auth.token]\nissuer = 'i'\naudience = []\nkeys = 'k'": "auth.token.audience: empty",
    TOKEN + b"algorithms = []": "auth.token.algorithms: empty",
    TOKEN + b"algorithms = ['none']": "algorithms: 'none' is none of RS256",
    TOKEN + b"algorithms = ['HS256']": "algorithms: 'HS256' is none of RS256",
    TOKEN + b"keys_url = 'https://i/'": "keys_url: there is keys already",
    TOKEN + b"keys_ca = 'c'": "keys_ca: there is no keys_url",
    TOKEN + b"tenant = 'a'\ntenant_claim = 'b'": "tenant_claim: there is tenant already",
    TOKEN + b"leeway = '1 h'": "leeway: not between 0 s and 5 min",
    TOKEN + b"scope_prefix = ''": "scope_prefix: empty",
    TOKEN.replace(b"keys = 'k.json'", b"keys_url = 'http://i/'"): "keys_url: 'http://i/' is no https address",
    TOKEN.replace(b"keys = 'k.json'", b"keys_url = 'https://u:p@i/'"): "is no https address",
    TOKEN.replace(b"keys = 'k.json'", b"keys_url = 'https://i/#x'"): "is no https address",
    TOKEN.replace(b"keys = 'k.json'", b"keys_url = 'file:///etc'"): "is no https address",
}


def parse(text: bytes, place: Path) -> CredentialSettings:
    return parse_server_file(text, "ostiary.toml", place).credentials


@pytest.mark.parametrize(("kind", "settings"), [(TlsSettings, TLS_SETTINGS), (TokenSettings, TOKEN_SETTINGS)])
def test_every_setting_is_a_field_with_its_default(kind: type, settings: tuple[ServerSetting, ...]) -> None:
    fields = {
        field.name: None if field.default is dataclasses.MISSING else field.default
        for field in dataclasses.fields(kind)
    }
    assert fields == {setting.name: setting.default for setting in settings}


def test_the_whole_file(tmp_path: Path) -> None:
    found = parse(WHOLE, tmp_path)
    assert found.tls is not None
    assert found.token is not None
    assert (found.tls.certificate, found.tls.key) == (tmp_path / "c.pem", Path("/etc/k.pem"))
    assert (found.tls.client_ca, found.tls.version, found.tls.handshakes) == (tmp_path / "ca.pem", "1.3", 64)
    app, other = found.clients.values()
    assert (app.tenant, app.models, app.scopes) == ("acme", {"tiny"}, {Scope.INFER, Scope.METRICS})
    assert (other.tenant, other.models, other.scopes) == ("subject:CN=app,O=Example", None, {Scope.INFER})
    assert (found.token.keys_ca, found.token.algorithms, found.token.leeway) == (tmp_path / "ca.pem", ("ES256",), 0)
    assert found.tell_who_asks


def test_no_secret_that_is_shared_is_an_algorithm() -> None:
    assert not [name for name in ALGORITHMS if name.startswith("HS") or name.lower() == "none"]


@pytest.mark.parametrize("text", [b"", TLS, CLIENTS, TOKEN, WHOLE])
def test_what_is_good_is_good_to_all_readers(text: bytes, tmp_path: Path) -> None:
    parse(text, tmp_path)
    parse_config(text, "ostiary.toml")
    Draft202012Validator(SCHEMA).validate(tomllib.loads(text.decode()))
    assert find_mistakes(text, "ostiary.toml", tmp_path) == ()


@pytest.mark.parametrize("text", BAD)
def test_what_is_wrong_is_told(text: bytes, tmp_path: Path) -> None:
    with pytest.raises(Misuse) as caught:
        parse(text, tmp_path)
    assert caught.value.code == "SETTINGS_MALFORMED"
    assert BAD[text] in caught.value.message
    assert str(tmp_path) not in caught.value.message
    assert find_mistakes(text, "ostiary.toml", tmp_path)


@pytest.mark.parametrize(
    ("text", "is_enough"),
    [(b"", False), (TLS, False), (CLIENTS, False), (CLIENTS + b"[clients.'dns:a']", True), (TOKEN, True)],
)
def test_what_tells_who_asks(text: bytes, is_enough: bool, tmp_path: Path) -> None:
    assert parse(text, tmp_path).tell_who_asks is is_enough
