"""Keyless signing: what services answer is believed only as far as it holds, and a configuration as far as it is one."""

from __future__ import annotations

import json
import traceback
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sigstore")
pytest.importorskip("asn1crypto")

from cryptography.x509.oid import ExtendedKeyUsageOID
from forge import CLAIMS, make_manifest
from sigstore_instance import AUTHORITY, LOG, TIMESTAMPER, Instance
from sigstore_instance.authority import CertificateAuthority, make_native
from sigstore_instance.log import TransparencyLog
from sigstore_instance.provider import IDENTITY, ISSUER, IdentityProvider
from sigstore_instance.timestamper import TimestampAuthority

from ostiary.errors import Misuse, OstiaryError, SignerFailed, TrustRefused
from ostiary.trust.bundle import parse_bundle
from ostiary.trust.decide_by_key import NamedSigner, decide_by_key
from ostiary.trust.keyless import CLIENT_ID, KeylessHolder, open_instance
from ostiary.trust.keyless_config import parse_sigstore_config
from ostiary.trust.keyless_token import parse_identity_token
from ostiary.trust.material import TrustMaterial
from ostiary.trust.sign import MadeSignature, write_payload
from ostiary.trust.verify import SignatureFile, verify_manifest

Bend = Callable[[Any], object]
PAYLOAD = write_payload(make_manifest(), CLAIMS)


@pytest.fixture
def instance() -> Iterator[Instance]:
    with Instance() as started:
        yield started


def render(config: object) -> bytes:
    return json.dumps(config).encode()


def sign(
    instance: Instance, config: bytes | None = None, *, identity: str | None = None, **claims: object
) -> MadeSignature:
    token = instance.provider.make_token(**claims)
    opened = open_instance(config or render(instance.describe()))
    holder = KeylessHolder(opened, lambda: token, lambda _session: None, CLIENT_ID, identity)
    assert token not in repr(holder)
    session = holder.open_session()
    assert token not in repr(session)
    try:
        return session.sign_payload(PAYLOAD)
    except OstiaryError as error:
        assert_silent(error, token)
        raise


def assert_silent(error: BaseException, token: str) -> None:
    """Neither the error nor anything that it carries along holds the token."""
    told = "".join(traceback.format_exception(error))
    held: BaseException | None = error
    while held is not None:
        told += f"{held!r} {held} {held.args}"
        held = held.__cause__ or held.__context__
    for part in (token, token.rpartition(".")[0], token.rpartition(".")[2]):
        assert part not in told


def verify(data: bytes, config: bytes, identity: str = IDENTITY, issuer: str = ISSUER) -> None:
    material = TrustMaterial(use_sigstore=True, sigstore_config=config)
    now = datetime.now(UTC)
    evidence = verify_manifest(make_manifest(), [SignatureFile("model.sig", data)], material, now)
    decide_by_key(evidence, now, named=NamedSigner(identity, issuer))


# --- what is signed verifies, for whom it names --------------------------------------------------------------------


@pytest.mark.parametrize(("log_version", "stamps"), [(1, False), (1, True), (2, True)])
def test_what_is_signed_verifies_offline_for_whom_it_names_alone(
    instance: Instance, log_version: int, stamps: bool
) -> None:
    config = render(instance.describe(log_version=log_version, stamps=stamps))
    made = sign(instance, config)
    instance.close()  # nobody can be asked any more
    verify(made.data, config)
    for identity, issuer in ((IDENTITY, "https://other.example"), ("other@acme.example", ISSUER)):
        with pytest.raises(TrustRefused) as caught:
            verify(made.data, config, identity, issuer)
        assert caught.value.code == "TRUST_WRONG_SIGNER"
    assert parse_bundle(made.data).payload == PAYLOAD


def test_another_instance_is_not_believed_in_the_place_of_this_one(instance: Instance) -> None:
    made = sign(instance)
    with Instance() as other:
        other.authority, other.log = CertificateAuthority(7), TransparencyLog(8)
        config = render(other.describe())
    for roots in (config, None):
        material = TrustMaterial(use_sigstore=True, sigstore_config=roots)
        with pytest.raises(TrustRefused) as caught:
            verify_manifest(make_manifest(), [SignatureFile("model.sig", made.data)], material, datetime.now(UTC))
        assert caught.value.code == "TRUST_BAD_SIGNATURE"


# --- certificates --------------------------------------------------------------------------------------------------

CERTIFICATES: dict[str, tuple[Bend, str]] = {
    "another identity": (lambda f: f.update(identity="mallory@acme.example"), "does not name"),
    "another provider": (lambda f: f.update(issuer="https://mallory.example"), "does not name"),
    "another key": (lambda f: f.update(key=make_native(99).public_key()), "not for this key"),
    "for servers": (lambda f: f.update(purpose=ExtendedKeyUsageOID.SERVER_AUTH), "not for signing code"),
    "in no log": (lambda f: f.update(log_key=None), "does not hold"),
    "in a strange log": (lambda f: f.update(log_key=make_native(98)), "does not hold"),
    "of last year": (
        lambda f: f.update(begins=f["begins"] - timedelta(days=9), ends=f["ends"] - timedelta(days=9)),
        "does not hold",
    ),
}


@pytest.mark.parametrize("bent", CERTIFICATES)
def test_a_certificate_that_is_not_right(instance: Instance, bent: str) -> None:
    instance.authority.bend, words = CERTIFICATES[bent]
    with pytest.raises(SignerFailed, match=words):
        sign(instance)
    # Before the log was told, where the certificate itself says that it is wrong.
    assert bool(instance.list_asked(LOG)) is (words == "does not hold")


def test_a_certificate_of_a_strange_authority(instance: Instance) -> None:
    config = render(instance.describe())
    instance.authority = CertificateAuthority(7)
    with pytest.raises(SignerFailed, match="does not hold"):
        sign(instance, config)


@pytest.mark.parametrize(
    "answer",
    [
        b"null",
        b"[]",
        b'{"signedCertificateEmbeddedSct": null}',
        b'{"signedCertificateEmbeddedSct": {"chain": {"certificates": []}}}',
        b'{"signedCertificateEmbeddedSct": {"chain": {"certificates": [7]}}}',
        b'{"signedCertificateEmbeddedSct": {"chain": {"certificates": ["-----BEGIN"]}}}',
        b'{"signedCertificateEmbeddedSct": {"chain": {"certificates": ["x"]}}, "signedCertificateEmbeddedSct": 1}',
        b"[" * 100_000,
    ],
)
def test_an_answer_that_is_no_certificate(instance: Instance, answer: bytes) -> None:
    instance.bend_answer = lambda service, honest: answer if service == AUTHORITY else honest
    with pytest.raises(SignerFailed):
        sign(instance)


# --- the log -------------------------------------------------------------------------------------------------------


def entry_of(answer: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = next(iter(answer.values()))
    return entry


def proof_of(answer: dict[str, Any]) -> dict[str, Any]:
    proof: dict[str, Any] = entry_of(answer)["verification"]["inclusionProof"]
    return proof


ENTRIES: dict[str, Bend] = {
    "a later time": lambda a: entry_of(a).update(integratedTime=entry_of(a)["integratedTime"] + 3_600),
    "no time": lambda a: entry_of(a).pop("integratedTime"),
    "a time that is text": lambda a: entry_of(a).update(integratedTime="now"),
    "another body": lambda a: entry_of(a).update(body=b64encode(b"{}").decode()),
    "no body": lambda a: entry_of(a).pop("body"),
    "another promise": lambda a: entry_of(a)["verification"].update(signedEntryTimestamp="AAAA"),
    "no promise": lambda a: entry_of(a)["verification"].pop("signedEntryTimestamp"),
    "no proof": lambda a: entry_of(a)["verification"].pop("inclusionProof"),
    "a shorter proof": lambda a: proof_of(a)["hashes"].pop(),
    "a proof of something else": lambda a: proof_of(a)["hashes"].reverse(),
    "another root": lambda a: proof_of(a).update(rootHash="00" * 32),
    "a root that is no digest": lambda a: proof_of(a).update(rootHash="zz"),
    "no checkpoint": lambda a: proof_of(a).update(checkpoint=""),
    "too many hashes": lambda a: proof_of(a).update(hashes=["00" * 32] * 65),
    "two entries": lambda a: a.update(second=entry_of(a)),
    "a negative index": lambda a: proof_of(a).update(logIndex=-1),
    "a yes for an index": lambda a: entry_of(a).update(logIndex=True),
    "another log": lambda a: entry_of(a).update(logID="11" * 32),
}


@pytest.mark.parametrize("bent", ENTRIES)
def test_an_entry_that_is_not_right(instance: Instance, bent: str) -> None:
    def bend(service: str, answer: dict[str, Any]) -> dict[str, Any]:
        if service == LOG:
            ENTRIES[bent](answer)
        return answer

    instance.bend_answer = bend
    with pytest.raises(SignerFailed):
        sign(instance)


NEWER: dict[str, Bend] = {
    "no proof": lambda a: a.pop("inclusionProof"),
    "an unknown field": lambda a: a.update(more=1),
    "another body": lambda a: a.update(canonicalizedBody=b64encode(b"{}").decode()),
    "another kind": lambda a: a.update(kindVersion={"kind": "dsse", "version": "0.0.1"}),
    "another root": lambda a: a["inclusionProof"].update(rootHash="AAAA"),
}


@pytest.mark.parametrize("bent", NEWER)
def test_an_entry_of_the_second_log_that_is_not_right(instance: Instance, bent: str) -> None:
    def bend(service: str, answer: dict[str, Any]) -> dict[str, Any]:
        if service == LOG:
            NEWER[bent](answer)
        return answer

    instance.bend_answer = bend
    with pytest.raises(SignerFailed):
        sign(instance, render(instance.describe(log_version=2, stamps=True)))


def test_an_entry_by_a_strange_log(instance: Instance) -> None:
    config = render(instance.describe())
    instance.log = TransparencyLog(9)
    with pytest.raises(SignerFailed, match="does not hold"):
        sign(instance, config)


# --- time ----------------------------------------------------------------------------------------------------------


def test_a_timestamp_by_a_stranger_is_noticed_though_the_log_gives_the_time(instance: Instance) -> None:
    config = render(instance.describe(stamps=True))
    instance.timestamper = TimestampAuthority(20)
    with pytest.raises(SignerFailed, match="does not hold"):
        sign(instance, config)


def test_a_timestamp_for_something_else(instance: Instance) -> None:
    kept: list[bytes] = []
    instance.bend_answer = lambda service, answer: (
        (kept.append(answer) or kept[0]) if service == TIMESTAMPER else answer
    )
    config = render(instance.describe(stamps=True))
    sign(instance, config)
    with pytest.raises(SignerFailed, match="no timestamp for this signature"):
        sign(instance, config)


def test_a_timestamp_that_answers_another_question(instance: Instance) -> None:
    instance.timestamper.nonce_added = 1
    with pytest.raises(SignerFailed, match="no timestamp for this signature"):
        sign(instance, render(instance.describe(stamps=True)))


# --- who the token names -------------------------------------------------------------------------------------------

WORKFLOW = "acme/models/.github/workflows/release.yml@refs/heads/main"
PEOPLE: dict[str, tuple[dict[str, object], str, str]] = {
    "a person": ({}, IDENTITY, ISSUER),
    "a machine": ({"email": None, "sub": "spiffe://acme.example/x"}, "spiffe://acme.example/x", ISSUER),
    "a person behind a provider": (
        {"federated_claims": {"connector_id": "https://accounts.google.com"}},
        IDENTITY,
        "https://accounts.google.com",
    ),
    "a workflow of GitHub": (
        {"email": None, "job_workflow_ref": WORKFLOW},
        f"https://github.com/{WORKFLOW}",
        ISSUER,
    ),
    "a pipeline of GitLab": (
        {"ci_config_ref_uri": "gitlab.com/a/b//.gitlab-ci.yml@refs/heads/main"},
        "https://gitlab.com/a/b//.gitlab-ci.yml@refs/heads/main",
        ISSUER,
    ),
    "for two audiences": ({"aud": ["other", "sigstore"]}, IDENTITY, ISSUER),
}


@pytest.mark.parametrize("who", PEOPLE)
def test_whom_a_token_names(who: str) -> None:
    claims, identity, issuer = PEOPLE[who]
    token = parse_identity_token(IdentityProvider().make_token(**claims), CLIENT_ID)
    assert (token.identity, token.issuers[0]) == (identity, issuer)


def test_a_workflow_signs_under_its_own_name(instance: Instance) -> None:
    instance.identity_of = lambda claims: f"https://github.com/{claims['job_workflow_ref']}"
    made = sign(instance, email=None, job_workflow_ref=WORKFLOW)
    assert made.signer.identity == f"https://github.com/{WORKFLOW}"


def test_a_name_that_the_token_does_not_tell_is_named_by_hand(instance: Instance) -> None:
    instance.identity_of = lambda _claims: "https://kubernetes.io/namespaces/a/serviceaccounts/b"
    with pytest.raises(SignerFailed, match="does not name"):
        sign(instance)
    named = "https://kubernetes.io/namespaces/a/serviceaccounts/b"
    assert sign(instance, identity=named).signer.identity == named


# --- configurations ------------------------------------------------------------------------------------------------


def signing(config: dict[str, Any]) -> dict[str, Any]:
    value: dict[str, Any] = config["signingConfig"]
    return value


CONFIGS: dict[str, Bend] = {
    "no media type": lambda c: c.pop("mediaType"),
    "another media type": lambda c: c.update(mediaType="application/json"),
    "an unknown field": lambda c: c.update(more=1),
    "an unknown field within": lambda c: signing(c).update(more=1),
    "an unknown field of a service": lambda c: signing(c)["caUrls"][0].update(token="x"),  # noqa: S106
    "no authority": lambda c: signing(c).update(caUrls=[]),
    "no log": lambda c: signing(c).update(rekorTlogUrls=[]),
    "a log of tomorrow": lambda c: signing(c)["rekorTlogUrls"][0].update(
        validFor={"start": "2999-01-01T00:00:00Z"}
    ),
    "an authority of yesterday": lambda c: signing(c)["caUrls"][0].update(
        validFor={"start": "2001-01-01T00:00:00Z", "end": "2002-01-01T00:00:00Z"}
    ),
    "a log of the third version": lambda c: signing(c)["rekorTlogUrls"][0].update(majorApiVersion=3),
    "a second log without a time": lambda c: signing(c)["rekorTlogUrls"][0].update(majorApiVersion=2),
    "an authority in the clear": lambda c: signing(c)["caUrls"][0].update(url="http://fulcio.example"),
    "a provider in the clear": lambda c: signing(c)["oidcUrls"][0].update(url="http://login.example"),
    "a file for a service": lambda c: signing(c)["caUrls"][0].update(url="file:///etc/passwd"),
    "an address with a password": lambda c: signing(c)["caUrls"][0].update(url="https://a:b@fulcio.example"),
    "an address with a line break": lambda c: signing(c)["caUrls"][0].update(url="https://fulcio.example/\r\nA: b"),
    "an address that is none": lambda c: signing(c)["rekorTlogUrls"][0].update(url="https://[::1"),
    "a query": lambda c: signing(c)["caUrls"][0].update(url="https://fulcio.example/?to=elsewhere"),
    "more services than there are": lambda c: signing(c).update(tsaConfig={"selector": "EXACT", "count": 3}),
    "no roots": lambda c: c.pop("trustedRoot"),
    "no certificates": lambda c: c["trustedRoot"].update(certificateAuthorities=[]),
    "no logs to check with": lambda c: c["trustedRoot"].update(tlogs=[]),
    "a root that is none": lambda c: c["trustedRoot"]["certificateAuthorities"][0]["certChain"]["certificates"][
        0
    ].update(rawBytes="AAAA"),
}


@pytest.mark.parametrize("bent", CONFIGS)
def test_a_configuration_that_is_not_right(bent: str) -> None:
    config = Instance().close().describe()
    CONFIGS[bent](config)
    with pytest.raises(TrustRefused) as caught:
        open_instance(render(config))
    assert caught.value.code == "TRUST_MALFORMED"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "TRUST_MALFORMED"),
        (b"{}", "TRUST_MALFORMED"),
        (b"\xff\xfe", "TRUST_MALFORMED"),
        (b"[" * 50_000, "TRUST_TOO_LARGE"),
        (b'{"mediaType": 1, "mediaType": 2}', "TRUST_MALFORMED"),
        (b'{"mediaType": "' + b"x" * 600_000 + b'"}', "TRUST_TOO_LARGE"),
    ],
)
def test_a_configuration_that_cannot_be_read(data: bytes, code: str) -> None:
    with pytest.raises(TrustRefused) as caught:
        open_instance(data)
    assert caught.value.code == code


def test_what_is_signed_anyway_may_come_over_a_plain_connection() -> None:
    """Timestamp authorities mostly answer so; nobody can change what is signed."""
    config = Instance().close().describe(stamps=True)
    signing(config)["tsaUrls"][0]["url"] = "http://timestamp.acme.example/tsa"
    signing(config)["rekorTlogUrls"][0]["url"] = "http://log.acme.example"
    opened = parse_sigstore_config(render(config))
    assert opened.timestampers[0].host == "timestamp.acme.example"
    assert opened.log.url == "http://log.acme.example"


# --- on the way ----------------------------------------------------------------------------------------------------


def test_a_netrc_does_not_take_the_place_of_the_token(
    instance: Instance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login a password b\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setattr("ostiary.trust.keyless_transport.is_loopback", lambda _url: False)
    monkeypatch.setenv("no_proxy", "*")
    assert sign(instance).signer.identity == IDENTITY
    assert instance.list_asked(AUTHORITY)[0][2]["authorization"].startswith("Bearer ")
    assert "authorization" not in instance.list_asked(LOG)[0][2]


def test_no_proxy_is_asked_for_this_machine_itself(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert sign(instance).signer.identity == IDENTITY


def test_a_token_is_checked_again_when_it_is_used(instance: Instance) -> None:
    opened = open_instance(render(instance.describe()))
    token = instance.provider.make_token()
    session = KeylessHolder(opened, lambda: token, lambda _session: None).open_session()
    late = replace(session, token=replace(session.token, ends_at=datetime.now(UTC)))
    with pytest.raises(Misuse, match="has expired"):
        late.sign_payload(PAYLOAD)
    assert instance.asked == []
