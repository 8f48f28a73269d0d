"""docs/admission.md, on certificates and tokens: its settings are taken, its command says what it shows, its events exist."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from page_tools import find_section, fits
from tls_forge import DAY, make_authority, make_certificate, make_client
from token_forge import NOW, RULES, make_set, make_signer

from ostiary.cli.main import main
from ostiary.core.limits import MAX_JWKS_BYTES, MAX_JWKS_MS, MAX_JWT_CHARACTERS, MIN_JWKS_GAP_MS, MIN_JWKS_KEY_BITS
from ostiary.errors import CODES
from ostiary.gateway.authenticators import Peer, Shown
from ostiary.gateway.client_certificates import CertifiedClients
from ostiary.gateway.settings_file import parse_server_file
from ostiary.gateway.token_settings import TOKEN_SETTINGS
from ostiary.record.events import EVENT_TYPES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "admission.md").read_text(encoding="utf-8")
TLS, TOKENS = find_section(PAGE, "TLS and certificates"), find_section(PAGE, "Tokens")


def find_settings(section: str) -> list[bytes]:
    return [text.encode() for text in re.findall(r"```toml\n(.*?)```", section, re.DOTALL)]


def test_the_settings_are_taken(tmp_path: Path) -> None:
    plain, mutual = find_settings(TLS)
    (token,) = find_settings(TOKENS)
    for text in (plain, mutual, token):
        assert tomllib.loads(text.decode())
    assert parse_server_file(plain, "ostiary.toml", tmp_path).credentials.tls is not None
    assert len(parse_server_file(mutual, "ostiary.toml", tmp_path).credentials.clients) == 2
    assert parse_server_file(token, "ostiary.toml", tmp_path).credentials.tell_who_asks


def test_the_check_says_what_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ostiary.toml").write_bytes(find_settings(TLS)[0])
    made = make_certificate("server", make_authority(), hosts=("models.example.org",), ends=90 * DAY)
    made.write(tmp_path / "server.pem", tmp_path / "server.key")
    monkeypatch.setenv("COLUMNS", "200")
    assert main(["config", "check", "--config", "ostiary.toml"]) == 0
    said = re.sub(r"\n +", "\n      ", capfd.readouterr().out)
    shown = re.search(r"```console\n\$ ostiary config check[^\n]*\n(.*?)```", TLS, re.DOTALL)
    assert shown is not None
    told = next(line.strip() for line in shown[1].splitlines() if "TRIED" in line)
    assert fits(told, " ".join(said[said.index("TRIED") :].split("\n\n")[0].split())), said


def test_who_the_tables_name(tmp_path: Path) -> None:
    entries = parse_server_file(find_settings(TLS)[1], "ostiary.toml", tmp_path).credentials.clients
    clients = CertifiedClients(entries, lambda: 0)
    app = make_certificate("any", make_authority(), hosts=("APP.example.org",))
    ops = make_certificate("ops", make_authority(), organization="Example")
    found = clients.find(Shown("", Peer(app.der)))
    assert found is not None
    assert (found.tenant, found.models) == ("acme", {"llama"})
    found = clients.find(Shown("", Peer(ops.der)))
    assert found is not None
    assert found.tenant == "subject:CN=ops,O=Example"
    assert make_client().der


def test_the_events_and_codes_exist() -> None:
    named = set(re.findall(r"`((?:certificate|token_keys)\.\w+)`", TLS + TOKENS))
    assert named == {kind for kind in EVENT_TYPES if kind.startswith(("certificate.", "token_keys."))}
    for code in re.findall(r"`((?:ADMISSION|SERVER)_[A-Z]+)`", TLS + TOKENS):
        assert code in CODES


def test_the_numbers_are_those_of_the_house() -> None:
    defaults = {setting.name: setting.default for setting in TOKEN_SETTINGS}
    assert (defaults["leeway"], defaults["longest"], defaults["keys_time"]) == (30, 86_400, 900)
    assert (MIN_JWKS_GAP_MS, MAX_JWKS_MS, MAX_JWKS_BYTES) == (30_000, 10_000, 256 << 10)
    assert f"{int(MAX_JWT_CHARACTERS):,} characters" in TOKENS
    assert f"{int(MIN_JWKS_KEY_BITS):,} bits" in TOKENS


def test_every_claim_that_the_page_names_is_needed() -> None:
    pytest.importorskip("jwt")
    from token_forge import CLAIMS

    from ostiary.errors import AdmissionRefused
    from ostiary.gateway.token_keys import parse_token_keys
    from ostiary.gateway.tokens import verify_token

    signer = make_signer("ES256")
    keys = parse_token_keys(make_set(signer))
    for name in ("iss", "aud", "exp", "sub"):
        assert f"| `{name}` |" in TOKENS
        with pytest.raises(AdmissionRefused):
            verify_token(signer.make({k: v for k, v in CLAIMS.items() if k != name}), keys, RULES, NOW)
