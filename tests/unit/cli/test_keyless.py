"""`ostiary sign --keyless` from end to end, against a Sigstore instance on loopback."""

from __future__ import annotations

import gc
import io
import json
import logging
import os
import sys
import webbrowser
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.request import ProxyHandler, build_opener

import pytest

pytest.importorskip("sigstore")
pytest.importorskip("asn1crypto")

from forge import make_key
from policy_cases import CI_TABLE, SIGNER_TABLES, policy_text, rule_text
from sigstore_instance import AUTHORITY, LOG, PROVIDER, TIMESTAMPER, Instance, Mode
from sigstore_instance.instance import ELSEWHERE
from sigstore_instance.provider import IDENTITY, ISSUER, IdentityProvider

from ostiary.cli import ui
from ostiary.cli.keyless_options import VARIABLE
from ostiary.cli.main import main
from ostiary.record.begin import open_reader
from ostiary.record.entry import parse_entry
from ostiary.testing import HostilePublisher
from ostiary.trust.bundle import parse_bundle
from ostiary.trust.keyless_config import parse_sigstore_config, read_packaged_config
from ostiary.trust.statement import parse_statement

SIGN = ["sign", "honest", "--keyless", "--sigstore-config", "instance.json"]
UNASKED = [*SIGN, "--publish-identity"]


@dataclass(frozen=True)
class House:
    """A model, the configuration of an instance, a token in the environment, and no build service around."""

    place: Path
    instance: Instance
    patch: pytest.MonkeyPatch
    capture: pytest.CaptureFixture[str]
    log: pytest.LogCaptureFixture

    @property
    def model(self) -> Path:
        return self.place / "honest"

    @property
    def token(self) -> str:
        return os.environ[VARIABLE]

    def set_token(self, **claims: object) -> str:
        self.patch.setenv(VARIABLE, self.instance.provider.make_token(**claims))
        return self.token

    def write_config(self, **wanted: Any) -> None:
        self.instance.write_config(self.place / "instance.json", **wanted)

    def sit_down(self, typed: str) -> None:
        """Somebody is there and types."""
        self.patch.setattr(ui, "is_attended", lambda: True)
        self.patch.setattr(sys, "stdin", io.StringIO(typed))

    def read_out(self) -> tuple[str, str]:
        """What was printed since the last time."""
        shown = self.capture.readouterr()
        return shown.out, shown.err

    def read_record(self) -> list[tuple[str, dict[str, object]]]:
        with open_reader(self.place / "ostiary-state") as reader:
            entries = [parse_entry(body, n) for n, body in reader.read_bodies(0, reader.read_size())]
        return [(entry.kind, dict(entry.data)) for entry in entries]

    def list_files(self) -> set[str]:
        return {path.name for path in self.model.rglob("*")}

    def assert_secret(self, token: str, *texts: str) -> None:
        """No part of the token that is of use is anywhere: printed, logged, recorded or written."""
        for part in (token, token.rpartition(".")[0], token.rpartition(".")[2]):
            assert part
            for text in (*texts, self.log.text):
                assert part not in text
            for path in self.place.rglob("*"):
                assert not path.is_file() or part.encode() not in path.read_bytes(), path


@pytest.fixture
def house(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> Iterator[House]:
    monkeypatch.chdir(tmp_path)
    HostilePublisher(tmp_path).publish_honest()
    monkeypatch.setattr("sigstore.oidc.detect_credential", lambda _audience: None)
    caplog.set_level(logging.DEBUG)
    with Instance() as instance:
        made = House(tmp_path, instance, monkeypatch, capsys, caplog)
        made.write_config()
        made.set_token()
        yield made


def wait_a_second(house: House, mode: Mode) -> None:
    """Instead of a minute, where a service would take for ever."""
    if mode in (Mode.SILENT, Mode.TRICKLING):
        house.patch.setattr("ostiary.trust.keyless_transport.MAX_SERVICE_MS", 1_000)


# --- signing -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("log_version", "stamps"), [(1, False), (1, True), (2, True)])
def test_what_an_identity_signs_names_it(house: House, log_version: int, stamps: bool) -> None:
    house.write_config(log_version=log_version, stamps=stamps)
    token = house.token
    claims = ["--id", "acme/llama", "--model-version", "1.2", "--claim", "license=MIT"]
    assert main([*UNASKED, *claims]) == 0
    out, err = house.read_out()
    assert out == f"model.sig  signed by {IDENTITY}, known to {ISSUER}\n"
    assert f"signing as {IDENTITY}, known to {ISSUER}" in err
    assert "for everybody and for good" in err
    data = (house.model / "model.sig").read_bytes()
    assert data == (json.dumps(json.loads(data), sort_keys=True, separators=(",", ":")) + "\n").encode()
    statement = parse_statement(parse_bundle(data).payload)
    assert (statement.model_id, statement.model_version) == ("acme/llama", "1.2")
    assert statement.claims == {"license": "MIT"}
    kind, recorded = house.read_record()[-1]
    assert (kind, recorded["signer"]) == ("model.signed", f"sigstore:{IDENTITY}")
    assert bool(house.instance.list_asked(TIMESTAMPER)) is stamps
    house.assert_secret(token, out, err)


def test_an_answer_for_machines(house: House) -> None:
    assert main([*UNASKED, "--json"]) == 0
    value = json.loads(house.read_out()[0])
    assert (value["verdict"], value["identity"], value["issuer"]) == ("signed", IDENTITY, ISSUER)


def test_the_token_goes_to_the_authority_alone_and_the_statement_to_the_log(house: House) -> None:
    house.write_config(stamps=True)
    token = house.token
    assert main(UNASKED) == 0
    assert [service for service, *_ in house.instance.asked] == [AUTHORITY, TIMESTAMPER, LOG]
    for service, path, headers, body in house.instance.asked:
        everything = f"{path} {headers} {body!r}"
        assert (token in everything) is (service == AUTHORITY)


def test_the_second_log_is_sent_a_digest_only(house: House) -> None:
    house.write_config(log_version=2, stamps=True)
    assert main(UNASKED) == 0
    (asked,) = house.instance.list_asked(LOG)
    payload = json.loads((house.model / "model.sig").read_bytes())["dsseEnvelope"]["payload"]
    assert payload.encode() not in asked[3]
    assert b"safetensors" not in b64decode(json.loads(asked[3])["hashedRekordRequestV002"]["digest"])


def test_who_signs_again_replaces_his_own_and_nobody_elses(house: House) -> None:
    assert main(UNASKED) == 0
    first = (house.model / "model.sig").read_bytes()
    assert main(UNASKED) == 0
    assert (house.model / "model.sig").read_bytes() != first
    house.set_token(email="other@acme.example")
    assert main(UNASKED) == 0
    assert (house.model / "model.2.sig").exists()
    # The same name from another provider is somebody else.
    house.set_token(iss="https://login.other.example")
    assert main(UNASKED) == 0
    assert (house.model / "model.3.sig").exists()


def test_a_signature_in_the_way_is_told_of_before_anything_is_sent(house: House) -> None:
    assert main(UNASKED) == 0
    (house.model / "README.md").write_text("# another\n", encoding="utf-8")
    signed = (house.model / "model.sig").read_bytes()
    (house.model / "model.sig").rename(house.model / "model.2.sig")
    house.set_token(email="other@acme.example")
    asked = len(house.instance.asked)
    assert main(UNASKED) == 2
    assert len(house.instance.asked) == asked
    assert (house.model / "model.2.sig").read_bytes() == signed


def test_a_model_that_intake_refuses_is_not_signed_and_nothing_is_sent(house: House) -> None:
    (house.model / "evil.py").write_text("import os", encoding="utf-8")
    assert main(UNASKED) == 3
    assert house.instance.asked == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_takes_no_file_is_told_of_before_anything_is_sent(house: House) -> None:
    house.model.chmod(0o500)
    try:
        assert main(UNASKED) == 4
    finally:
        house.model.chmod(0o700)
    assert house.instance.asked == []


def test_a_place_that_is_not_there(house: House) -> None:
    assert main([*UNASKED, "--output", "nowhere/model.sig"]) == 4
    assert house.instance.asked == []


# --- verifying -----------------------------------------------------------------------------------------------------

VERIFY = ["verify", "honest", "--sigstore-config", "instance.json"]


def test_what_was_signed_verifies_for_its_identity_and_provider(house: House) -> None:
    assert main([*UNASKED, "--id", "acme/llama"]) == 0
    house.instance.close()
    assert main([*VERIFY, "--identity", IDENTITY, "--issuer", ISSUER, "--id", "acme/llama"]) == 0
    assert IDENTITY in house.read_out()[0].partition("verified")[2]
    assert main([*VERIFY, "--identity", "mallory@acme.example", "--issuer", ISSUER]) == 3
    assert main([*VERIFY, "--identity", IDENTITY, "--issuer", "https://mallory.example"]) == 3
    assert main(["verify", "honest", "--identity", IDENTITY, "--issuer", ISSUER]) == 3  # by the public instance
    (house.model / "README.md").write_text("# another\n", encoding="utf-8")
    assert main([*VERIFY, "--identity", IDENTITY, "--issuer", ISSUER]) == 3


@pytest.mark.parametrize(("identity", "status"), [(IDENTITY, 0), ("mallory@acme.example", 3)])
def test_a_policy_that_believes_an_identity(house: House, identity: str, status: int) -> None:
    assert main([*UNASKED, "--id", "acme/llama", "--model-version", "1.2"]) == 0
    named = f'[signers.release]\nkind = "sigstore"\nidentity = "{identity}"\nissuer = "{ISSUER}"\n\n'
    rule = rule_text(signers='["release"]', sources='["anywhere"]')
    text = policy_text(rule, head="").decode().replace(SIGNER_TABLES + CI_TABLE, named)
    (house.place / "policy.toml").write_text(text, encoding="utf-8")
    assert main([*VERIFY, "--policy", "policy.toml"]) == status


def test_a_configuration_says_nothing_about_keys(house: House) -> None:
    (house.place / "alice.pub").write_bytes(make_key(1).public_key.pem)
    assert main([*VERIFY, "--key", "alice.pub"]) == 2
    assert "nobody is named who makes any" in house.read_out()[1]


@pytest.mark.parametrize("data", ["", "{}", "[[[[", '{"mediaType": 1, "mediaType": 1}', "x" * 600_000])
def test_a_configuration_that_is_none_is_the_operators_mistake(house: House, data: str) -> None:
    """Not the model's: nothing is recorded against it."""
    (house.place / "instance.json").write_text(data, encoding="utf-8")
    for words in (UNASKED, [*VERIFY, "--identity", IDENTITY, "--issuer", ISSUER]):
        assert main(words) == 2
        assert "KEY_UNUSABLE: instance.json" in house.read_out()[1]
    assert not [kind for kind, _ in house.read_record() if kind == "model.refused"]


def test_a_configuration_that_is_not_there(house: House) -> None:
    (house.place / "instance.json").unlink()
    assert main(UNASKED) == 2
    assert "KEY_UNUSABLE: instance.json" in house.read_out()[1]


# --- asking --------------------------------------------------------------------------------------------------------


def test_somebody_is_asked_and_shown_before_anything_is_sent(house: House) -> None:
    house.sit_down("no\n")
    assert main(SIGN) == 2
    shown = house.read_out()[1]
    assert f"signing as {IDENTITY}" in shown
    assert "for everybody and for good" in shown
    assert house.instance.asked == []
    assert not (house.model / "model.sig").exists()
    house.sit_down("yes\n")
    assert main(SIGN) == 0


def test_where_nobody_can_be_asked_it_must_be_said(house: House) -> None:
    assert main(SIGN) == 2
    assert "--publish-identity" in house.read_out()[1]
    assert house.instance.asked == []
    assert not (house.place / "ostiary-state").exists()  # not even a model was read


@pytest.mark.parametrize(
    "words",
    [
        ["sign", "honest", "--key", "k", "--publish-identity"],
        ["sign", "honest", "--key", "k", "--identity-token-fd", "0"],
        ["sign", "honest", "--key", "k", "--sigstore-config", "instance.json"],
        ["sign", "honest", "--key", "k", "--identity", "x"],
        [*UNASKED, "--certificate", "c.pem"],
        [*UNASKED, "--passphrase-fd", "0"],
        [*UNASKED, "--keyring"],
        [*UNASKED, "--key", "k"],
        ["sign", "honest", "--keyless", "--identity-token", "secret"],
    ],
)
def test_options_that_do_not_go_together(house: House, words: list[str]) -> None:
    assert main(words) == 2
    assert "USAGE" in house.read_out()[1]


# --- where tokens come from ----------------------------------------------------------------------------------------


def test_a_token_from_a_descriptor_comes_before_the_environment(house: House) -> None:
    read, write = os.pipe()
    os.write(write, f"{house.instance.provider.make_token(email='fd@acme.example')}\n".encode())
    os.close(write)
    assert main([*UNASKED, "--identity-token-fd", str(read)]) == 0
    assert "signed by fd@acme.example" in house.read_out()[0]


def test_a_descriptor_that_holds_too_much(house: House) -> None:
    (house.place / "token").write_text("x" * 20_000, encoding="utf-8")
    descriptor = os.open(house.place / "token", os.O_RDONLY)
    assert main([*UNASKED, "--identity-token-fd", str(descriptor)]) == 2
    assert "too long" in house.read_out()[1]


def make_build_service(house: House) -> None:
    """As on GitHub, with the library's own way of finding the token."""
    import id as ambient

    house.patch.delenv(VARIABLE)
    house.patch.setattr("sigstore.oidc.detect_credential", ambient.detect_credential)
    house.patch.setenv("GITHUB_ACTIONS", "true")
    house.patch.setenv("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "request-secret")
    house.patch.setenv("ACTIONS_ID_TOKEN_REQUEST_URL", f"{house.instance.address(PROVIDER)}/ambient?v=1")


def test_a_token_of_the_build_service(house: House) -> None:
    make_build_service(house)
    assert main(UNASKED) == 0
    assert f"signed by {IDENTITY}" in house.read_out()[0]
    assert "audience=sigstore" in house.instance.list_asked(PROVIDER)[0][1]


@pytest.mark.parametrize("mode", [Mode.FAILING, Mode.ECHOING, Mode.GARBAGE, Mode.DOWN])
def test_a_build_service_that_gives_no_token(house: House, mode: Mode) -> None:
    house.instance.modes[PROVIDER] = mode
    make_build_service(house)
    assert main(["--debug", *UNASKED]) == 4
    shown = house.read_out()[1]
    assert "SIGNER_FAILED" in shown
    assert "request-secret" not in shown


def test_no_token_and_nobody_to_log_in(house: House) -> None:
    house.patch.delenv(VARIABLE)
    assert main(UNASKED) == 2
    assert "KEY_LOCKED" in house.read_out()[1]


@pytest.fixture
def login() -> Iterator[None]:
    """The library leaves the socket of its little server to the garbage collector, which comes here."""
    yield
    gc.collect()


def read_page(url: str) -> str:
    with build_opener(ProxyHandler({})).open(url) as page:
        return str(page.read().decode())


def visit(url: str) -> bool:
    """A browser in which somebody is logged in already."""
    Thread(target=read_page, args=(url,)).start()
    return True


LOGIN = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning")
LOGS_IN = pytest.mark.usefixtures("login")


@LOGIN
@LOGS_IN
def test_a_login_in_a_browser(house: House) -> None:
    house.patch.delenv(VARIABLE)
    made: list[str] = []
    make_token = house.instance.provider.make_token
    house.patch.setattr(house.instance.provider, "make_token", lambda: made.append(make_token()) or made[-1])
    house.patch.setattr(webbrowser, "open", visit)
    house.sit_down("yes\n")
    assert main(SIGN) == 0
    out, err = house.read_out()
    assert f"signed by {IDENTITY}" in out
    house.assert_secret(made[0], out, err)


@LOGIN
@LOGS_IN
def test_a_login_elsewhere_with_a_code(house: House) -> None:
    house.patch.delenv(VARIABLE)
    house.sit_down("yes\n")

    def type_code(_prompt: str) -> str:
        link = next(word for word in house.read_out()[1].split() if word.startswith("http"))
        return read_page(link)

    house.patch.setattr("builtins.input", type_code)
    assert main([*SIGN, "--no-browser"]) == 0


@LOGIN
@LOGS_IN
@pytest.mark.parametrize("mode", [Mode.DOWN, Mode.SILENT, Mode.TRICKLING, Mode.GARBAGE, Mode.OVERSIZE, Mode.EMPTY])
def test_a_provider_that_does_not_do_its_part(house: House, mode: Mode) -> None:
    wait_a_second(house, mode)
    house.patch.delenv(VARIABLE)
    house.instance.modes[PROVIDER] = mode
    house.write_config()
    house.sit_down("yes\n")
    assert main(SIGN) == 4
    is_away = mode in (Mode.DOWN, Mode.SILENT, Mode.TRICKLING)
    assert ("SOURCE_UNREACHABLE" if is_away else "SIGNER_FAILED") in house.read_out()[1]


@LOGIN
@LOGS_IN
@pytest.mark.parametrize("bent", ["endpoint", "token", "no token"])
def test_a_provider_whose_words_are_wrong(house: House, bent: str) -> None:
    def bend(service: str, answer: dict[str, str]) -> dict[str, str]:
        if service == PROVIDER and bent == "endpoint":
            return {**answer, "authorization_endpoint": "http://login.acme.example/authorize"}
        if service == "token":
            return {"error": "secret-words"} if bent == "no token" else {"access_token": "not.a.token"}
        return answer

    house.patch.delenv(VARIABLE)
    house.instance.bend_answer = bend
    house.sit_down("yes\n")
    house.patch.setattr(webbrowser, "open", visit)
    assert main(["--debug", *SIGN]) == 4
    shown = house.read_out()[1]
    assert "SIGNER_FAILED" in shown
    assert "secret-words" not in shown


# --- services that fail --------------------------------------------------------------------------------------------

AWAY = (Mode.DOWN, Mode.SILENT, Mode.TRICKLING)


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("service", [AUTHORITY, TIMESTAMPER, LOG])
def test_a_service_that_does_not_do_its_part(house: House, service: str, mode: Mode) -> None:
    """A typed error, nothing written, nothing recorded as signed, the token nowhere; not even with --debug."""
    wait_a_second(house, mode)
    house.instance.modes[service] = mode
    house.write_config(stamps=True)
    before, token = house.list_files(), house.token
    assert main(["--debug", *UNASKED, "--json"]) == 4
    out, err = house.read_out()
    error = json.loads(out)["error"]
    assert error["code"] == ("SOURCE_UNREACHABLE" if mode in AWAY else "SIGNER_FAILED")
    assert ("answered more than" in error["message"]) is (mode is Mode.OVERSIZE)
    assert house.list_files() == before
    assert "model.signed" not in [kind for kind, _ in house.read_record()]
    assert house.instance.list_asked(ELSEWHERE) == []
    house.assert_secret(token, out, err)


@pytest.mark.parametrize("service", [AUTHORITY, LOG])
def test_an_answer_that_quotes_the_token_is_not_passed_on(house: House, service: str) -> None:
    token = house.token
    house.instance.bend_answer = lambda asked, answer: {token: token, "a": token} if asked == service else answer
    assert main(["--debug", *UNASKED]) == 4
    out, err = house.read_out()
    house.assert_secret(token, out, err)


# --- tokens and configurations that are of no use ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"exp": 1_000_000}, "has expired"),
        ({"nbf": 9_000_000_000}, "does not hold yet"),
        ({"exp": None}, "does not say when it ends"),
        ({"exp": True}, "does not say when it ends"),
        ({"exp": 10**30}, "is not one"),
        ({"exp": "soon"}, "does not say when it ends"),
        ({"aud": "kubernetes"}, "another audience"),
        ({"aud": None}, "another audience"),
        ({"iss": None}, "who made it"),
        ({"iss": 7}, "who made it"),
        ({"email": None, "sub": None}, "whose it is"),
        ({"email": "x" * 2_000}, "too long a name"),
    ],
)
def test_a_token_that_is_of_no_use(house: House, claims: dict[str, object], words: str) -> None:
    token = house.set_token(**claims)
    assert main(["--debug", *UNASKED]) == 2
    shown = house.read_out()[1]
    assert "KEY_UNUSABLE" in shown
    assert words in shown
    assert house.instance.asked == []
    assert not (house.place / "ostiary-state").exists()  # before a model was read
    house.assert_secret(token, shown)


@pytest.mark.parametrize(
    "token", ["", "secret", "secret.secret", "a.b.c.d", "a.!.c", "a.bm8.c", "\x00.x.x", "é.é.é"]
)
def test_a_token_that_is_none(house: House, token: str) -> None:
    if "\x00" not in token:
        house.patch.setenv(VARIABLE, token)
    else:
        (house.place / "token").write_text(token, encoding="utf-8")
    words = [] if "\x00" not in token else ["--identity-token-fd", str(os.open(house.place / "token", os.O_RDONLY))]
    assert main(["--debug", *UNASKED, *words]) == 2
    shown = house.read_out()[1]
    assert "KEY_UNUSABLE" in shown
    assert "secret" not in shown


def test_a_token_that_expires_while_the_model_is_read(house: House) -> None:
    class Later(datetime):
        """The clock of the moment after the reading."""

        @classmethod
        def now(cls, _zone: object = None) -> datetime:  # type: ignore[override]
            return datetime(2999, 1, 1, tzinfo=UTC)

    house.patch.setattr("ostiary.trust.keyless.datetime", Later)
    assert main(UNASKED) == 2
    assert "has expired" in house.read_out()[1]
    assert house.instance.asked == []


def test_a_token_that_the_authority_does_not_take(house: House) -> None:
    house.patch.setenv(VARIABLE, IdentityProvider(9).make_token())
    assert main(UNASKED) == 4
    shown = house.read_out()[1]
    assert "answered with status 401" in shown
    assert "fresh identity token" in shown


def test_the_public_instance_is_the_one_without_a_configuration() -> None:
    public = parse_sigstore_config(read_packaged_config())
    assert public.hosts == ("fulcio.sigstore.dev", "rekor.sigstore.dev")
    assert public.provider is not None
    assert public.provider.host == "oauth2.sigstore.dev"


def test_the_extra_is_missing(house: House) -> None:
    house.patch.setitem(sys.modules, "sigstore", None)
    assert main(UNASKED) == 2
    shown = house.read_out()[1]
    assert "EXTRA_MISSING" in shown
    assert "ostiary[sigstore]" in shown
