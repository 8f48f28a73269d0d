"""Keyless signatures cross both ways with the reference and the `sigstore` library, on an instance of our own.

The public instance was never asked: nothing here reaches beyond loopback.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("model_signing")
pytest.importorskip("sigstore")
pytest.importorskip("asn1crypto")

import model_signing.hashing
import model_signing.signing
import model_signing.verifying
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from sigstore.models import Bundle, ClientTrustConfig
from sigstore.verify import Verifier
from sigstore.verify.policy import Identity
from sigstore_instance import AUTHORITY, LOG, Instance
from sigstore_instance.provider import IDENTITY, ISSUER

from ostiary.errors import TrustRefused
from ostiary.record.events import Event
from ostiary.testing import HostilePublisher
from ostiary.trust.annotations import ModelClaims
from ostiary.trust.decide_by_key import NamedSigner, decide_by_key
from ostiary.trust.judge import Verification
from ostiary.trust.keyless import KeylessHolder, open_instance
from ostiary.trust.material import TrustMaterial
from ostiary.trust.sign_model import SignRequest
from ostiary.walks.model_walk import VerifyRequest, sign_model, verify_model

SCHEMAS = Path(__file__).resolve().parents[1] / "vectors" / "oms" / "schemas"
KINDS = [(1, False), (1, True), (2, True)]


def _ignore(_count: int) -> None:
    """Nobody watches."""


@pytest.fixture
def instance(monkeypatch: pytest.MonkeyPatch) -> Iterator[Instance]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")  # the library asks proxies for this machine, too
    with Instance() as started:
        yield started


@pytest.fixture
def model(tmp_path: Path) -> Path:
    model = HostilePublisher(tmp_path).publish_honest()
    (model / "a-b").mkdir()
    (model / "a-b" / "README.md").write_text("# a document\n", encoding="utf-8")
    return model


def sign_here(model: Path, instance: Instance, config: Path) -> Path:
    token = instance.provider.make_token()
    holder = KeylessHolder(open_instance(config.read_bytes()), lambda: token, lambda _session: None)
    claims = ModelClaims(
        model_id="acme/llama", model_version="1.2", signed_at=datetime.now(UTC).replace(microsecond=0)
    )
    request = SignRequest(holder, claims, tree_from_bytes=1_000)
    return sign_model(model, [].append, request, start=_ignore, advance=_ignore).path


def verify_here(model: Path, config: Path, identity: str = IDENTITY) -> Verification:
    now = datetime.now(UTC)
    question = VerifyRequest(
        material=TrustMaterial(use_sigstore=True, sigstore_config=config.read_bytes()),
        decide=lambda evidence: decide_by_key(evidence, now, named=NamedSigner(identity, ISSUER)),
        now=now,
        source="",
    )
    events: list[Event] = []
    return verify_model(model, events.append, question, start=_ignore, advance=_ignore)


def sign_there(model: Path, instance: Instance, config: Path) -> None:
    signature = model / "model.sig"
    hashing = model_signing.hashing.Config().set_ignored_paths(paths=[signature], ignore_git_paths=False)
    signer = model_signing.signing.Config().use_sigstore_signer(
        identity_token=instance.provider.make_token(), trust_config=config
    )
    signer.set_hashing_config(hashing).sign(model, signature)


def verify_there(model: Path, config: Path, identity: str = IDENTITY) -> None:
    verifier = model_signing.verifying.Config().use_sigstore_verifier(
        identity=identity, oidc_issuer=ISSUER, trust_config=config
    )
    verifier.verify(model, model / "model.sig")


@pytest.mark.parametrize(("log_version", "stamps"), KINDS)
def test_the_reference_and_the_library_verify_ours(
    instance: Instance, model: Path, tmp_path: Path, log_version: int, stamps: bool
) -> None:
    config = instance.write_config(tmp_path / "instance.json", log_version=log_version, stamps=stamps)
    data = sign_here(model, instance, config).read_bytes()
    instance.close()
    verify_there(model, config)
    library = Verifier(trusted_root=ClientTrustConfig.from_json(config.read_text()).trusted_root)
    kind, payload = library.verify_dsse(Bundle.from_json(data), Identity(identity=IDENTITY, issuer=ISSUER))
    assert (kind, json.loads(payload)["subject"][0]["name"]) == ("application/vnd.in-toto+json", model.name)
    assert verify_here(model, config).ticket.signers == (f"sigstore:{IDENTITY}",)


@pytest.mark.parametrize(("log_version", "stamps"), KINDS)
def test_ours_verifies_the_references(
    instance: Instance, model: Path, tmp_path: Path, log_version: int, stamps: bool
) -> None:
    config = instance.write_config(tmp_path / "instance.json", log_version=log_version, stamps=stamps)
    sign_there(model, instance, config)
    instance.close()
    verify_there(model, config)
    assert verify_here(model, config).ticket.signers == (f"sigstore:{IDENTITY}",)
    with pytest.raises(TrustRefused):
        verify_here(model, config, "mallory@acme.example")


def test_what_we_ask_is_what_the_library_asks(instance: Instance, model: Path, tmp_path: Path) -> None:
    """Key by key, and header by header where it says something."""
    for log_version in (1, 2):
        config = instance.write_config(tmp_path / "instance.json", log_version=log_version, stamps=True)
        for sign in (sign_here, sign_there):
            sign(model, instance, config)
            (model / "model.sig").unlink()
            (model / "model.chunks.json").unlink(missing_ok=True)
        for service in (AUTHORITY, LOG):
            ours, theirs = instance.list_asked(service)
            assert ours[1] == theirs[1]
            assert list_keys(json.loads(ours[3])) == list_keys(json.loads(theirs[3]))
            for header in ("content-type",):
                assert ours[2][header] == theirs[2][header]
        assert instance.list_asked(AUTHORITY)[0][2].keys() >= {"authorization", "content-type"}
        instance.asked.clear()


def list_keys(value: Any, path: str = "") -> set[str]:
    """Every key that says something, with the way to it."""
    if isinstance(value, dict):
        found = {path}
        for key, item in value.items():
            if item is not None:
                found |= list_keys(item, f"{path}/{key}")
        return found
    if isinstance(value, list):
        return {found for item in value for found in list_keys(item, f"{path}[]")}
    return {path}


@pytest.mark.parametrize(("log_version", "stamps"), KINDS)
def test_what_we_write_follows_the_public_schemas(
    instance: Instance, model: Path, tmp_path: Path, log_version: int, stamps: bool
) -> None:
    config = instance.write_config(tmp_path / "instance.json", log_version=log_version, stamps=stamps)
    value = json.loads(sign_here(model, instance, config).read_bytes())
    schemas = {path.name.partition(".")[0]: json.loads(path.read_text()) for path in SCHEMAS.iterdir()}
    registry: Registry[Any] = Registry().with_resources(
        (schema["$id"], Resource.from_contents(schema)) for schema in schemas.values()
    )
    statement = json.loads(b64decode(value["dsseEnvelope"]["payload"]))
    parts = {"bundle": value, "envelope": value["dsseEnvelope"], "statement": statement}
    parts["predicate"] = statement["predicate"]
    for name, part in parts.items():
        Draft202012Validator(schemas[name], registry=registry).validate(part)
